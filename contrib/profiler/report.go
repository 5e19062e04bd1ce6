package profiler

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Report is what a profiler saw since it was made or Reset, at one moment. It has a text form, String, and its JSON form is
// stable: fields are added to it, none is renamed. Times are in nanoseconds there.
type Report struct {
	SampleEvery int `json:"sample_every"` // of so many calls, links were timed in one
	// Slots has a row for each component, by name and kind, in each stage that it passed.
	Slots []Row `json:"slots"`
	// Kinds adds up the rows of all components of a kind, Stages those of all kinds.
	Kinds  []Row  `json:"kinds"`
	Stages []Row  `json:"stages"`
	Links  []Link `json:"links"` // of sampled calls only
	// Sessions are in the order in which they began.
	Sessions []Session `json:"sessions"`
	// Unplaced is the number of stages of sessions without a chart, because all charts were taken by open ones.
	Unplaced int64 `json:"unplaced,omitempty"`
}

// Row is a line of a Report. Kind is "(nested)" for the calls that a hook or a check made.
type Row struct {
	Kind  string `json:"kind,omitempty"` // of the component; empty outside of one
	Name  string `json:"name,omitempty"` // of the component
	Stage string `json:"stage"`
	Counts
	// Latency is from the begin of a stage's chain, links included, to its end. That of a stream includes its reader's time.
	Latency Timing `json:"latency"`
	// FirstChunk is until the first chunk of a streamed answer: from the backend, in the stage "generation", or until the
	// reader had it, in the stage "stream".
	FirstChunk Timing `json:"first_chunk"`
}

// Counts of a row.
type Counts struct {
	Calls    int64 `json:"calls"`
	Failed   int64 `json:"failed"`   // ended in an error; a tool also when it was not successful
	Blocked  int64 `json:"blocked"`  // by a link
	Canceled int64 `json:"canceled"` // by the caller
	// Unfulfilled are those that came to an end without an answer that fulfils all requirements.
	Unfulfilled int64 `json:"unfulfilled"`
	// Retries are, of the stage "sampling", repairs; of the stage "generation", further requests to the backend for one
	// generation, in calls that succeeded in the end.
	Retries int64 `json:"retries"`
	// Cached are generations that a link answered in the backend's place. Their tokens are not counted.
	Cached int64 `json:"cached"`
	// The same tokens are counted in the stages "generation", "sampling" and "component", so rows must not be added up.
	InputTokens  int64 `json:"input_tokens"`
	OutputTokens int64 `json:"output_tokens"`
}

func (c *Counts) add(o Counts) {
	c.Calls += o.Calls
	c.Failed += o.Failed
	c.Blocked += o.Blocked
	c.Canceled += o.Canceled
	c.Unfulfilled += o.Unfulfilled
	c.Retries += o.Retries
	c.Cached += o.Cached
	c.InputTokens += o.InputTokens
	c.OutputTokens += o.OutputTokens
}

// Timing describes durations. Quantiles are exact to 1 %, and at most an hour.
type Timing struct {
	Count int64         `json:"count"`
	Sum   time.Duration `json:"sum_ns"`
	Mean  time.Duration `json:"mean_ns"`
	Min   time.Duration `json:"min_ns"`
	P50   time.Duration `json:"p50_ns"`
	P90   time.Duration `json:"p90_ns"`
	P99   time.Duration `json:"p99_ns"`
	Max   time.Duration `json:"max_ns"`
}

// Link is a link, or the handler of a chain, in the sampled calls.
type Link struct {
	Chain string `json:"chain"`
	Scope string `json:"scope,omitempty"`
	Link  string `json:"link"` // "(handler)" is what the chain wraps
	LinkCounts
	Self  Timing        `json:"self"`     // without the time in next
	Total time.Duration `json:"total_ns"` // the sum with it
}

