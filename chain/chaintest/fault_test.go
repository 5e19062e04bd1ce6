package chaintest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/maillon-go/maillon/chain"
)

var errFault = errors.New("fault")

func TestFaults(t *testing.T) {
	released := make(chan struct{})
	close(released)
	for _, tc := range []struct {
		name  string
		fault Fault
		takes time.Duration // with a context that is done after an hour
		want  func(result[*load]) bool
	}{
		{"error", Error(errFault), 0, func(r result[*load]) bool { return r.err == errFault }},
		{"panic", Panic("boom"), 0, func(r result[*load]) bool { return r.panicked == "boom" }},
		{"goexit", Goexit(), 0, func(r result[*load]) bool { return r.exited }},
		{"hang", Hang(), time.Hour, func(r result[*load]) bool { return r.err == errCanceled }},
		{"stuck, released", Stuck(released), 0, func(r result[*load]) bool { return r.err == nil && r.out != nil }},
		{"slow", Slow(time.Minute), time.Minute, func(r result[*load]) bool { return r.err == nil && r.out != nil }},
		{"slower than the context", Slow(2 * time.Hour), time.Hour, func(r result[*load]) bool { return r.err == errCanceled }},
		{"flaky, always", Flaky(1, 1, errFault), 0, func(r result[*load]) bool { return r.err == errFault }},
		{"flaky, never", Flaky(1, 0, errFault), 0, func(r result[*load]) bool { return r.err == nil && r.out != nil }},
		{"first of none", First(0, Error(errFault)), 0, func(r result[*load]) bool { return r.err == nil && r.out != nil }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for where, h := range map[string]handler{
					"hook":  Hook[*load](tc.fault),
					"early": chain.Intercept[*load]("bad", tc.fault.Early).Middleware()(echo[*load]),
					"late":  chain.Intercept[*load]("bad", tc.fault.Late).Middleware()(echo[*load]),
				} {
					ctx, cancel := context.WithTimeoutCause(t.Context(), time.Hour, errCanceled)
					start := time.Now()
					if r := <-call(ctx, h, newLoad()); !tc.want(r) {
						t.Errorf("%s: got %+v", where, r)
					}
					if took := time.Since(start); took != tc.takes {
						t.Errorf("%s: took %v, want %v", where, took, tc.takes)
					}
					cancel()
				}
			})
		})
	}
}

func TestStuckIgnoresItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		done := call(ctx, Hook[*load](Stuck(release)), newLoad())
		synctest.Wait()
		select {
		case r := <-done:
			t.Errorf("returned before the release: %+v", r)
		default:
		}
		close(release)
		if r := <-done; r.err != nil {
			t.Error(r.err)
		}
	})
}

func TestEarlyAndLateSideOfNext(t *testing.T) {
	asked := 0
	next := func(context.Context) error { asked++; return errBackend }
	if err := Error(errFault).Early(t.Context(), next); err != errFault || asked != 0 {
		t.Errorf("early: %v, next called %d times", err, asked)
	}
	if err := Error(errFault).Late(t.Context(), next); err != errBackend || asked != 1 {
		t.Errorf("late: %v, next called %d times", err, asked)
	}
}

func TestFlakyFollowsItsSeed(t *testing.T) {
	sequence := func(seed uint64) (s string, failures int) {
		f := Flaky(seed, 0.25, errFault)
		for range 1000 {
			if f(t.Context()) != nil {
				s += "x"
				failures++
			} else {
				s += "."
			}
		}
		return s, failures
	}
	a, failures := sequence(7)
	if b, _ := sequence(7); a != b {
		t.Error("the same seed gave another sequence")
	}
	if b, _ := sequence(8); a == b {
		t.Error("another seed gave the same sequence")
	}
	if failures < 200 || failures > 300 {
		t.Errorf("%d of 1000 calls failed at rate 0.25", failures)
	}
}

func TestFirstThenNoMore(t *testing.T) {
	f := First(2, Error(errFault))
	for i, want := range []error{errFault, errFault, nil, nil} {
		if err := f(t.Context()); err != want {
			t.Errorf("call %d: %v, want %v", i, err, want)
		}
	}
}

// In a chain every fault is blamed on the link that has it, and the recorder sees how the call ended.
func TestFaultsInAChain(t *testing.T) {
	for _, tc := range []struct {
		name string
		link link
		want string
	}{
		{"before", chain.Before("bad", Hook[*load](Error(errFault))), "gate:before audit:observe"},
		{"after", chain.After("bad", Hook[*load](Panic(errFault))), "gate:before inner:enter backend:handled inner:leave audit:observe"},
		{"around, early", chain.Intercept[*load]("bad", Error(errFault).Early, chain.Priority(60)), "gate:before inner:enter inner:leave audit:observe"},
		{"around, late", chain.Intercept[*load]("bad", Panic(errFault).Late, chain.Priority(60)), "gate:before inner:enter backend:handled inner:leave audit:observe"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var r Recorder[*load]
			c := chain.New[*load]("c")
			if _, err := c.Use(r.Before("gate", chain.Priority(1)), tc.link, r.Around("inner"), r.Observe("audit")); err != nil {
				t.Fatal(err)
			}
			_, err := c.Then(r.Handler("backend"))(t.Context(), newLoad())
			var le *chain.LinkError
			if !errors.As(err, &le) || le.Link != "bad" || !errors.Is(err, errFault) {
				t.Errorf("got %v", err)
			}
			if got := r.String(); got != tc.want {
				t.Errorf("recorded %s\nwant     %s", got, tc.want)
			}
			events := r.Events()
			if last := events[len(events)-1]; last.Verdict != chain.Failed || last.Err != err {
				t.Errorf("observed %+v", last)
			}
			if r.Reset(); len(r.Events()) != 0 {
				t.Error("Reset kept events")
			}
		})
	}
}
