package chain

import "github.com/sony/gobreaker/v2"

// LinkStats are the counts of one link since it was registered; a reload that keeps the link keeps them.
type LinkStats struct {
	Link    string          `json:"link"`
	Scope   string          `json:"scope"`
	Breaker gobreaker.State `json:"-"`
	State   string          `json:"state"` // of the breaker: closed, half-open, open; or off (OnFailure(Disable))

	// Calls is exact for a link registered with Counted and for one that always takes the guarded path (a mode other
	// than Sequential, a timeout, a breaker with a rule of its own); for others it counts the calls made while failures
	// were on record.
	Calls         int64 `json:"calls"`
	Failures      int64 `json:"failures"` // errors of the link that were no blocks and not next's: refusals and rejections by its breaker too
	Ignored       int64 `json:"ignored"`  // failures after which the call went on
	Blocks        int64 `json:"blocks"`
	WouldBlocks   int64 `json:"would_blocks"`   // blocks that the mode or the position turned into a record
	Disagreements int64 `json:"disagreements"`  // of a candidate: calls about which the link that it is for decided otherwise
	Rewrites      int64 `json:"rewrites"`       // other payloads; of a payload that cannot be compared, every one
	WouldRewrites int64 `json:"would_rewrites"` // rewrites that the mode threw away; for a shadow, differing calls
	Discarded     int64 `json:"discarded"`      // changes of single fields that the policy threw away
	Trips         int64 `json:"trips"`          // times the breaker opened
	Abandoned     int64 `json:"abandoned"`      // timed-out or outvoted runs
	Running       int64 `json:"running"`        // runs on goroutines of their own right now, abandoned ones included
}

// DispatcherStats are the counts of a Dispatcher. Queued = Done + Dropped when it is idle.
type DispatcherStats struct {
	Queued  int64 `json:"queued"` // jobs handed in
	Done    int64 `json:"done"`   // jobs that ran, inline ones included
	Dropped int64 `json:"dropped"`
	Waiting int   `json:"waiting"` // in the queue now
	Running int   `json:"running"` // workers now
}

// Stats is a snapshot of a chain's counts, links in the order of Explain.
type Stats struct {
	Chain string      `json:"chain"`
	Links []LinkStats `json:"links"`
	// Cases are the last differing calls of links in Audit mode by scope/link, oldest first; see KeepCases.
	Cases      map[string][]Case `json:"cases,omitempty"`
	Dispatcher DispatcherStats   `json:"dispatcher"`
}

// Link returns the counts of the named link, of the innermost scope that has one.
func (s Stats) Link(name string) (l LinkStats, ok bool) {
	for _, x := range s.Links {
		if x.Link == name {
			l, ok = x, true
		}
	}
	return l, ok
}
