package chaintest

import (
	"testing"

	"github.com/maillon-go/maillon/chain"
)

// Check is one thing that Run looks at, and the name of its subtest.
type Check string

// The checks, in the order in which they run.
const (
	// CheckUsable: a chain accepts the link, and a call with a healthy backend succeeds.
	CheckUsable Check = "usable"
	// CheckNext: next is called at most MaxNext times, whether it succeeds, fails or is cancelled.
	CheckNext Check = "next"
	// CheckContext: what is called gets the caller's values and cancellation, and a cancelled call returns at once, also
	// while the link itself waits. Observers may take their time: their context is never cancelled.
	CheckContext Check = "context"
	// CheckPayload: neither the payload nor the backend's result is changed in place.
	CheckPayload Check = "payload"
	// CheckErrors: what next returned reaches the caller, for errors.Is.
	CheckErrors Check = "errors"
	// CheckRecovery: after a next that panicked or called runtime.Goexit the link still works, and no lock is left held.
	CheckRecovery Check = "recovery"
	// CheckHammer: 64 goroutines that share one payload, with failures and cancellations at random.
	CheckHammer Check = "hammer"
	// CheckGoroutines: nothing runs any more after all this.
	CheckGoroutines Check = "goroutines"
	// CheckAllocs: at most MaxAllocs allocations.
	CheckAllocs Check = "allocs"
)

// Run checks a link of any kind, each check a subtest. The link is called without a chain, so what it does is not
// softened by the engine; state that it keeps is kept from check to check. It takes about half a second for a link that
// passes, longer for one that hangs. Do not run it in parallel with tests that start goroutines: they would be taken for
// the link's. Run it with -race: only then a payload that is changed and put back is found.
func Run[P any](t *testing.T, link chain.Link[P], opts ...Option) {
	t.Helper()
	s, err := newSubject(link, newConfig(opts))
	if err != nil {
		t.Fatal(err)
	}
	if raceEnabled && s.maxAllocs >= 0 {
		t.Logf("check %s left out: the race detector is on", CheckAllocs)
	}
	for _, c := range s.checks() {
		if why, out := s.without[c.name]; out {
			t.Logf("check %s left out: %s", c.name, why)
			continue
		}
		ok := t.Run(string(c.name), func(t *testing.T) {
			for _, complaint := range c.run() {
				t.Errorf("link %q: %s", link.Name(), complaint)
			}
		})
		if !ok && c.name == CheckUsable {
			return // the others would only say the same
		}
	}
}

type namedCheck struct {
	name Check
	run  func() list
}

// checks are those that apply to the link.
func (s *subject[P]) checks() []namedCheck {
	all := []namedCheck{
		{CheckUsable, s.usable},
		{CheckNext, s.nextCount},
		{CheckContext, s.context},
		{CheckPayload, s.inPlace},
		{CheckErrors, s.errors},
		{CheckRecovery, s.recovery},
		{CheckHammer, s.hammer},
		{CheckGoroutines, s.goroutines},
	}
	if s.maxAllocs >= 0 && !raceEnabled {
		all = append(all, namedCheck{CheckAllocs, s.allocs})
	}
	return all
}
