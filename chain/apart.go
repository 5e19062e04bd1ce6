package chain

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// runApart is the hard timeout: run goes to a goroutine of its own and is left behind when its time is over. Its payload
// is frozen, so that is safe; the guard counts it until it comes back.
func runApart[P any](ctx context.Context, g *guard, d time.Duration, run func(ctx context.Context) ran[P]) (res ran[P]) {
	a, err := g.startApart()
	if err != nil {
		return ran[P]{err: err}
	}
	tctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	ch := make(chan ran[P], 1)
	go func() {
		defer a.end()
		res := ran[P]{err: ErrGoexit, own: true}
		defer func() { ch <- res }() // also when run does not return
		res = run(tctx)
	}()
	select {
	case res = <-ch:
		if res.own || res.err == nil || ctx.Err() != nil || tctx.Err() == nil || !isCause(res.err, context.DeadlineExceeded) {
			return res
		}
	case <-tctx.Done():
		a.abandon()
		if ctx.Err() != nil {
			return ran[P]{err: context.Cause(ctx)}
		}
	}
	return ran[P]{err: fmt.Errorf("%w after %v", ErrTimeout, d), own: true}
}

// apart is one run on a goroutine of its own. Whether it is abandoned or comes back first is decided once.
type apart struct {
	g       *guard
	settled atomic.Bool
}

// startApart refuses further runs of a link that has left too many goroutines behind: it is not this run's fault.
func (g *guard) startApart() (*apart, error) {
	if g.left.Load() >= maxLeft {
		return nil, Refuse(ErrAbandoned)
	}
	g.running.Add(1)
	return &apart{g: g}, nil
}

func (a *apart) abandon() {
	if !a.settled.Swap(true) {
		a.g.abandoned.Add(1)
		a.g.left.Add(1)
	}
}

func (a *apart) end() {
	a.g.running.Add(-1)
	if a.settled.Swap(true) {
		a.g.left.Add(-1)
	}
}
