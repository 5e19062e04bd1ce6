package chain

import (
	"context"
	"fmt"
	"time"
)

// runApart is the hard timeout: run goes to a goroutine of its own and is left behind when its time is over. Its payload
// is frozen, so that is safe; the guard counts it until it comes back.
func runApart[P any](ctx context.Context, g *guard, d time.Duration, run func(ctx context.Context, exited func()) ran[P]) (res ran[P]) {
	if !g.startRunning() {
		return ran[P]{err: ErrAbandoned, own: true}
	}
	tctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	ch := make(chan ran[P], 1)
	go func() {
		defer g.running.Add(-1)
		ch <- run(tctx, func() { ch <- ran[P]{err: ErrGoexit, own: true} })
	}()
	select {
	case res = <-ch:
		if res.own || res.err == nil || ctx.Err() != nil || tctx.Err() == nil || !isCause(res.err, context.DeadlineExceeded) {
			return res
		}
	case <-tctx.Done():
		g.abandoned.Add(1)
		if ctx.Err() != nil {
			return ran[P]{err: context.Cause(ctx)}
		}
	}
	return ran[P]{err: fmt.Errorf("%w after %v", ErrTimeout, d), own: true}
}

func (g *guard) startRunning() bool {
	if g.running.Add(1) > maxRunning {
		g.running.Add(-1)
		return false
	}
	return true
}
