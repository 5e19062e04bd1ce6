package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/middleware"
)

func succeeds(context.Context) error { return nil }

func TestRateLimit(t *testing.T) {
	t.Parallel()
	t.Run("waits for its turn", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			i := middleware.RateLimit(rate.NewLimiter(10, 2))
			begun := time.Now()
			for range 12 { // a burst of 2, then one every 100 ms
				if err := i(t.Context(), succeeds); err != nil {
					t.Fatal(err)
				}
			}
			if took := time.Since(begun); took != time.Second {
				t.Errorf("12 calls took %v", took)
			}
		})
	})
	t.Run("rejects", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			i := middleware.RateLimit(rate.NewLimiter(10, 1), middleware.RateLimitReject(), nil)
			if err := i(t.Context(), succeeds); err != nil {
				t.Fatal(err)
			}
			for range 3 { // a call that is rejected takes no token
				limited := limitedBy(t, i(t.Context(), succeeds))
				if limited.RetryAfter != 100*time.Millisecond {
					t.Errorf("try again in %v", limited.RetryAfter)
				}
			}
			<-time.After(100 * time.Millisecond)
			if err := i(t.Context(), succeeds); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("does not wait in vain", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			i := middleware.RateLimit(rate.NewLimiter(1, 1))
			_ = i(t.Context(), succeeds)
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			begun := time.Now()
			_ = limitedBy(t, i(ctx, succeeds))
			if took := time.Since(begun); took != 0 {
				t.Errorf("it waited %v", took)
			}
		})
	})
	t.Run("cancelled while it waits", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			i := middleware.RateLimit(rate.NewLimiter(1, 1))
			_ = i(t.Context(), succeeds)
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Millisecond, func() { cancel(errGone) })
			if err := i(ctx, succeeds); !errors.Is(err, errGone) {
				t.Error(err)
			}
			begun := time.Now() // its token was given back
			if err := i(t.Context(), succeeds); err != nil || time.Since(begun) > time.Second {
				t.Errorf("%v after %v", err, time.Since(begun))
			}
		})
	})
	t.Run("never", func(t *testing.T) {
		t.Parallel()
		if limited := limitedBy(t, middleware.RateLimit(rate.NewLimiter(0, 0))(t.Context(), succeeds)); limited.RetryAfter != 0 {
			t.Error(limited)
		}
	})
	t.Run("a retry waits as long as it says", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			limit := middleware.RateLimit(rate.NewLimiter(1, 1), middleware.RateLimitReject())
			_ = limit(t.Context(), succeeds)
			begun := time.Now()
			err := middleware.Retry(2)(t.Context(), func(ctx context.Context) error { return limit(ctx, succeeds) })
			if took := time.Since(begun); err != nil || took != time.Second {
				t.Errorf("%v after %v", err, took)
			}
		})
	})
	t.Run("nil", func(t *testing.T) {
		t.Parallel()
		if err := middleware.RateLimit(nil)(t.Context(), succeeds); err == nil {
			t.Error("no error")
		}
	})
}

var errGone = errors.New("gone")

func limitedBy(t *testing.T, err error) *middleware.RateLimitError {
	t.Helper()
	limited, ok := errors.AsType[*middleware.RateLimitError](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	return limited
}

func TestBulkhead(t *testing.T) {
	t.Parallel()
	t.Run("at most n at a time", func(t *testing.T) {
		t.Parallel()
		i := middleware.Bulkhead(3)
		var running atomic.Int64
		var mu sync.Mutex
		var most int64
		var all sync.WaitGroup
		for range 64 {
			all.Go(func() {
				if err := i(t.Context(), func(context.Context) error {
					n := running.Add(1)
					defer running.Add(-1)
					mu.Lock()
					most = max(most, n)
					mu.Unlock()
					runtime.Gosched()
					return nil
				}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if most > 3 {
			t.Errorf("%d at a time", most)
		}
	})
	for _, tc := range []struct {
		name string
		opts []middleware.BulkheadOption
		ctx  func(context.Context) (context.Context, context.CancelFunc)
		want error
		took time.Duration
	}{
		{name: "full", opts: []middleware.BulkheadOption{middleware.BulkheadWait(0), nil}, want: middleware.ErrBulkheadFull},
		{
			name: "full for too long", opts: []middleware.BulkheadOption{middleware.BulkheadWait(time.Second)},
			want: middleware.ErrBulkheadFull, took: time.Second,
		},
		{
			name: "cancelled while it waits",
			ctx: func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeoutCause(ctx, time.Minute, errGone)
			},
			want: errGone, took: time.Minute,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				i := middleware.Bulkhead(1, tc.opts...)
				release := make(chan struct{})
				go func() { _ = i(t.Context(), func(context.Context) error { <-release; return nil }) }()
				synctest.Wait()
				ctx := t.Context()
				if tc.ctx != nil {
					var cancel context.CancelFunc
					ctx, cancel = tc.ctx(ctx)
					defer cancel()
				}
				begun := time.Now()
				if err := i(ctx, succeeds); !errors.Is(err, tc.want) || time.Since(begun) != tc.took {
					t.Errorf("%v after %v", err, time.Since(begun))
				}
				close(release)
				synctest.Wait()
				if err := i(t.Context(), succeeds); err != nil {
					t.Errorf("once there is a place: %v", err)
				}
			})
		})
	}
	t.Run("a place is given back", func(t *testing.T) {
		t.Parallel()
		i := middleware.Bulkhead(1, middleware.BulkheadWait(0))
		func() {
			defer func() { _ = recover() }()
			_ = i(t.Context(), func(context.Context) error { panic("oh") })
		}()
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = i(t.Context(), func(context.Context) error { runtime.Goexit(); return nil })
		}()
		<-done
		if err := i(t.Context(), succeeds); err != nil {
			t.Error(err)
		}
	})
	t.Run("no places", func(t *testing.T) {
		t.Parallel()
		if err := middleware.Bulkhead(0)(t.Context(), succeeds); err == nil {
			t.Error("no error")
		}
	})
}

