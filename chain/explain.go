package chain

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/samber/lo"
)

// Plan is what the next call of a chain runs, in order: for people as text (String) and as a diagram (Mermaid), for
// programs as JSON.
type Plan struct {
	Chain string        `json:"chain"`
	Links []PlannedLink `json:"links"`
	Notes []string      `json:"notes,omitempty"` // constraints and overrides that do not fit
	Inert []string      `json:"inert,omitempty"` // overrides of links that are not there
}

// PlannedLink is one link of a Plan.
type PlannedLink struct {
	Ring      string        `json:"ring"` // outer, in, inner, out, observe
	Name      string        `json:"name"`
	Scope     string        `json:"scope"` // process, session, block
	Kind      Kind          `json:"kind"`
	Mode      Mode          `json:"mode"`
	Priority  int           `json:"priority"`
	OnFailure Failure       `json:"on_failure"`
	Timeout   time.Duration `json:"timeout,omitempty"` // nanoseconds in JSON
	Breaker   string        `json:"breaker"`           // closed, half-open, open, or off
	Notes     []string      `json:"notes,omitempty"`
	// Interceptor says that the link is an Around that does not look at the payload.
	Interceptor bool           `json:"interceptor,omitempty"`
	Marks       map[string]int `json:"marks,omitempty"` // see Mark
}

// Explain describes the current plan. Order, modes and breaker states are those of this moment.
func (c *Chain[P]) Explain() Plan {
	pl := c.survey()
	gate := lo.ContainsBy(pl.order, func(n *node[P]) bool { return n.kind == KindBefore || n.kind == KindAfter })
	return Plan{Chain: c.name, Notes: pl.notes, Inert: pl.inert, Links: lo.Map(pl.order, func(n *node[P], _ int) PlannedLink {
		l := PlannedLink{
			Ring: n.ring().String(), Name: n.name, Scope: n.scopeName(), Kind: n.kind, Mode: n.mode, Priority: n.priority,
			OnFailure: n.failure, Timeout: n.timeout, Breaker: n.g.stateName(), Interceptor: n.blind, Marks: maps.Clone(n.marks),
		}
		note := func(yes bool, text string) {
			if yes {
				l.Notes = append(l.Notes, text)
			}
		}
		note(n.ring() == ringOuter && gate && n.mode == Sequential, "can skip the hooks")
		note(n.mode == Audit && n.kind == KindAround, "shadow")
		note(!n.blocks && (n.mode == Sequential || n.mode == Concurrent) && !n.observes(), "never blocks here")
		note(n.failureYielded(), "left out: OnFailure(Fail): in mode "+n.mode.String()+" "+cannotStop)
		note(n.g.flags.Load()&pinned != 0, "always asks its breaker")
		l.Notes = append(l.Notes, n.notes...)
		if e := pl.incumbent(n); e != nil {
			l.Notes = append(l.Notes, "candidate for "+e.name)
		}
		return l
	})}
}

// Stats is a snapshot of the counts of all links, in the order of Explain.
func (c *Chain[P]) Stats() Stats {
	pl := c.survey()
	var d DispatcherStats
	if c.cfg.Dispatcher != nil { // of a zero Chain
		d = c.cfg.Dispatcher.Stats()
	}
	var cases map[string][]Case
	for _, n := range pl.order {
		if k := n.g.cases.list(); len(k) > 0 {
			if cases == nil {
				cases = map[string][]Case{}
			}
			cases[n.scopeName()+"/"+n.name] = k
		}
	}
	return Stats{Chain: c.name, Dispatcher: d, Cases: cases, Links: lo.Map(pl.order, func(n *node[P], _ int) LinkStats {
		return n.g.stats(n.name, n.scopeName())
	})}
}

