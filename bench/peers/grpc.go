package peers

import (
	"context"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"google.golang.org/grpc"

	"github.com/maillon-go/maillon/bench"
)

// grpc-go's unary server interceptors. Its server chains them by a closure that each call makes for each of them, which this
// does as well, since the server's own function for it is not exported. No server, codec or network is part of it. Recovering
// has go-grpc-middleware's recovery interceptor in front of each step.
var grpcGo = Peer{
	Name: "grpc-go", Module: "google.golang.org/grpc",
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
		return func(ctx context.Context, p *bench.Payload) (*bench.Payload, error) {
			out, err := rest(all, 0, info, last)(ctx, p)
			if err != nil {
				return nil, err
			}
			return out.(*bench.Payload), nil
		}
	}
}

// rest is what an interceptor calls next.
func rest(all []grpc.UnaryServerInterceptor, i int, info *grpc.UnaryServerInfo, last grpc.UnaryHandler) grpc.UnaryHandler {
	if i == len(all) {
		return last
	}
	return func(ctx context.Context, req any) (any, error) {
		return all[i](ctx, req, info, rest(all, i+1, info, last))
	}
}
