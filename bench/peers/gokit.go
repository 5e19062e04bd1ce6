package peers

import (
	"context"
	"fmt"

	"github.com/go-kit/kit/circuitbreaker"
	"github.com/go-kit/kit/endpoint"
	gobreaker1 "github.com/sony/gobreaker"

	"github.com/maillon-go/maillon/bench"
)

// go-kit's endpoints: middleware over func(ctx, any) (any, error), chained by endpoint.Chain, and guarded by its own
// gobreaker middleware in front of each step, one breaker each. It is the first major version of gobreaker,
// in which no error can be excluded: the excluding form has a breaker that counts them all and never trips.
var goKit = Peer{
	Name: "go-kit", Module: "github.com/go-kit/kit", Version: "v0.13.0", With: "github.com/sony/gobreaker",
	Does:      "endpoint.Chain over untyped endpoints; guarded: its gobreaker middleware around each step and all behind it, whose errors count as the step's; panics not contained",
	Builds:    map[Grade]Build{Plain: endpoints(nil), Recovering: over(endpoints(nil), Contained), Guarded: endpoints(guard(gobreaker1.Settings{}))},
	Excluding: endpoints(guard(gobreaker1.Settings{ReadyToTrip: func(gobreaker1.Counts) bool { return false }})),
}

// guard makes the middleware in front of a step.
func guard(st gobreaker1.Settings) func(i int) endpoint.Middleware {
	return func(i int) endpoint.Middleware {
		st.Name = fmt.Sprint(i)
		return circuitbreaker.Gobreaker(gobreaker1.NewCircuitBreaker(st))
	}
}

func endpoints(guard func(i int) endpoint.Middleware) Build {
	return func(steps []Step, backend bench.Handler) bench.Handler {
		var all []endpoint.Middleware
		for i, step := range steps {
			if guard != nil {
				all = append(all, guard(i))
			}
			all = append(all, func(next endpoint.Endpoint) endpoint.Endpoint {
				return func(ctx context.Context, request any) (any, error) {
					p, err := step(ctx, request.(*bench.Payload))
					if err != nil {
						return nil, err
					}
					return next(ctx, p)
				}
			})
		}
		e := endpoint.Endpoint(func(ctx context.Context, request any) (any, error) { return backend(ctx, request.(*bench.Payload)) })
		if len(all) > 0 {
			e = endpoint.Chain(all[0], all[1:]...)(e)
		}
		return func(ctx context.Context, p *bench.Payload) (*bench.Payload, error) {
			out, err := e(ctx, p)
			if err != nil {
				return nil, err
			}
			return out.(*bench.Payload), nil
		}
	}
}
