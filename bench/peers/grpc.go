package peers

import (
	"context"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"google.golang.org/grpc"

	"github.com/maillon-go/maillon/bench"
)

// grpc-go's unary server interceptors, chained as its server does, whose own function for it is not exported: one alone is used as it
// is, and of several each call makes a closure for what each but the last calls next. No server, codec or network is part of it.
// Recovering has go-grpc-middleware's recovery interceptor in front of each step.
var grpcGo = Peer{
	Name: "grpc-go", Module: "google.golang.org/grpc", Version: "v1.85.0", With: "github.com/grpc-ecosystem/go-grpc-middleware/v2",
	Does:   "unary server interceptors, chained as grpc.ChainUnaryInterceptor does; untyped; recovering: go-grpc-middleware's recovery in front of each step; no breaker",
	Builds: map[Grade]Build{Plain: unary(false), Recovering: unary(true)},
}

func unary(recovering bool) Build {
	return func(steps []Step, backend bench.Handler) bench.Handler {
		var all []grpc.UnaryServerInterceptor
		for _, step := range steps {
			if recovering {
				all = append(all, recovery.UnaryServerInterceptor())
			}
			all = append(all, func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
				p, err := step(ctx, req.(*bench.Payload))
				if err != nil {
					return nil, err
				}
				return next(ctx, p)
			})
		}
		last := func(ctx context.Context, req any) (any, error) { return backend(ctx, req.(*bench.Payload)) }
		info := &grpc.UnaryServerInfo{FullMethod: "/bench/Call"}
		call := func(ctx context.Context, p *bench.Payload) (any, error) {
			return all[0](ctx, p, info, behind(all, 0, info, last))
		}
		if len(all) == 0 {
			call = func(ctx context.Context, p *bench.Payload) (any, error) { return last(ctx, p) }
		}
		return func(ctx context.Context, p *bench.Payload) (*bench.Payload, error) {
			out, err := call(ctx, p)
			if err != nil {
				return nil, err
			}
			return out.(*bench.Payload), nil
		}
	}
}

// behind is what an interceptor calls next.
func behind(all []grpc.UnaryServerInterceptor, i int, info *grpc.UnaryServerInfo, last grpc.UnaryHandler) grpc.UnaryHandler {
	if i == len(all)-1 {
		return last
	}
	return func(ctx context.Context, req any) (any, error) {
		return all[i+1](ctx, req, info, behind(all, i+1, info, last))
	}
}
