package chaintest

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maillon-go/maillon/chain"
)

// Fault is something that goes wrong, or does not: nil means that the call goes on. It has no type parameter. Early and
// Late are interceptors; Hook and Observer make the functions of the other kinds of link:
//
//	c.Intercept("bad", chaintest.Panic("boom").Early)
//	chain.Before("bad", chaintest.Hook[*Payload](chaintest.Error(err)))
//
// A Fault is safe for concurrent use and may be shared.
type Fault func(ctx context.Context) error

// Early is an interceptor with the fault before next.
func (f Fault) Early(ctx context.Context, next func(context.Context) error) error {
	if err := f(ctx); err != nil {
		return err
	}
	return next(ctx)
}

// Late is an interceptor with the fault after a next that succeeded.
func (f Fault) Late(ctx context.Context, next func(context.Context) error) error {
	if err := next(ctx); err != nil {
		return err
	}
	return f(ctx)
}

// Hook makes a Before or After function, or a handler, of a fault. Without fault it returns its payload.
func Hook[P any](f Fault) chain.Handler[P] {
	return func(ctx context.Context, p P) (P, error) {
		if err := f(ctx); err != nil {
			var zero P
			return zero, err
		}
		return p, nil
	}
}

// Observer makes an Observe or OnError function of a fault. An observer returns no error, so only panics, Goexit and
// time show.
func Observer[P any](f Fault) func(context.Context, chain.Outcome[P]) {
	return func(ctx context.Context, _ chain.Outcome[P]) { _ = f(ctx) }
}

// Error fails with err.
func Error(err error) Fault { return func(context.Context) error { return err } }

// Panic panics with v.
func Panic(v any) Fault { return func(context.Context) error { panic(v) } }

// Goexit calls runtime.Goexit.
func Goexit() Fault {
	return func(context.Context) error {
		runtime.Goexit()
		return nil
	}
}

// Hang blocks until its context is done, and fails with the context's cause.
func Hang() Fault {
	return func(ctx context.Context) error {
		<-ctx.Done()
		return context.Cause(ctx)
	}
}

// Stuck ignores its context and blocks until release is closed; then the call goes on.
func Stuck(release <-chan struct{}) Fault {
	return func(context.Context) error {
		<-release
		return nil
	}
}

// Slow takes d, or until its context is done, whose cause it then fails with.
func Slow(d time.Duration) Fault {
	return func(ctx context.Context) error {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Flaky fails with err at random, at the given rate between 0 (never) and 1 (always). The same seed gives the same
// sequence of calls that fail.
func Flaky(seed uint64, rate float64, err error) Fault {
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(seed, 0))
	return func(context.Context) error {
		mu.Lock()
		defer mu.Unlock()
		if random.Float64() < rate {
			return err
		}
		return nil
	}
}

// First applies f to the first n calls only.
func First(n int64, f Fault) Fault {
	var calls atomic.Int64
	return func(ctx context.Context) error {
		if calls.Add(1) > n {
			return nil
		}
		return f(ctx)
	}
}
