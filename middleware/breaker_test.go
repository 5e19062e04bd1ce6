package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/chain/chaintest"
	"github.com/maillon-go/maillon/middleware"
)

// twoStrikes opens after two failures in a row, for a minute.
func twoStrikes() gobreaker.Settings {
	return gobreaker.Settings{Name: "backend", Timeout: time.Minute, ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= 2 }}
}

// rejects says whether a breaker is open.
func rejects(t *testing.T, b chain.Interceptor) bool {
	t.Helper()
	called := false
	err := b(t.Context(), func(context.Context) error { called = true; return chain.Block("counts as nothing") })
	if called == middleware.Rejected(err) {
		t.Fatalf("next called: %t, but got %v", called, err)
	}
	return !called
}

func TestBreaker(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	expired, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	timedOut, cancel := context.WithTimeoutCause(t.Context(), 0, &middleware.TimeoutError{After: 1})
	defer cancel()
	for _, tc := range []struct {
		name  string
		ctx   context.Context
		set   func(*gobreaker.Settings)
		next  func(context.Context) error
		opens bool
	}{
		{name: "successes", next: returning(nil)},
		{name: "errors", next: returning(errBackend), opens: true},
		{name: "blocks", next: returning(fmt.Errorf("wrapped: %w", chain.Block("no")))},
		{name: "errors of cancelled calls", ctx: canceled, next: returning(errBackend)},
		{name: "errors after the caller's deadline", ctx: expired, next: returning(context.DeadlineExceeded)},
		{name: "errors after a Timeout around it", ctx: timedOut, next: returning(context.DeadlineExceeded), opens: true},
		{name: "deadlines of the backend's own", next: returning(context.DeadlineExceeded), opens: true},
		{name: "excluded errors", set: func(s *gobreaker.Settings) { s.IsExcluded = func(err error) bool { return err == errBackend } }, next: returning(errBackend)},
		{name: "errors that are not excluded", set: func(s *gobreaker.Settings) { s.IsExcluded = func(error) bool { return false } }, next: returning(errBackend), opens: true},
		{name: "errors that are successes", set: func(s *gobreaker.Settings) { s.IsSuccessful = func(err error) bool { return err == errBackend } }, next: returning(errBackend)},
		{name: "errors that are no successes", set: func(s *gobreaker.Settings) { s.IsSuccessful = func(error) bool { return false } }, next: returning(errBackend), opens: true},
		{name: "panics", next: func(context.Context) error { panic("boom") }, opens: true},
		{name: "panics of a callback", set: func(s *gobreaker.Settings) { s.IsSuccessful = func(error) bool { panic("boom") } }, next: returning(errBackend), opens: true},
		{name: "Goexit", next: func(context.Context) error { runtime.Goexit(); return nil }, opens: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx, st := t.Context(), twoStrikes()
			if tc.ctx != nil {
				ctx = tc.ctx
			}
			if tc.set != nil {
				tc.set(&st)
			}
			b := middleware.Breaker(st)
			for range 2 {
				if rejects(t, b) {
					t.Fatal("open too early")
				}
				inGoroutine(func() {
					defer func() { _ = recover() }()
					_ = b(ctx, tc.next)
				})
			}
			if got := rejects(t, b); got != tc.opens {
				t.Errorf("open: %t, want %t", got, tc.opens)
			}
		})
	}
}

func TestBreakerPassesErrorsAndPanicsOn(t *testing.T) {
	b := middleware.Breaker(twoStrikes())
	if err := b(t.Context(), returning(errBackend)); err != errBackend {
		t.Errorf("got %v", err)
	}
	if v := panics(func() { _ = b(t.Context(), func(context.Context) error { panic("boom") }) }); v != "boom" {
		t.Errorf("panicked with %v", v)
	}
	err := b(t.Context(), returning(nil))
	if !errors.Is(err, gobreaker.ErrOpenState) || err.Error() != `middleware: Breaker "backend": circuit breaker is open` {
		t.Errorf("got %v", err)
	}
}

