package scenario

import (
	"context"
	"fmt"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/timeout"

	"github.com/maillon-go/maillon/bench"
	"github.com/maillon-go/maillon/bench/measure"
	"github.com/maillon-go/maillon/bench/peers"
	"github.com/maillon-go/maillon/chain"
)

const (
	farOff = time.Minute
	soon   = time.Millisecond
)

func timeoutIdle() Scenario {
	return Scenario{"timeout-idle", "one of ten steps has a timeout, of a minute", timed(farOff, 10, pass, nil)}
}

func timeoutFires() Scenario {
	return Scenario{"timeout-fires", "one step waits for the end of its context, which its timeout of 1 ms brings", timed(soon, 1, hang, context.DeadlineExceeded)}
}

// hang is a step that heeds its context, since only this project can leave one that does not.
func hang(ctx context.Context, _ *bench.Payload) (*bench.Payload, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// timed is n steps of which the middle one is limited. Closures have context.WithTimeout, which the step has to heed, as has
// failsafe-go's policy. The hard timeout of a hook leaves the step where it is, on a goroutine of its own. Cooperative rows have the step of the closures.
func timed(d time.Duration, n int, step peers.Step, fails error) []Cell {
	row := func(grade peers.Grade, peer string, fails error, build func() bench.Handler) Cell {
		return Cell{Peer: peer, Grade: grade, Links: n, Build: func() measure.Work { return measure.Work{Handler: build(), Fails: fails} }}
	}
	all := make([]peers.Step, n)
	for i := range all {
		all[i] = pass
	}
	with := func(grade peers.Grade, peer string, limited peers.Step) func() bench.Handler {
		return func() bench.Handler {
			p, _ := peers.ByName(peer)
			all := append([]peers.Step(nil), all...)
			all[n/2] = limited
			switch {
			case fails != nil && p.Excluding != nil:
				return p.Excluding(all, bench.Backend)
			case fails != nil && p.Ours:
				return chained(chain.Before("step", limited, chain.TripAfter(never)))
			}
			return p.Builds[grade](all, bench.Backend)
		}
	}
	cooperative := func(ctx context.Context, p *bench.Payload) (*bench.Payload, error) {
		ctx, cancel := context.WithTimeout(ctx, d)
		defer cancel()
		return step(ctx, p)
	}
	ex := failsafe.With[*bench.Payload](timeout.New[*bench.Payload](d))
	policy := func(ctx context.Context, p *bench.Payload) (*bench.Payload, error) {
		return ex.WithContext(ctx).GetWithExecution(func(e failsafe.Execution[*bench.Payload]) (*bench.Payload, error) { return step(e.Context(), p) })
	}
	exceeded, abandoned := fails, fails
	if fails != nil {
		exceeded, abandoned = timeout.ErrExceeded, chain.ErrTimeout
	}
	return []Cell{
		row(peers.Plain, "closures, cooperative", fails, with(peers.Plain, "closures", cooperative)),
		row(peers.Recovering, "closures, cooperative", fails, with(peers.Recovering, "closures", cooperative)),
		row(peers.Guarded, "maillon hooks", abandoned, func() bench.Handler {
			var links []chain.Link[*bench.Payload]
			for i := range n {
				name := fmt.Sprint("step", i)
				if i == n/2 {
					links = append(links, chain.Before(name, step, chain.Timeout(d), chain.TripAfter(never)))
					continue
				}
				links = append(links, chain.Before(name, pass))
			}
			return chained(links...)
		}),
		row(peers.Guarded, "maillon hooks, cooperative", fails, with(peers.Guarded, "maillon hooks", cooperative)),
		row(peers.Guarded, "failsafe-go, cooperative", exceeded, with(peers.Guarded, "failsafe-go", policy)),
		row(peers.Guarded, "gobreaker, cooperative", fails, with(peers.Guarded, "gobreaker", cooperative)),
	}
}

// never is a number of failures that no measurement comes to.
const never = 1 << 31

func chained(links ...chain.Link[*bench.Payload]) bench.Handler {
	c := chain.New[*bench.Payload]("bench")
	must(c.Use(links...))
	return c.Then(bench.Backend)
}