// TestLimitsAreNotBlamed: a call that is not let through says nothing about the link.
func TestLimitsAreNotBlamed(t *testing.T) {
	t.Parallel()
	full := middleware.Bulkhead(1, middleware.BulkheadWait(0))
	busy, release := make(chan struct{}), make(chan struct{})
	var ended sync.WaitGroup
	ended.Go(func() {
		_ = full(context.Background(), func(context.Context) error { close(busy); <-release; return nil })
	})
	<-busy
	for name, i := range map[string]chain.Interceptor{
		"rate limit": middleware.RateLimit(rate.NewLimiter(0, 0)), "bulkhead": full,
	} {
		c := chain.New[*int]("x")
		if _, err := c.Use(c.Intercept("limit", i, chain.TripAfter(1))); err != nil {
			t.Fatal(err)
		}
		h := c.Then(func(_ context.Context, p *int) (*int, error) { return p, nil })
		for range 3 {
			if _, err := h(t.Context(), new(int)); err == nil {
				t.Errorf("%s: no error", name)
			}
		}
		if s := c.Stats(); s.Links[0].Trips != 0 {
			t.Errorf("%s: %+v", name, s.Links[0])
		}
	}
	close(release)
	ended.Wait()
}

func TestFallback(t *testing.T) {
	t.Parallel()
	down, also := errors.New("down"), errors.New("also down")
	spare := func(_ context.Context, s string) (string, error) { return "spare " + s, nil }
	blocked := chain.Block("no")
	for _, tc := range []struct {
		name     string
		primary  error
		fallback chain.Handler[string]
		opts     []middleware.FallbackOption
		canceled bool
		want     string
		errs     []error
	}{
		{name: "not needed", fallback: spare, want: "primary x"},
		{name: "needed", primary: down, fallback: spare, opts: []middleware.FallbackOption{nil, middleware.FallbackIf(nil)}, want: "spare x"},
		{
			name: "not for this error", primary: down, fallback: spare,
			opts: []middleware.FallbackOption{middleware.FallbackIf(func(err error) bool { return !errors.Is(err, down) })},
			errs: []error{down},
		},
		{
			name: "fails too", primary: down, fallback: func(context.Context, string) (string, error) { return "", also },
			errs: []error{down, also},
		},
		{name: "a block stands", primary: blocked, fallback: spare, errs: []error{blocked}},
		{name: "the caller has gone", primary: down, fallback: spare, canceled: true, errs: []error{down}},
		{name: "nil", fallback: nil, errs: []error{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			h := middleware.Fallback(tc.fallback, tc.opts...)(func(_ context.Context, s string) (string, error) {
				if tc.canceled {
					cancel()
				}
				return "primary " + s, tc.primary
			})
			got, err := h(ctx, "x")
			if tc.errs == nil && (err != nil || got != tc.want) {
				t.Errorf("got %q, %v", got, err)
			}
			if tc.errs != nil && err == nil {
				t.Errorf("got %q without an error", got)
			}
			for _, want := range tc.errs {
				if !errors.Is(err, want) {
					t.Errorf("got error %v, want %v in it", err, want)
				}
			}
		})
	}
}

