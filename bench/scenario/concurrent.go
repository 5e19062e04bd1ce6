package scenario

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/maillon-go/maillon/bench"
	"github.com/maillon-go/maillon/bench/measure"
	"github.com/maillon-go/maillon/bench/peers"
	"github.com/maillon-go/maillon/chain"
)

const atOnce = 4

func concurrent() Scenario {
	return Scenario{"concurrent", "four steps at the same time, then the backend", []Cell{
		{Peer: "errgroup by hand", Grade: peers.Plain, Links: atOnce, Build: grouped(pass)},
		{Peer: "errgroup by hand", Grade: peers.Recovering, Links: atOnce, Build: grouped(peers.Contained(pass))},
		{Peer: "maillon hooks", Grade: peers.Guarded, Links: atOnce, Build: func() measure.Work {
			var links []chain.Link[*bench.Payload]
			for i := range atOnce {
				links = append(links, chain.Before(fmt.Sprint("step", i), pass, chain.InMode(chain.Concurrent)))
			}
			return measure.Work{Handler: chained(links...)}
		}},
	}}
}

func grouped(step peers.Step) func() measure.Work {
	return func() measure.Work {
		return measure.Work{Handler: func(ctx context.Context, p *bench.Payload) (*bench.Payload, error) {
			g, gctx := errgroup.WithContext(ctx)
			for range atOnce {
				g.Go(func() error {
					_, err := step(gctx, p)
					return err
				})
			}
			if err := g.Wait(); err != nil {
				return nil, err
			}
			return bench.Backend(ctx, p)
		}}
	}
}

func background() Scenario {
	return Scenario{"background", "one step that the call does not wait for; the work put off is waited for at the end of a sample, and counts", []Cell{
		{Peer: "goroutine by hand", Grade: peers.Recovering, Links: 1, Build: spawned},
		{Peer: "maillon hooks", Grade: peers.Guarded, Links: 1, Build: dispatched},
	}}
}

// spawned starts a goroutine for each call, as many as there are calls.
func spawned() measure.Work {
	var done atomic.Int64
	var running sync.WaitGroup
	step := peers.Contained(counting(&done))
	return measure.Work{After: running.Wait, Handler: func(ctx context.Context, p *bench.Payload) (*bench.Payload, error) {
		later := context.WithoutCancel(ctx)
		running.Go(func() { _, _ = step(later, p) })
		return bench.Backend(ctx, p)
	}}
}

func dispatched() measure.Work {
	var done atomic.Int64
	c := chain.New[*bench.Payload]("bench")
	must(c.Use(chain.Before("step", bench.Handler(counting(&done)), chain.InMode(chain.FireAndForget))))
	return measure.Work{Handler: c.Then(bench.Backend), After: func() {
		if err := c.Drain(context.Background()); err != nil {
			panic(err)
		}
	}}
}

func counting(n *atomic.Int64) peers.Step {
	return func(_ context.Context, p *bench.Payload) (*bench.Payload, error) {
		n.Add(1)
		return p, nil
	}
}
