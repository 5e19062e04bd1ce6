package peers

import (
	"context"

	"github.com/maillon-go/maillon/bench"
)

// Closures nested by hand: what the language itself costs, and the floor for everybody else. The recovering form has a
// deferred recover in each step, which is what a careful program writes.
var closures = Peer{
	Name: "closures",
	Does: "nothing but the calls, nested by hand; recovering: a deferred recover around each",
	Builds: map[Grade]Build{
		Plain:      nest,
		Recovering: over(nest, Contained),
	},
}

func nest(steps []Step, backend bench.Handler) bench.Handler {
	h := backend
	for i := len(steps) - 1; i >= 0; i-- {
		step, next := steps[i], h
		h = func(ctx context.Context, p *bench.Payload) (*bench.Payload, error) {
			p, err := step(ctx, p)
			if err != nil {
				return nil, err
			}
			return next(ctx, p)
		}
	}
	return h
}
