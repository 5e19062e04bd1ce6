package peers

import (
	"context"

	"connectrpc.com/connect"

	"github.com/maillon-go/maillon/bench"
)

// connect's unary interceptors, chained in the way connect does it: each WrapUnary once, from the innermost out. No client, codec or
// network is part of it. It has an option of its handlers that recovers, once and outermost, which is not measured. Each call makes the request that interceptors get, and the response; a step that wants another payload would have to
// make another request, as it does here.
var connectGo = Peer{
	Name: "connect", Module: "connectrpc.com/connect", Version: "v1.21.1",
	Does:   "unary interceptors around a connect.Request, which each call makes, with headers for who asks; no breaker; panics of all steps contained once, by an option that is not measured",
	Builds: map[Grade]Build{Plain: interceptors, Recovering: over(interceptors, Contained)},
}

func interceptors(steps []Step, backend bench.Handler) bench.Handler {
	var call connect.UnaryFunc = func(ctx context.Context, r connect.AnyRequest) (connect.AnyResponse, error) {
		p, err := backend(ctx, r.Any().(*bench.Payload))
		if err != nil {
			return nil, err
		}
		return connect.NewResponse(p), nil
	}
	for i := len(steps) - 1; i >= 0; i-- {
		step := steps[i]
		call = connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
			return func(ctx context.Context, r connect.AnyRequest) (connect.AnyResponse, error) {
				in := r.Any().(*bench.Payload)
				p, err := step(ctx, in)
				if err != nil {
					return nil, err
				}
				if p != in {
					r = connect.NewRequest(p)
				}
				return next(ctx, r)
			}
		}).WrapUnary(call)
	}
	return func(ctx context.Context, p *bench.Payload) (*bench.Payload, error) {
		res, err := call(ctx, connect.NewRequest(p))
		if err != nil {
			return nil, err
		}
		return res.Any().(*bench.Payload), nil
	}
}
