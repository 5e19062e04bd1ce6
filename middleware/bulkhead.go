package middleware

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/maillon-go/maillon/chain"
)

// ErrBulkheadFull means that a Bulkhead had no place for a call in time.
var ErrBulkheadFull = errors.New("middleware: bulkhead is full")

// Bulkhead lets at most n calls run at a time, so that one slow backend does not take all the goroutines, connections or
// memory there are. Further calls wait, in order of arrival, until their context ends, or as long as BulkheadWait says;
// then they fail with ErrBulkheadFull, or with the context's error. That is no failure of the link.
//
// One value shared by several chains limits all of them together. Fewer than one place fails every call.
func Bulkhead(n int64, opts ...BulkheadOption) chain.Interceptor {
	b := &bulkhead{places: semaphore.NewWeighted(n), wait: -1}
	for _, o := range opts {
		if o != nil {
			o.applyBulkhead(b)
		}
	}
	if n < 1 {
		return refuse("Bulkhead: at least one place is needed, got %d", n)
	}
	return b.intercept
}

// BulkheadOption sets something about a Bulkhead.
type BulkheadOption interface{ applyBulkhead(*bulkhead) }

type bulkheadOption func(*bulkhead)

func (f bulkheadOption) applyBulkhead(b *bulkhead) { f(b) }

// BulkheadWait bounds how long a call waits for a place. With 0 it does not wait.
func BulkheadWait(d time.Duration) BulkheadOption {
	return bulkheadOption(func(b *bulkhead) { b.wait = max(d, 0) })
}

type bulkhead struct {
	places *semaphore.Weighted
	wait   time.Duration // negative: until the context ends
}

func (b *bulkhead) intercept(ctx context.Context, next func(context.Context) error) error {
	if err := b.enter(ctx); err != nil {
		return chain.Refuse(err) // no fault of this link
	}
	defer b.places.Release(1)
	return next(ctx)
}

func (b *bulkhead) enter(ctx context.Context) error {
	switch {
	case b.places.TryAcquire(1):
		return nil
	case b.wait == 0:
		return ErrBulkheadFull
	}
	waiting := ctx
	if b.wait > 0 {
		var cancel context.CancelFunc
		waiting, cancel = context.WithTimeoutCause(ctx, b.wait, ErrBulkheadFull)
		defer cancel()
	}
	switch err := b.places.Acquire(waiting, 1); {
	case err == nil:
		return nil
	case ctx.Err() == nil:
		return ErrBulkheadFull
	}
	return fmt.Errorf("middleware: waiting for a place in the bulkhead: %w", context.Cause(ctx))
}