func (g *guard) stats(link, scope string) LinkStats {
	return LinkStats{
		Link: link, Scope: scope, Breaker: g.State(), State: g.stateName(),
		Calls: g.calls.Load(), Failures: g.failures.Load(), Ignored: g.ignored.Load(), Blocks: g.blocks.Load(),
		WouldBlocks: g.wouldBlocks.Load(), Rewrites: g.rewrites.Load(), WouldRewrites: g.wouldRewrites.Load(),
		Discarded: g.discarded.Load(), Trips: g.trips.Load(), Abandoned: g.abandoned.Load(), Running: g.running.Load(),
		Disagreements: g.disagreements.Load(),
	}
}

func (g *guard) stateName() string {
	if g.flags.Load()&off != 0 {
		return "off"
	}
	return g.State().String()
}

// String is the plan as a table.
func (p Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "chain %s", p.Chain)
	if len(p.Links) == 0 {
		return b.String() + ": no links\n" + p.inert()
	}
	b.WriteByte('\n')
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  #\tring\tlink\tkind\tmode\tprio\ton failure\ttimeout\tbreaker\tnotes")
	for i, l := range p.Links {
		timeout := "-"
		if l.Timeout > 0 {
			timeout = l.Timeout.String()
		}
		fmt.Fprintf(w, "  %d\t%s\t%s/%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n", i+1, l.Ring, l.Scope, l.Name, l.Kind, l.Mode, l.Priority,
			l.OnFailure, timeout, l.Breaker, strings.Join(append(slices.Clone(l.Notes), l.marks()...), ", "))
	}
	_ = w.Flush()
	lines := strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	for _, n := range p.Notes {
		lines = append(lines, "  note: "+n)
	}
	return strings.Join(lines, "\n") + "\n" + p.inert()
}

func (l PlannedLink) marks() (out []string) {
	for _, name := range slices.Sorted(maps.Keys(l.Marks)) {
		out = append(out, fmt.Sprintf("%s=%d", name, l.Marks[name]))
	}
	return out
}

func (p Plan) inert() string {
	var b strings.Builder
	for _, name := range p.Inert {
		fmt.Fprintf(&b, "  note: override of %q, which is not there: no effect\n", name)
	}
	return b.String()
}

// Mermaid is the plan as a flowchart: from the caller in to the handler and out again, observers at the end. Links in the
// mode Disabled are left out.
func (p Plan) Mermaid() string {
	return "flowchart LR\n  " + strings.Join(p.MermaidNodes(""), "\n  ") + "\n"
}

// MermaidNodes are the lines of Mermaid's flowchart, with a prefix before the id of each node, for a picture of several.
func (p Plan) MermaidNodes(prefix string) (lines []string) {
	lines = append(lines, prefix+"caller([caller])")
	by := lo.GroupBy(lo.Map(p.Links, func(l PlannedLink, i int) lo.Tuple2[int, PlannedLink] { return lo.T2(i, l) }),
		func(t lo.Tuple2[int, PlannedLink]) string { return t.B.Ring })
	last := prefix + "caller"
	step := func(id, shape string) {
		id = prefix + id
		lines = append(lines, id+shape, last+" --> "+id)
		last = id
	}
	ring := func(name string) {
		for _, t := range by[name] {
			if t.B.Mode == Disabled {
				continue
			}
			step(fmt.Sprintf("l%d", t.A), mermaidLabel(t.B))
		}
	}
	ring("outer")
	ring("in")
	ring("inner")
	step("handler", "([handler])")
	ring("out")
	step("result", "([result])")
	ring("observe")
	return lines
}

func mermaidLabel(l PlannedLink) string {
	text := fmt.Sprintf("%s/%s", l.Scope, l.Name)
	if l.Mode != Sequential {
		text += " (" + l.Mode.String() + ")"
	}
	text = strings.NewReplacer("&", "#amp;", `"`, "#quot;", "<", "#lt;", ">", "#gt;").Replace(text)
	if l.Kind == KindAround {
		return `[["` + text + `"]]`
	}
	return `["` + text + `"]`
}

// JSON is the plan indented for reading; json.Marshal gives the same without white space.
func (p Plan) JSON() ([]byte, error) { return json.MarshalIndent(p, "", "  ") }
