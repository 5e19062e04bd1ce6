package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/sony/gobreaker/v2"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/chain/chaintest"
	"github.com/maillon-go/maillon/middleware"
)

func TestRetry(t *testing.T) {
	var (
		other     = errors.New("other")
		wrapped   = fmt.Errorf("wrapped: %w", errBackend)
		permanent = fmt.Errorf("wrapped: %w", backoff.Permanent(errBackend))
		block     = fmt.Errorf("wrapped: %w", chain.Block("no"))
		panicked  = &chain.PanicError{Value: "boom"}
		open      = fmt.Errorf("wrapped: %w", gobreaker.ErrOpenState)
		probing   = fmt.Errorf("wrapped: %w", gobreaker.ErrTooManyRequests)
		after     = &backoff.RetryAfterError{Duration: time.Minute}
	)
	for _, tc := range []struct {
		name     string
		attempts int
		opts     []middleware.RetryOption
		errs     []error
		calls    int
		want     error // the identical value
		min, max time.Duration
	}{
		{name: "success at once", attempts: 3, errs: []error{nil}, calls: 1},
		{name: "one attempt", attempts: 1, errs: []error{errBackend}, calls: 1, want: errBackend},
		{name: "success at the second", attempts: 3, errs: []error{errBackend, nil}, calls: 2, min: 250 * time.Millisecond, max: 750 * time.Millisecond},
		{
			name: "the last error when exhausted", attempts: 3, errs: []error{errBackend, other, wrapped}, calls: 3, want: wrapped,
			min: 625 * time.Millisecond, max: 1876 * time.Millisecond, // 500 ms and 750 ms, ±50 %
		},
		{name: "never a block", attempts: 3, errs: []error{block}, calls: 1, want: block},
		{name: "never a block, RetryIf or not", attempts: 3, errs: []error{block}, opts: []middleware.RetryOption{middleware.RetryIf(always)}, calls: 1, want: block},
		{name: "never a permanent error", attempts: 3, errs: []error{permanent}, calls: 1, want: permanent},
		{name: "permanent at the second", attempts: 3, errs: []error{errBackend, permanent}, calls: 2, want: permanent, min: 1, max: time.Second},
		{name: "a block at the second", attempts: 3, errs: []error{errBackend, block}, calls: 2, want: block, min: 1, max: time.Second},
		{name: "a panic is not transient", attempts: 3, errs: []error{panicked}, calls: 1, want: panicked},
		{name: "an open breaker is not transient", attempts: 3, errs: []error{open}, calls: 1, want: open},
		{name: "a half-open breaker is not transient", attempts: 3, errs: []error{probing}, calls: 1, want: probing},
		{name: "a panic with RetryIf", attempts: 2, opts: []middleware.RetryOption{middleware.RetryIf(always)}, errs: []error{panicked}, calls: 2, want: panicked, min: 1, max: time.Second},
		{
			name: "only what RetryIf says", attempts: 9, errs: []error{errBackend, errBackend, other}, calls: 3, want: other, min: 1, max: 2 * time.Second,
			opts: []middleware.RetryOption{middleware.RetryIf(func(err error) bool { return err == errBackend })},
		},
		{name: "nil options keep the default", attempts: 2, opts: []middleware.RetryOption{nil, middleware.RetryIf(nil), middleware.RetryNotify(nil)}, errs: []error{errBackend}, calls: 2, want: errBackend, min: 1, max: time.Second},
		{name: "a timeout of an attempt is retried", attempts: 2, errs: []error{context.DeadlineExceeded, nil}, calls: 2, min: 1, max: time.Second},
		{name: "no waits", attempts: 5, opts: []middleware.RetryOption{middleware.RetryBase(0)}, errs: []error{errBackend}, calls: 5, want: errBackend},
		{name: "base", attempts: 2, opts: []middleware.RetryOption{middleware.RetryBase(10 * time.Second)}, errs: []error{errBackend}, calls: 2, want: errBackend, min: 5 * time.Second, max: 16 * time.Second},
		{
			name: "max interval", attempts: 11, opts: []middleware.RetryOption{middleware.RetryBase(time.Hour), middleware.RetryMaxInterval(time.Second)},
			errs: []error{errBackend}, calls: 11, want: errBackend, min: 5 * time.Second, max: 16 * time.Second,
		},
		{
			name: "max elapsed", attempts: 100, opts: []middleware.RetryOption{middleware.RetryMaxElapsed(10 * time.Second)},
			errs: []error{errBackend}, calls: -1, want: errBackend, min: time.Second, max: 10 * time.Second,
		},
		{name: "retry after", attempts: 2, errs: []error{after, nil}, calls: 2, min: time.Minute, max: time.Minute},
		{name: "retry after beyond max elapsed", attempts: 2, opts: []middleware.RetryOption{middleware.RetryMaxElapsed(30 * time.Second)}, errs: []error{after}, calls: 1, want: after},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls, next, start := 0, returning(tc.errs...), time.Now()
				err := middleware.Retry(tc.attempts, tc.opts...)(t.Context(), func(ctx context.Context) error {
					calls++
					return next(ctx)
				})
				if err != tc.want {
					t.Errorf("got %v, want the identical %v", err, tc.want)
				}
				if calls != tc.calls && tc.calls >= 0 {
					t.Errorf("%d attempts, want %d", calls, tc.calls)
				}
				if took := time.Since(start); took < tc.min || took > tc.max {
					t.Errorf("took %v, want between %v and %v", took, tc.min, tc.max)
				}
			})
		})
	}
}

