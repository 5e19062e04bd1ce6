package peers

import (
	"context"
	"fmt"

	"github.com/maillon-go/maillon/bench"
	"github.com/maillon-go/maillon/chain"
)

const ours = "github.com/maillon-go/maillon"

// hooks are the steps as Before hooks, which is what they are: each is contained, has a breaker of its own that is blamed for
// its own failures only, a failure policy and a mode.
var hooks = Peer{
	Name: "maillon hooks", Module: ours, Ours: true,
	Does: "Before hooks: panics contained, a breaker on each that the backend's errors do not open, blocks told from failures, observers, changes while it runs",
	Builds: map[Grade]Build{
		Recovering: beforeHooks, // there is no lesser form of it
		Guarded:    beforeHooks,
	},
}

func beforeHooks(steps []Step, backend bench.Handler) bench.Handler {
	links := make([]chain.Link[*bench.Payload], len(steps))
	for i, s := range steps {
		links[i] = chain.Before(fmt.Sprint("step", i), bench.Handler(s))
	}
	c := chain.New[*bench.Payload]("bench")
	must(c.Use(links...))
	return c.Then(backend)
}

// arounds are the same steps as middleware: each can call next again, answer in its place and see its result.
var arounds = Peer{
	Name: "maillon arounds", Module: ours, Ours: true,
	Does: "Around links: as hooks, and each sees what is behind it, and may answer or call it again",
	Builds: map[Grade]Build{
		Recovering: aroundLinks,
		Guarded:    aroundLinks,
	},
}

// around is a step as plain middleware.
func around(s Step) chain.Middleware[*bench.Payload] {
	return func(next bench.Handler) bench.Handler {
		return func(ctx context.Context, p *bench.Payload) (*bench.Payload, error) {
			p, err := s(ctx, p)
			if err != nil {
				return nil, err
			}
			return next(ctx, p)
		}
	}
}

func aroundLinks(steps []Step, backend bench.Handler) bench.Handler {
	links := make([]chain.Link[*bench.Payload], len(steps))
	for i, s := range steps {
		links[i] = chain.Around(fmt.Sprint("step", i), around(s))
	}
	c := chain.New[*bench.Payload]("bench")
	must(c.Use(links...))
	return c.Then(backend)
}

// compose is chain.Compose, for middleware without guards.
var compose = Peer{
	Name: "maillon compose", Module: ours, Ours: true,
	Does: "chain.Compose: typed middleware and nothing else",
	Builds: map[Grade]Build{
		Plain: func(steps []Step, backend bench.Handler) bench.Handler {
			mws := make([]chain.Middleware[*bench.Payload], len(steps))
			for i, s := range steps {
				mws[i] = around(s)
			}
			return chain.Compose(backend, mws...)
		},
	},
}
