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
// gobreaker middleware in front of each step, one breaker each. It is the first major version of gobreaker.
var goKit = Peer{
	Name: "go-kit", Module: "github.com/go-kit/kit",
	Does:   "endpoint.Chain over untyped endpoints; guarded: its gobreaker middleware in front of each step, which counts the backend's errors as the step's; panics not contained",
	Builds: map[Grade]Build{Plain: endpoints(false), Recovering: over(endpoints(false), contained), Guarded: endpoints(true)},
}

func endpoints(guarded bool) Build {
	return func(steps []Step, backend bench.Handler) bench.Handler {
		var all []endpoint.Middleware
		for i, step := range steps {
			if guarded {
				all = append(all, circuitbreaker.Gobreaker(gobreaker1.NewCircuitBreaker(gobreaker1.Settings{Name: fmt.Sprint(i)})))
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
