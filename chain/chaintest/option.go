package chaintest

import "time"

// DefaultPatience is how long Run waits for a link before it says that it hangs.
const DefaultPatience = 5 * time.Second

// Option sets something about a Run. A nil Option is skipped.
type Option interface{ apply(*config) }

type option func(*config)

func (f option) apply(c *config) { f(c) }

type config struct {
	maxNext   int
	maxAllocs int // negative: not checked
	payload   any // func() P
	patience  time.Duration
	without   map[Check]string // why
}

func newConfig(opts []Option) config {
	c := config{maxNext: 1, maxAllocs: -1, patience: DefaultPatience, without: map[Check]string{}}
	for _, o := range opts {
		if o != nil {
			o.apply(&c)
		}
	}
	return c
}

// MaxNext is how often the link may call next in one call, failing ones included. Default 1; a retry needs its number of
// attempts.
func MaxNext(n int) Option { return option(func(c *config) { c.maxNext = n }) }

// MaxAllocs is how many allocations the link may add to a call that succeeds. Without it allocations are not checked.
// They are not checked under the race detector either, which allocates itself; the test's log says so.
func MaxAllocs(n int) Option { return option(func(c *config) { c.maxAllocs = n }) }

// Payload makes the payloads, a fresh one each time, of the type that the link is for. They must be such that the link
// lets the call through. It is called from many goroutines. Without it a pointer payload is new(T) and any other one its
// zero value.
func Payload[P any](f func() P) Option { return option(func(c *config) { c.payload = f }) }

// Patience is how long to wait for a link before saying that it hangs. Default DefaultPatience. A link that is cancelled
// has a fraction of a second, whatever the patience.
func Patience(d time.Duration) Option { return option(func(c *config) { c.patience = d }) }

// Translates says that the link turns next's errors into others, or into results, on purpose: CheckErrors is left out.
func Translates() Option { return Without(CheckErrors, "the link translates errors") }

// Without leaves a check out; the test's log says why.
func Without(check Check, why string) Option {
	return option(func(c *config) { c.without[check] = why })
}
