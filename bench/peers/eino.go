package peers

import (
	"context"

	"github.com/cloudwego/eino/callbacks"

	"github.com/maillon-go/maillon/bench"
)

// eino's callbacks are told of the start and the end of a component. They can neither change what goes through nor stop it,
// so that only the work with steps that look is the same. Each call begins with a context that has the handlers, as a
// component's caller makes it.
var eino = Peer{
	Name: "eino callbacks", Module: "github.com/cloudwego/eino", Version: "v0.7.36", Observes: true,
	Does:   "callbacks at a component's start and end, which can neither rewrite nor block; no breaker, panics not contained",
	Builds: map[Grade]Build{Plain: told, Recovering: over(told, Contained)},
}

func told(steps []Step, backend bench.Handler) bench.Handler {
	var all []callbacks.Handler
	for _, step := range steps {
		all = append(all, callbacks.NewHandlerBuilder().OnStartFn(func(ctx context.Context, _ *callbacks.RunInfo, in callbacks.CallbackInput) context.Context {
			_, _ = step(ctx, in.(*bench.Payload))
			return ctx
		}).Build())
	}
	info := &callbacks.RunInfo{Name: "bench", Type: "bench"}
	return func(ctx context.Context, p *bench.Payload) (*bench.Payload, error) {
		ctx = callbacks.InitCallbacks(ctx, info, all...)
		ctx = callbacks.OnStart(ctx, p)
		out, err := backend(ctx, p)
		if err != nil {
			callbacks.OnError(ctx, err)
			return nil, err
		}
		callbacks.OnEnd(ctx, out)
		return out, nil
	}
}
