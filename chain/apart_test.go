package chain

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestTimeout(t *testing.T) {
	hang := func(h Handler[*payload]) Handler[*payload] {
		return func(ctx context.Context, p *payload) (*payload, error) { time.Sleep(time.Hour); return h(ctx, p) }
	}
	obey := func(ctx context.Context, _ *payload) (*payload, error) { <-ctx.Done(); return nil, ctx.Err() }
	for _, tc := range []struct {
		name      string
		link      Link[*payload]
		ok        bool
		abandoned int64
	}{
		{"behaviour 26: closed", Before("x", hang(add("late")), Timeout(time.Second)), false, 1},
		{"behaviour 26: open, the late result is dropped", Before("x", hang(add("late")), Timeout(time.Second), OnFailure(Ignore)), true, 1},
		{"behaviour 26: After", After("x", hang(add("late")), Timeout(time.Second)), false, 1},
		{"behaviour 26: Transform", Before("x", hang(add("late")), Timeout(time.Second), InMode(Transform)), true, 1},
		{"behaviour 26: late block", Before("x", hang(block("late")), Timeout(time.Second), OnFailure(Ignore)), true, 1},
		{"behaviour 26: late panic", Before("x", hang(panics), Timeout(time.Second), OnFailure(Ignore)), true, 1},
		{"behaviour 26: late Goexit", Before("x", hang(goexits), Timeout(time.Second), OnFailure(Ignore)), true, 1},
		{"behaviour 26: Concurrent", Before("x", hang(nop), Timeout(time.Second), InMode(Concurrent)), false, 1},
		{"behaviour 26: background", Before("x", hang(nop), Timeout(time.Second), InMode(FireAndForget)), true, 1},
		{"behaviour 26: observer", Observe("x", func(context.Context, Outcome[*payload]) { time.Sleep(time.Hour) }, Timeout(time.Second)), true, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var r recorder
				c := newChain(t, tc.link, Observe("r", r.observe))
				in := &payload{text: "in"}
				start := time.Now()
				out, err := c.Then(nop)(bg, in)
				must(t, c.Drain(bg))
				eq(t, "took", time.Since(start), time.Second)
				g := guardOf(t, c, "x")
				if tc.ok {
					must(t, err)
					eq(t, "payload", out, in)
				} else {
					blamed(t, err, "x")
					is(t, err, ErrTimeout)
					eq(t, "verdict", r.only(t).Verdict, Failed)
				}
				s, _ := c.Stats().Link("x")
				eq(t, "failures", s.Failures, 1)
				eq(t, "behaviour 26: abandoned", s.Abandoned, tc.abandoned)
				eq(t, "behaviour 26: still running", s.Running, 1)
				time.Sleep(2 * time.Hour)
				eq(t, "still running in the end", g.running.Load(), 0)
				eq(t, "failures in the end", g.failures.Load(), 1)
				eq(t, "on the breaker's record", g.cb.Counts().ConsecutiveFailures, 1)
			})
		})
	}
	t.Run("a hook that obeys its context has timed out all the same", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newChain(t, Before("x", obey, Timeout(time.Second)))
			_, err := c.Then(nop)(bg, &payload{})
			blamed(t, err, "x")
			is(t, err, ErrTimeout)
			if !strings.Contains(err.Error(), "1s") {
				t.Errorf("%v does not say how long", err)
			}
		})
	})
	t.Run("its own deadline error before the time is its own", func(t *testing.T) {
		c := newChain(t, Before("x", fail(context.DeadlineExceeded), Timeout(time.Hour)))
		_, err := c.Then(nop)(bg, &payload{})
		blamed(t, err, "x")
		if errors.Is(err, ErrTimeout) {
			t.Error(err)
		}
	})
	t.Run("the caller's context ends first: nobody's failure", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var r recorder
			c := newChain(t, Before("x", hang(nop), Timeout(time.Minute)), Observe("r", r.observe))
			ctx, cancel := context.WithCancelCause(bg)
			time.AfterFunc(time.Second, func() { cancel(errOwn) })
			start := time.Now()
			_, err := c.Then(nop)(ctx, &payload{})
			is(t, err, errOwn)
			eq(t, "took", time.Since(start), time.Second)
			eq(t, "verdict", r.only(t).Verdict, Canceled)
			eq(t, "on the breaker's record", guardOf(t, c, "x").cb.Counts().TotalFailures, 0)
			eq(t, "flags", guardOf(t, c, "x").flags.Load(), 0)
			time.Sleep(2 * time.Hour)
		})
	})
	t.Run("in time", func(t *testing.T) {
		c := newChain(t, Before("x", add("!"), Timeout(time.Hour)), After("y", block("no"), Timeout(time.Hour)))
		h := c.Then(func(_ context.Context, p *payload) (*payload, error) { eq(t, "text", p.text, "!"); return p, nil })
		_, err := h(bg, &payload{})
		blockedBy(t, err, "y")
		healthyLinks(t, c, "x", "y")
	})
}

func TestHungRunsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		c := newChain(t, Before("x", func(context.Context, *payload) (*payload, error) { <-release; return nil, errOwn },
			Timeout(time.Millisecond), TripAfter(1<<30)))
		h := c.Then(nop)
		var wg sync.WaitGroup
		for range maxLeft {
			wg.Go(func() { _, _ = h(bg, &payload{}) })
		}
		wg.Wait()
		s, _ := c.Stats().Link("x")
		eq(t, "behaviour 26: running", s.Running, maxLeft)
		_, err := h(bg, &payload{})
		blamed(t, err, "x")
		is(t, err, ErrAbandoned)
		close(release)
		synctest.Wait()
		eq(t, "running", guardOf(t, c, "x").running.Load(), 0)
		_, err = h(bg, &payload{})
		is(t, err, errOwn)
	})
}
