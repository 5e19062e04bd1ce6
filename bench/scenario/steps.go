package scenario

import (
	"context"

	"github.com/maillon-go/maillon/bench"
	"github.com/maillon-go/maillon/bench/measure"
	"github.com/maillon-go/maillon/bench/peers"
)

// links are how many steps the work that does nothing has.
var links = []int{0, 1, 10, 76, 256}

func noop() Scenario {
	return Scenario{"noop", "steps that hand the payload on", steps(links, look, bench.Backend, nil)}
}

func rewrite() Scenario {
	return Scenario{"rewrite", "every third of ten steps returns another payload", steps([]int{10}, func(i, _ int) peers.Step {
		if i%3 != 0 {
			return pass
		}
		return func(_ context.Context, p *bench.Payload) (*bench.Payload, error) { return p.WithText("rewritten"), nil }
	}, bench.Backend, nil)}
}

func blockFirst() Scenario {
	return Scenario{"block-first", "the first of ten steps blocks", steps([]int{10}, func(i, _ int) peers.Step {
		return blocks(i == 0)
	}, bench.Backend, peers.ErrBlocked)}
}

func blockLast() Scenario {
	return Scenario{"block-last", "the last of ten steps blocks", steps([]int{10}, func(i, n int) peers.Step {
		return blocks(i == n-1)
	}, bench.Backend, peers.ErrBlocked)}
}

func backendError() Scenario {
	return Scenario{"backend-error", "the backend behind ten steps fails", steps([]int{10}, look, func(context.Context, *bench.Payload) (*bench.Payload, error) {
		return nil, peers.ErrBackend
	}, peers.ErrBackend)}
}

func parallel() Scenario {
	cells := steps([]int{10}, look, bench.Backend, nil)
	for i := range cells {
		alone := cells[i].Build
		cells[i].Build = func() measure.Work {
			w := alone()
			w.Goroutines = 2
			return w
		}
	}
	return Scenario{"parallel", "ten steps that hand the payload on, called by two goroutines at once", cells}
}

func pass(_ context.Context, p *bench.Payload) (*bench.Payload, error) { return p, nil }

func look(_, _ int) peers.Step { return pass }

func blocks(here bool) peers.Step {
	if !here {
		return pass
	}
	return func(context.Context, *bench.Payload) (*bench.Payload, error) { return nil, peers.ErrBlocked }
}

// steps are the cells of all peers, in all grades: step makes the one at place i of n, and fails is what every call ends in.
// A peer whose steps can only look is left out where they do more.
func steps(counts []int, step func(i, n int) peers.Step, backend bench.Handler, fails error) []Cell {
	var cells []Cell
	for _, n := range counts {
		all := make([]peers.Step, n)
		looks := true
		for i := range all {
			all[i] = step(i, n)
			if p, err := all[i](context.Background(), &unlike); err != nil || p != &unlike {
				looks = false
			}
		}
		for _, grade := range peers.Grades {
			for _, peer := range peers.All {
				build := peer.Builds[grade]
				switch {
				case build == nil, peer.Observes && !looks, peer.Ours && grade == peers.Recovering: // ours are guarded if they recover
					continue
				case fails != nil && grade == peers.Guarded && peer.Excluding != nil:
					build = peer.Excluding
				}
				cells = append(cells, Cell{Peer: peer.Name, Grade: grade, Links: n, Build: func() measure.Work {
					return measure.Work{Handler: build(all, backend), Fails: fails}
				}})
			}
		}
	}
	return cells
}

var unlike bench.Payload