func TestSingleflight(t *testing.T) {
	t.Parallel()
	whole := func(_ context.Context, s string) string { return s }
	t.Run("a thousand calls are one", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var calls atomic.Int64
			release := make(chan struct{})
			h := middleware.Singleflight(whole)(func(_ context.Context, s string) (string, error) {
				calls.Add(1)
				<-release
				return "answer to " + s, nil
			})
			var all sync.WaitGroup
			for range 1000 {
				all.Go(func() {
					if got, err := h(t.Context(), "x"); got != "answer to x" || err != nil {
						t.Errorf("got %q, %v", got, err)
					}
				})
			}
			synctest.Wait()
			close(release)
			all.Wait()
			if n := calls.Load(); n != 1 {
				t.Errorf("%d calls", n)
			}
			if _, err := h(t.Context(), "x"); err != nil || calls.Load() != 2 {
				t.Errorf("%d calls after one that came later, %v", calls.Load(), err)
			}
		})
	})
	t.Run("keys", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var calls atomic.Int64
			release := make(chan struct{})
			h := middleware.Singleflight(whole)(func(_ context.Context, s string) (string, error) {
				calls.Add(1)
				<-release
				return s, nil
			})
			for _, k := range []string{"a", "b", "", ""} { // the empty one is shared with none
				for range 2 {
					go func() { _, _ = h(t.Context(), k) }()
				}
			}
			synctest.Wait()
			if n := calls.Load(); n != 6 {
				t.Errorf("%d calls", n)
			}
			close(release)
		})
	})
	t.Run("the first caller goes, the second stays", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			h := middleware.Singleflight(whole)(func(ctx context.Context, s string) (string, error) {
				select {
				case <-release:
					return s, nil
				case <-ctx.Done():
					return "", ctx.Err()
				}
			})
			first, cancel := context.WithCancelCause(t.Context())
			errs := make(chan error, 2)
			go func() { _, err := h(first, "x"); errs <- err }()
			synctest.Wait()
			go func() { _, err := h(t.Context(), "x"); errs <- err }()
			synctest.Wait()
			cancel(errGone)
			if err := <-errs; !errors.Is(err, errGone) {
				t.Error(err)
			}
			close(release)
			if err := <-errs; err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("nobody stays", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var calls atomic.Int64
			cancelled := make(chan struct{}, 2)
			h := middleware.Singleflight(whole)(func(ctx context.Context, s string) (string, error) {
				if calls.Add(1) > 1 {
					return s, nil
				}
				<-ctx.Done()
				cancelled <- struct{}{}
				return "", ctx.Err()
			})
			ctx, cancel := context.WithCancel(t.Context())
			for range 2 {
				go func() { _, _ = h(ctx, "x") }()
			}
			synctest.Wait()
			cancel()
			<-cancelled
			if got, err := h(t.Context(), "x"); got != "x" || err != nil {
				t.Errorf("the next caller got %q, %v", got, err)
			}
		})
	})
	for name, how := range map[string]func(){"panic": func() { panic("oh") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := middleware.Singleflight(whole)(func(context.Context, string) (string, error) { how(); return "", nil })
				var all sync.WaitGroup
				for range 3 {
					all.Go(func() {
						if _, err := h(t.Context(), "x"); err == nil {
							t.Error("no error")
						}
					})
				}
				all.Wait()
			})
		})
	}
	t.Run("nil", func(t *testing.T) {
		t.Parallel()
		if _, err := middleware.Singleflight[string](nil)(nil)(t.Context(), "x"); err == nil {
			t.Error("no error")
		}
	})
}

func ExampleRateLimit() {
	limit := middleware.RateLimit(rate.NewLimiter(rate.Every(time.Hour), 1), middleware.RateLimitReject())
	get := wrap(weather(0), limit)
	fmt.Println(get(context.Background(), "Lyon"))
	_, err := get(context.Background(), "Nice")
	var limited *middleware.RateLimitError
	fmt.Println(errors.As(err, &limited), limited.RetryAfter > 59*time.Minute)
	// Output:
	// sunny in Lyon <nil>
	// true true
}

func ExampleBulkhead() {
	get := wrap(weather(0), middleware.Bulkhead(8, middleware.BulkheadWait(time.Second)))
	fmt.Println(get(context.Background(), "Lyon"))
	// Output: sunny in Lyon <nil>
}

func ExampleFallback() {
	c := chain.New[string]("weather")
	_, err := c.Use(chain.Around("fallback", middleware.Fallback(func(_ context.Context, city string) (string, error) {
		return "probably sunny in " + city, nil
	})))
	if err != nil {
		fmt.Println(err)
		return
	}
	get := c.Then(weather(1))
	fmt.Println(get(context.Background(), "Lyon"))
	// Output: probably sunny in Lyon <nil>
}

func ExampleSingleflight() {
	c := chain.New[string]("weather")
	_, err := c.Use(chain.Around("share", middleware.Singleflight(func(_ context.Context, city string) string { return city })))
	if err != nil {
		fmt.Println(err)
		return
	}
	get := c.Then(weather(0))
	fmt.Println(get(context.Background(), "Lyon"))
	// Output: sunny in Lyon <nil>
}