// A probe that ends in any way, or not at all, does not keep the breaker half-open.
func TestBreakerRecovers(t *testing.T) {
	for _, tc := range []struct {
		name  string
		probe func(release <-chan struct{}) func(context.Context) error
		hangs bool
		want  []string
	}{
		{
			name:  "success",
			probe: func(<-chan struct{}) func(context.Context) error { return returning(nil) },
			want:  []string{"closed>open", "open>half-open", "half-open>closed"},
		},
		{
			name:  "failure",
			probe: func(<-chan struct{}) func(context.Context) error { return returning(errBackend) },
			want:  []string{"closed>open", "open>half-open", "half-open>open", "open>half-open", "half-open>closed"},
		},
		{
			name:  "block",
			probe: func(<-chan struct{}) func(context.Context) error { return returning(chain.Block("no")) },
			want:  []string{"closed>open", "open>half-open", "half-open>closed"},
		},
		{
			name: "Goexit",
			probe: func(<-chan struct{}) func(context.Context) error {
				return func(context.Context) error { runtime.Goexit(); return nil }
			},
			want: []string{"closed>open", "open>half-open", "half-open>open", "open>half-open", "half-open>closed"},
		},
		{
			name: "panic",
			probe: func(<-chan struct{}) func(context.Context) error {
				return func(context.Context) error { panic("boom") }
			},
			want: []string{"closed>open", "open>half-open", "half-open>open", "open>half-open", "half-open>closed"},
		},
		{
			name: "hang", hangs: true,
			probe: func(release <-chan struct{}) func(context.Context) error { return chaintest.Stuck(release) },
			want:  []string{"closed>open", "open>half-open", "half-open>closed"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var changes []string
				st := twoStrikes()
				st.Timeout = 0 // by default a minute
				st.OnStateChange = func(name string, from, to gobreaker.State) {
					changes = append(changes, from.String()+">"+to.String())
				}
				b := middleware.Breaker(st)
				for range 2 {
					_ = b(t.Context(), returning(errBackend))
				}
				time.Sleep(time.Minute + 1) // fake
				release, done := make(chan struct{}), make(chan struct{})
				go func() {
					defer close(done)
					defer func() { _ = recover() }()
					_ = b(t.Context(), tc.probe(release))
				}()
				synctest.Wait()
				if tc.hangs {
					if err := b(t.Context(), returning(nil)); !errors.Is(err, gobreaker.ErrTooManyRequests) {
						t.Errorf("beside the probe: %v", err)
					}
				}
				time.Sleep(time.Minute + 1) // fake
				if err := b(t.Context(), returning(nil)); err != nil {
					t.Errorf("a minute after the probe: %v", err)
				}
				close(release)
				<-done
				if !slices.Equal(changes, tc.want) {
					t.Errorf("state changes %q, want %q", changes, tc.want)
				}
				if rejects(t, b) {
					t.Error("the late end of the probe opened the breaker")
				}
			})
		})
	}
}

// What a probe returns after it gave up its place counts for nothing.
func TestBreakerIgnoresALateProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := middleware.Breaker(twoStrikes())
		for range 2 {
			_ = b(t.Context(), returning(errBackend))
		}
		time.Sleep(time.Minute + 1) // fake
		if err := b(t.Context(), late(time.Hour, errBackend)); err != errBackend {
			t.Fatalf("got %v", err)
		}
		if err := b(t.Context(), returning(nil)); err != nil {
			t.Errorf("the next probe: %v", err)
		}
	})
}

// One value is one breaker, for chains of any payload.
func TestBreakerShared(t *testing.T) {
	b := middleware.Breaker(twoStrikes())
	ints, texts := chain.New[int]("ints"), chain.New[string]("texts")
	if _, err := ints.Use(ints.Intercept("breaker", b)); err != nil {
		t.Fatal(err)
	}
	if _, err := texts.Use(texts.Intercept("breaker", b)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := ints.Then(chaintest.Hook[int](chaintest.Error(errBackend)))(t.Context(), 1); err != errBackend {
			t.Errorf("got %v", err)
		}
	}
	if _, err := texts.Then(chaintest.Hook[string](chaintest.Error(nil)))(t.Context(), "x"); !middleware.Rejected(err) {
		t.Errorf("got %v", err)
	}
}

// The guard of the link does not take rejections for failures of the link, and so does not outlast the breaker.
func TestBreakerBehindItsGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := twoStrikes()
		st.Timeout = time.Second
		c := chain.New[*payload]("c")
		if _, err := c.Use(c.Intercept("breaker", middleware.Breaker(st))); err != nil {
			t.Fatal(err)
		}
		call := c.Then(chaintest.Hook[*payload](chaintest.First(2, chaintest.Error(errBackend))))
		rejected := 0
		for range 102 {
			if _, err := call(t.Context(), &payload{}); middleware.Rejected(err) {
				rejected++
			}
		}
		if rejected != 100 {
			t.Errorf("%d rejections, want 100", rejected)
		}
		time.Sleep(time.Second + 1) // fake
		if _, err := call(t.Context(), &payload{}); err != nil {
			t.Errorf("with the backend back: %v", err)
		}
	})
}

func TestBreakerConforms(t *testing.T) {
	conforms(t, middleware.Breaker(gobreaker.Settings{}), chaintest.MaxAllocs(6))
}
