package chain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Handler is what a chain wraps and what it becomes: it takes a payload and returns one, or an error. It is an alias,
// so that plain functions need no conversion and P is inferred from them.
type Handler[P any] = func(ctx context.Context, p P) (P, error)

// Middleware wraps a Handler in another one, as in net/http. It runs once per Then and link, so what its closure keeps
// lives as long as the bound handler. Calls wait while it runs, so it should be quick, and it must not call the bound
// handler itself.
type Middleware[P any] = func(next Handler[P]) Handler[P]

// Interceptor is middleware that does not look at the payload: a timeout, a retry, a limiter. It has no type parameter,
// so one value serves, and is shared by, chains of any payload. It may call next any number of times, from any goroutine.
type Interceptor = func(ctx context.Context, next func(context.Context) error) error

// Compose nests plain middleware around h, the first outermost, and adds nothing: no guard, no order, no isolation.
// Nil middlewares are skipped. A nil h gives a Handler that returns an error.
func Compose[P any](h Handler[P], mws ...Middleware[P]) Handler[P] {
	if h == nil {
		return refusing[P](ErrNilHandler)
	}
	for _, mw := range slices.Backward(mws) {
		if mw == nil {
			continue
		}
		if h = mw(h); h == nil {
			return refusing[P](errors.New("chain: Compose: a middleware returned a nil handler"))
		}
	}
	return h
}

func refusing[P any](err error) Handler[P] {
	return func(context.Context, P) (zero P, _ error) { return zero, err }
}

// intercept turns an Interceptor into a Middleware. The result that stands is the one of the last next that succeeded,
// else of the last that returned.
func intercept[P any](i Interceptor) Middleware[P] {
	return func(next Handler[P]) Handler[P] {
		return func(ctx context.Context, p P) (P, error) {
			var r intercepted[P]
			err := i(ctx, func(ctx context.Context) error {
				out, err := next(ctx, p)
				r.set(out, err)
				return err
			})
			return r.result(err)
		}
	}
}

type intercepted[P any] struct {
	mu  sync.Mutex
	out P
	err error
	ok  bool // a next succeeded, and out is its result
}

func (r *intercepted[P]) set(out P, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil || !r.ok {
		r.out, r.err, r.ok = out, err, err == nil
	}
}

func (r *intercepted[P]) result(err error) (out P, _ error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil && r.ok:
		return r.out, nil
	case err == nil && r.err != nil:
		return out, fmt.Errorf("the interceptor dropped next's error and has no result: %w", r.err)
	case err == nil:
		return out, fmt.Errorf("the interceptor returned without calling next: %w", ErrNilPayload)
	case r.ok:
		return out, err
	}
	return r.out, err
}