// LinkCounts are of sampled calls.
type LinkCounts struct {
	Samples int64 `json:"samples"`
	Blocked int64 `json:"blocked"`
	Errors  int64 `json:"errors"` // returned by the link, its own or those of what it wraps
}

// Session is the time of a session, by what it was spent in.
type Session struct {
	ID    string `json:"id"` // empty for calls without a session
	Time  Frame  `json:"time"`
	Ended bool   `json:"ended"`
}

// Frame is a part of a session's time. What a frame took beyond its parts is its own. The parts of a frame may have run at the
// same time, and then have taken more than it did.
type Frame struct {
	Name  string        `json:"name"`
	Calls int64         `json:"calls,omitempty"` // none for a session and a slot, which are what their stages are
	Took  time.Duration `json:"took_ns"`
	// Link says that the frame is the own time of a link, estimated from the sampled calls.
	Link  bool    `json:"link,omitempty"`
	Parts []Frame `json:"parts,omitempty"`
}

// Snapshot is the report of this moment. Calls that end meanwhile wait for it, some ten milliseconds where all keys
// are taken.
func (p *Plugin) Snapshot() Report {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := Report{SampleEvery: p.every, Unplaced: p.lost, Sessions: []Session{}, Links: []Link{}}
	r.Slots = rowsBy(p.rows, func(k key) key { return k })
	r.Kinds = rowsBy(p.rows, func(k key) key { return key{k.kind, "", k.stage} })
	r.Stages = rowsBy(p.rows, func(k key) key { return key{"", "", k.stage} })
	for k, l := range p.links {
		r.Links = append(r.Links, Link{k.chain, k.scope, k.link, l.LinkCounts, l.self.timing(), l.total})
	}
	slices.SortFunc(r.Links, func(a, b Link) int {
		return cmp.Or(-cmp.Compare(a.Self.Sum, b.Self.Sum), cmp.Compare(a.Chain, b.Chain), cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Link, b.Link))
	})
	for _, id := range p.age {
		t := p.trees[id]
		r.Sessions = append(r.Sessions, Session{ID: id, Time: t.root.export("session"), Ended: t.over})
	}
	return r
}

// rowsBy adds up rows that have one key.
func rowsBy(rows map[key]*row, by func(key) key) []Row {
	sums := map[key]*row{}
	for k, r := range rows {
		k = by(k)
		if sums[k] == nil {
			sums[k] = new(row)
		}
		s := sums[k]
		s.add(r.Counts)
		s.latency.merge(r.latency)
		s.first.merge(r.first)
	}
	keys := slices.SortedFunc(maps.Keys(sums), func(a, b key) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name), compareStages(a.stage, b.stage))
	})
	out := make([]Row, 0, len(keys))
	for _, k := range keys {
		s := sums[k]
		out = append(out, Row{Kind: k.kind, Name: k.name, Stage: k.stage, Counts: s.Counts, Latency: s.latency.timing(), FirstChunk: s.first.timing()})
	}
	return out
}

// compareStages puts stages into the order in which they run, and other names behind them.
func compareStages(a, b string) int {
	at := func(s string) int {
		if i := slices.Index(order, s); i >= 0 {
			return i
		}
		return len(order)
	}
	return cmp.Or(cmp.Compare(at(a), at(b)), cmp.Compare(a, b))
}

func (f *frame) export(name string) Frame {
	out := Frame{Name: name, Calls: f.calls, Took: f.took, Link: f.link}
	for _, n := range slices.SortedFunc(maps.Keys(f.children), func(a, b string) int {
		if f.children[a].link != f.children[b].link { // stages first
			if f.children[a].link {
				return 1
			}
			return -1
		}
		return compareStages(a, b)
	}) {
		out.Parts = append(out.Parts, f.children[n].export(n))
	}
	if f.calls == 0 { // no stage of its own: a session, a slot, or what has not ended yet
		for _, part := range out.Parts {
			out.Took += part.Took
		}
	}
	return out
}
