package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/chain/chaintest"
	"github.com/maillon-go/maillon/middleware"
)

func TestTimeout(t *testing.T) {
	const limit = 2 * time.Second
	errCaller := errors.New("the caller's own cause")
	block := chain.Block("no")
	untilDone := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for _, tc := range []struct {
		name   string
		caller time.Duration // its own deadline, if any
		next   func(context.Context) error
		takes  time.Duration
		same   error  // the identical error is expected
		text   string // else a TimeoutError with this text
		is     error
	}{
		{name: "in time", next: returning(nil)},
		{name: "an error in time", next: returning(errBackend), same: errBackend},
		{name: "ctx.Err()", next: untilDone, takes: limit, text: "middleware: timed out after 2s"},
		{name: "the cause", next: func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }, takes: limit, text: "middleware: timed out after 2s"},
		{
			name: "a client's own error", takes: limit, is: errBackend, text: "middleware: timed out after 2s: query canceled: backend failed",
			next: func(ctx context.Context) error { <-ctx.Done(); return fmt.Errorf("query canceled: %w", errBackend) },
		},
		{name: "a result that comes late", takes: time.Hour, next: late(time.Hour, nil)},
		{name: "a block that comes late", takes: time.Hour, next: late(time.Hour, block), same: block},
		{name: "an error that comes late", takes: time.Hour, next: late(time.Hour, errBackend), is: errBackend, text: "middleware: timed out after 2s: backend failed"},
		{name: "the caller's deadline is earlier", caller: time.Second, next: untilDone, takes: time.Second, same: context.DeadlineExceeded},
		{name: "and its cause is not masked", caller: time.Second, next: func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }, takes: time.Second, same: errCaller},
		{name: "the caller's deadline is later", caller: time.Hour, next: untilDone, takes: limit, text: "middleware: timed out after 2s"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if tc.caller > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeoutCause(ctx, tc.caller, errCaller)
					defer cancel()
				}
				start := time.Now()
				err := middleware.Timeout(limit)(ctx, tc.next)
				if took := time.Since(start); took != tc.takes {
					t.Errorf("took %v, want %v", took, tc.takes)
				}
				if tc.text == "" {
					if err != tc.same {
						t.Errorf("got %v, want the identical %v", err, tc.same)
					}
					return
				}
				var timeout *middleware.TimeoutError
				if !errors.As(err, &timeout) || timeout.After != limit || err.Error() != tc.text {
					t.Errorf("got %v, want %s", err, tc.text)
				}
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Error("is no context.DeadlineExceeded")
				}
				if tc.is != nil && !errors.Is(err, tc.is) {
					t.Errorf("has lost %v", tc.is)
				}
			})
		})
	}
}

func late(d time.Duration, err error) func(context.Context) error {
	return func(context.Context) error {
		time.Sleep(d) // fake
		return err
	}
}

func TestTimeoutNested(t *testing.T) {
	shared := middleware.Timeout(time.Second)
	for _, tc := range []struct {
		name         string
		outer, inner chain.Interceptor
		want         string
	}{
		{"the inner one ends", middleware.Timeout(time.Minute), middleware.Timeout(time.Second), "middleware: timed out after 1s"},
		{"the outer one ends", middleware.Timeout(time.Second), middleware.Timeout(time.Minute), "middleware: timed out after 1s"},
		{"the same value twice", shared, shared, "middleware: timed out after 1s"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				err := tc.outer(t.Context(), func(ctx context.Context) error {
					return tc.inner(ctx, func(ctx context.Context) error { return chaintest.Hang()(ctx) })
				})
				if err == nil || err.Error() != tc.want {
					t.Errorf("got %v, want %s", err, tc.want)
				}
			})
		})
	}
}

func TestTimeoutReleasesItsTimer(t *testing.T) {
	var after func() error
	_ = middleware.Timeout(time.Minute)(t.Context(), func(ctx context.Context) error {
		after = ctx.Err
		return nil
	})
	if err := after(); err != context.Canceled {
		t.Errorf("after the call the context is %v", err)
	}
}

func TestTimeoutIsANetworkTimeout(t *testing.T) {
	var timeout interface{ Timeout() bool }
	if !errors.As(&middleware.TimeoutError{After: time.Second}, &timeout) || !timeout.Timeout() {
		t.Error("Timeout() is not true")
	}
}

func TestTimeoutRefuses(t *testing.T) {
	refuses(t, middleware.Timeout(0), "middleware: Timeout: the duration must be positive, got 0s")
	refuses(t, middleware.Timeout(-time.Second), "middleware: Timeout: the duration must be positive, got -1s")
}

func TestTimeoutConforms(t *testing.T) {
	conforms(t, middleware.Timeout(time.Minute), chaintest.MaxAllocs(8))
}
