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
	Name: "gobreaker", Module: "github.com/sony/gobreaker/v2", Version: "v2.4.0",
	Does:      "Execute around each step and all behind it, as in middleware: a breaker each, which counts the errors of what is behind as the step's; panics counted, not contained",
	Builds:    map[Grade]Build{Guarded: execute(gobreaker.Settings{})},
	Excluding: execute(gobreaker.Settings{IsExcluded: excluded}),
}

// The same around the step alone, as a hook has it: errors of the backend are none of its business, blocks still are.
var breakersAlone = Peer{
	Name: "gobreaker, step only", Module: "github.com/sony/gobreaker/v2", Version: "v2.4.0",
	Does:      "Execute around each step alone: a breaker each, which counts blocks as failures; panics counted, not contained",
	Builds:    map[Grade]Build{Guarded: executeAlone(gobreaker.Settings{})},
	Excluding: executeAlone(gobreaker.Settings{IsExcluded: excluded}),
}

func executeAlone(st gobreaker.Settings) Build {
	return func(steps []Step, backend bench.Handler) bench.Handler {
		h := backend
		for i := len(steps) - 1; i >= 0; i-- {
			step, next := steps[i], h
			st.Name = fmt.Sprint(i)
			cb := gobreaker.NewCircuitBreaker[*bench.Payload](st)
			h = func(ctx context.Context, p *bench.Payload) (*bench.Payload, error) {
				p, err := cb.Execute(func() (*bench.Payload, error) { return step(ctx, p) })
				if err != nil {
					return nil, err
				}
				return next(ctx, p)
			}
		}
		return h
	}
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
