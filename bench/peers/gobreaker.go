package peers

import (
	"context"
	"fmt"

	"github.com/sony/gobreaker/v2"

	"github.com/maillon-go/maillon/bench"
)

// gobreaker's Execute around each step and all that is behind it, which is how it is used in middleware. So an error of the
// backend counts against every breaker: six of them, and all of them are open. The excluding form says by IsExcluded that it is none of
// theirs, and neither is a block. It does not contain panics, but counts them.
var breakers = Peer{
	Name: "gobreaker", Module: "github.com/sony/gobreaker/v2",
	Does:      "Execute around each step: a breaker each, which counts the backend's errors as the step's; panics counted, not contained",
	Builds:    map[Grade]Build{Guarded: execute(gobreaker.Settings{})},
	Excluding: execute(gobreaker.Settings{IsExcluded: excluded}),
}

func execute(st gobreaker.Settings) Build {
	return func(steps []Step, backend bench.Handler) bench.Handler {
		h := backend
		for i := len(steps) - 1; i >= 0; i-- {
			next := around(steps[i])(h)
			st.Name = fmt.Sprint(i)
			cb := gobreaker.NewCircuitBreaker[*bench.Payload](st)
			h = func(ctx context.Context, p *bench.Payload) (*bench.Payload, error) {
				return cb.Execute(func() (*bench.Payload, error) { return next(ctx, p) })
			}
		}
		return h
	}
}
