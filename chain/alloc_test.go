//go:build !race

package chain

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/sony/gobreaker/v2"
)

// TestAllocs holds every claim about allocations on the path of a call. The race detector changes the counts, so that
// .ci/run runs the tests named Alloc once more without it.
func TestAllocs(t *testing.T) {
	hooks := hooksOf
	arounds := func(n int, opts ...Option) []Link[*payload] {
		links, _ := numbered(n, passOn, opts...)
		return links
	}
	mixed := func(n int) (links []Link[*payload]) {
		for i := range n {
			links = append(links, Before(fmt.Sprint("in", i), nop), After(fmt.Sprint("out", i), nop))
		}
		return links
	}
	observer := Observe("observer", ignore)
	allow := Policy[*payload]{Rewrite: func(_ Position, _, proposed *payload) (*payload, []string) { return proposed, nil }}
	ownRule := Breaker(gobreaker.Settings{ReadyToTrip: func(gobreaker.Counts) bool { return false }})
	chained := func(cfg Config[*payload], links ...Link[*payload]) Handler[*payload] {
		return newChainWith(t, cfg, links...).Then(nop)
	}
	plain := Config[*payload]{}
	restricted := Config[*payload]{Policy: allow}
	armed := func(n int) Handler[*payload] {
		c := newChain(t, hooks(n)...)
		call := c.Then(nop)
		for _, node := range c.snap.Load().nodes {
			ticket{g: node.g}.report(faulty)
		}
		return call
	}
	nested := func(n int) Handler[*payload] {
		h := nop
		for range n {
			h = passOn(h)
		}
		return h
	}
	composed := func(n int) Handler[*payload] {
		mws := make([]Middleware[*payload], n)
		for i := range mws {
			mws[i] = passOn
		}
		return Compose(nop, mws...)
	}
	scoped := func() Handler[*payload] {
		process := newChain(t, Before("process", nop))
		session, err := process.Scope(Before("session", nop))
		must(t, err)
		block, err := session.Scope(Before("block", nop))
		must(t, err)
		return block.Then(nop)
	}

	for _, tc := range []struct {
		name string
		call Handler[*payload]
		want float64
	}{
		{"10 closures by hand", nested(10), 0},
		{"10 composed", composed(10), 0},
		{"76 composed", composed(76), 0},
		{"an empty chain", chained(plain), 0},
		{"1 hook", chained(plain, hooks(1)...), 0},
		{"10 hooks", chained(plain, hooks(10)...), 0},
		{"76 hooks", chained(plain, hooks(76)...), 0},
		{"10 hooks that fail open", chained(plain, hooks(10, OnFailure(Ignore))...), 0},
		{"10 hooks under a policy", chained(restricted, hooks(10)...), 0},
		{"5 Before and 5 After hooks", chained(plain, mixed(5)...), 0},
		{"38 Before and 38 After hooks", chained(plain, mixed(38)...), 0},
		{"3 hooks in three scopes", scoped(), 0},
		{"one inline observer", chained(plain, observer), 0},
		{"10 hooks and an observer", chained(plain, append(hooks(10), observer)...), 0},
		{"10 hooks and a timed observer", chained(plain, append(hooks(10), Observe("timed", ignore, Timed()))...), 0},
		{"10 hooks and an OnError", chained(plain, append(hooks(10), OnError("error", ignore))...), 0},
		{"10 disabled hooks", chained(plain, hooks(10, InMode(Disabled))...), 0},
		{"1 Around", chained(plain, arounds(1)...), 1},
		{"10 Arounds", chained(plain, arounds(10)...), 1},
		{"12 Arounds", chained(plain, arounds(12)...), 1},
		{"12 Outer Arounds", chained(plain, arounds(12, Outer())...), 1},
		{"12 Arounds that fail open", chained(plain, arounds(12, OnFailure(Ignore))...), 1},
		{"12 Arounds under a policy", chained(restricted, arounds(12)...), 1},
		{"12 Arounds that fail open under a policy", chained(restricted, arounds(12, OnFailure(Ignore))...), 1},
		{"12 Arounds, 10 hooks and an observer", chained(plain, append(append(arounds(12), hooks(10)...), observer)...), 1},
		{"13 Arounds", chained(plain, arounds(13)...), 2},
		{"76 Arounds", chained(plain, arounds(76)...), 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := allocsPerCall(bg, t, tc.call); got > tc.want {
				t.Errorf("%v allocations a call, want at most %v", got, tc.want)
			}
			if strings.Contains(tc.name, "observer") || strings.Contains(tc.name, "OnError") {
				tc.want++ // the observers' context, which outlives the caller's
			}
			ctx, cancel := context.WithCancel(bg)
			defer cancel()
			if got := allocsPerCall(ctx, t, tc.call); got > tc.want {
				t.Errorf("%v allocations a call that can be cancelled, want at most %v", got, tc.want)
			}
		})
	}

	// No promise, but good to know.
	for _, tc := range []struct {
		name string
		call Handler[*payload]
	}{
		{"10 hooks with a trip rule of their own", chained(plain, hooks(10, ownRule)...)},
		{"10 armed hooks that recover", armed(10)},
		{"10 counted hooks", chained(plain, hooks(10, Counted())...)},
		{"10 Audit hooks", chained(plain, hooks(10, InMode(Audit))...)},
		{"10 Arounds with a trip rule of their own", chained(plain, arounds(10, ownRule)...)},
	} {
		t.Logf("%s: %v allocations a call", tc.name, allocsPerCall(bg, t, tc.call))
	}
}

// TestAllocsOfErrors: an error that comes back through Arounds costs one place to keep it in, however many they are.
func TestAllocsOfErrors(t *testing.T) {
	blocked := Block("no")
	arounds := func(last Handler[*payload], opts ...Option) []Link[*payload] {
		links, _ := numbered(9, passOn, opts...)
		return append(links, Around("last", answer(last), opts...))
	}
	for _, tc := range []struct {
		name    string
		links   []Link[*payload]
		handler Handler[*payload]
		want    float64
	}{
		{"10 hooks, the backend fails", hooksOf(10), fail(errBackend), 0},
		{"10 Arounds, the backend fails", append(arounds(nop)[:9], Around("last", passOn)), fail(errBackend), 2},
		{"10 Arounds that fail open, the backend fails", append(arounds(nop, OnFailure(Ignore))[:9], Around("last", passOn)), fail(errBackend), 1},
		{"the last of 10 Arounds blocks", arounds(fail(blocked)), nop, 3}, // with the violation as it is stamped
		{"the last of 10 hooks blocks", append(hooksOf(9), Before("last", fail(blocked))), nop, 1},
		{"the last of 10 hooks blocks with a value of each call", append(hooksOf(9), Before("last", func(context.Context, *payload) (*payload, error) { return nil, Block("no") })), nop, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			call, p := newChain(t, tc.links...).Then(tc.handler), &payload{}
			got := testing.AllocsPerRun(200, func() {
				if _, err := call(bg, p); err == nil {
					t.Error("no error")
				}
			})
			if got > tc.want {
				t.Errorf("%v allocations a call, want at most %v", got, tc.want)
			}
		})
	}
}

func hooksOf(n int, opts ...Option) (links []Link[*payload]) {
	for i := range n {
		links = append(links, Before(fmt.Sprint("hook", i), nop, opts...))
	}
	return links
}

func allocsPerCall(ctx context.Context, t *testing.T, call Handler[*payload]) float64 {
	t.Helper()
	p := &payload{}
	return testing.AllocsPerRun(200, func() {
		if _, err := call(ctx, p); err != nil {
			t.Error(err)
		}
	})
}