func always(error) bool { return true }

func TestRetryAndContext(t *testing.T) {
	errCaller := errors.New("the caller gave up")

	t.Run("done during an attempt: its error, no further attempt", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		calls := 0
		err := middleware.Retry(3)(ctx, func(context.Context) error {
			calls++
			cancel(errCaller)
			return errBackend
		})
		if err != errBackend || calls != 1 {
			t.Errorf("got %v after %d attempts", err, calls)
		}
	})

	t.Run("cancelled during a wait: promptly, with both errors", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Second, func() { cancel(errCaller) })
			start := time.Now()
			err := middleware.Retry(3, middleware.RetryBase(time.Minute))(ctx, returning(errBackend))
			if took := time.Since(start); took != time.Second {
				t.Errorf("took %v", took)
			}
			if !errors.Is(err, errCaller) || !errors.Is(err, errBackend) {
				t.Errorf("got %v", err)
			}
			if want := "middleware: Retry: gave up waiting after attempt 1: the caller gave up; it had failed with: backend failed"; err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	})

	t.Run("a wait that outlasts the deadline is not begun", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			start := time.Now()
			err := middleware.Retry(3, middleware.RetryBase(time.Minute))(ctx, returning(errBackend))
			if took := time.Since(start); took != 0 || err != errBackend {
				t.Errorf("got %v after %v", err, took)
			}
		})
	})

	t.Run("the deadline and not a later max elapsed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			start := time.Now()
			err := middleware.Retry(3, middleware.RetryBase(time.Minute), middleware.RetryMaxElapsed(time.Hour))(ctx, returning(errBackend))
			if took := time.Since(start); took != 0 || err != errBackend {
				t.Errorf("got %v after %v", err, took)
			}
		})
	})

	t.Run("the first attempt counts as elapsed time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			calls := 0
			err := middleware.Retry(3, middleware.RetryMaxElapsed(time.Minute))(t.Context(), func(context.Context) error {
				calls++
				time.Sleep(time.Minute) // fake
				return errBackend
			})
			if err != errBackend || calls != 1 {
				t.Errorf("got %v after %d attempts", err, calls)
			}
		})
	})
}

func TestRetryNotify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		start := time.Now()
		var waited time.Duration
		_ = middleware.Retry(3, middleware.RetryNotify(func(_ context.Context, attempt int, err error, wait time.Duration) {
			got = append(got, fmt.Sprint(attempt, " ", err))
			waited += wait
		}))(t.Context(), returning(errBackend, errBackend, nil))
		if fmt.Sprint(got) != "[1 backend failed 2 backend failed]" || waited != time.Since(start) {
			t.Errorf("got %q, %v of %v", got, waited, time.Since(start))
		}
	})
}

// One value retries many calls at once, each with waits of its own.
func TestRetryShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := middleware.Retry(4)
		done := make(chan error)
		for range 64 {
			go func() { done <- r(t.Context(), returning(errBackend, errBackend, nil)) }()
		}
		for range 64 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

// The guard of the link does not take the backend's errors for the retry's.
func TestRetryIsNotBlamed(t *testing.T) {
	c := chain.New[*payload]("c")
	if _, err := c.Use(c.Intercept("retry", middleware.Retry(2, middleware.RetryBase(0)))); err != nil {
		t.Fatal(err)
	}
	call := c.Then(chaintest.Hook[*payload](chaintest.Error(errBackend)))
	for range 100 {
		if _, err := call(t.Context(), &payload{}); err != errBackend {
			t.Fatalf("got %v", err)
		}
	}
	if l, _ := c.Stats().Link("retry"); l.Failures != 0 || l.State != "closed" {
		t.Errorf("got %+v", l)
	}
}

func TestRetryRefuses(t *testing.T) {
	refuses(t, middleware.Retry(0), "middleware: Retry: at least one attempt is needed, got 0")
	refuses(t, middleware.Retry(2, middleware.RetryBase(-1)), "middleware: Retry: negative duration -1ns")
	refuses(t, middleware.Retry(2, middleware.RetryMaxInterval(-1)), "middleware: Retry: negative duration -1ns")
	refuses(t, middleware.Retry(2, middleware.RetryMaxElapsed(-1)), "middleware: Retry: negative duration -1ns")
}

func TestRetryConforms(t *testing.T) {
	conforms(t, middleware.Retry(3, middleware.RetryBase(time.Millisecond)), chaintest.MaxNext(3), chaintest.MaxAllocs(2))
	t.Run("while it waits", func(t *testing.T) {
		conforms(t, middleware.Retry(2, middleware.RetryBase(100*time.Millisecond)), chaintest.MaxNext(2))
	})
}
