package chain

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestDispatcherOverflow(t *testing.T) {
	for _, tc := range []struct {
		name          string
		overflow      Overflow
		cancelAfter   time.Duration // of the caller's context; 0: never
		took          time.Duration // to hand in ten jobs of a second, one worker, a queue of two
		done, dropped int64
	}{
		{"behaviour 18: block waits for room", BlockWhenFull, 0, 7 * time.Second, 10, 0},
		{"behaviour 18: block runs inline when the caller's context ends", BlockWhenFull, time.Nanosecond, 7*time.Second + 1, 10, 0},
		{"behaviour 18: drop newest", DropNewest, 0, 0, 3, 7},
		{"behaviour 18: run inline", RunInline, 0, 3 * time.Second, 10, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := NewDispatcher(DispatcherConfig{Workers: 1, Queue: 2, Overflow: tc.overflow})
				ctx, cancel := context.WithCancel(bg)
				defer cancel()
				if tc.cancelAfter > 0 {
					time.AfterFunc(tc.cancelAfter, cancel)
				}
				var ran, taken atomic.Int64
				start := time.Now()
				for range 10 {
					if d.Go(ctx, func(ctx context.Context) { eq(t, "context", ctx.Err(), nil); time.Sleep(time.Second); ran.Add(1) }) {
						taken.Add(1)
					}
					synctest.Wait()
				}
				if got := time.Since(start); got > tc.took+2*time.Second || got < tc.took-4*time.Second {
					t.Errorf("took %v, want about %v", got, tc.took)
				}
				must(t, d.Drain(bg))
				synctest.Wait()
				s := d.Stats()
				eq(t, "counts", DispatcherStats{Queued: 10, Done: tc.done, Dropped: tc.dropped}, s)
				eq(t, "ran", ran.Load(), tc.done)
				eq(t, "taken", taken.Load(), tc.done)
			})
		})
	}
}

func TestDispatcherDrainAndClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDispatcher(DispatcherConfig{Workers: 1, Queue: -1})
		must(t, d.Drain(bg)) // nothing to wait for
		for range 3 {
			d.Go(bg, func(context.Context) { time.Sleep(time.Second) })
		}
		ctx, cancel := context.WithTimeout(bg, time.Millisecond)
		defer cancel()
		err := d.Drain(ctx)
		is(t, err, context.DeadlineExceeded)
		if err == nil || !strings.Contains(err.Error(), "3 background jobs") {
			t.Errorf("%v does not say what is left", err)
		}
		is(t, d.Close(ctx), context.DeadlineExceeded)
		eq(t, "taken after Close", d.Go(bg, func(context.Context) { t.Error("ran after Close") }), false)
		must(t, d.Close(bg))
		must(t, d.Close(bg))
		s := d.Stats()
		eq(t, "behaviour 18: counts", [3]int64{s.Queued, s.Done, s.Dropped}, [3]int64{4, 3, 1})
		if err := d.Close(noContext); err == nil {
			t.Error("Close took a nil context")
		}
	})
}

func TestDispatcherWorkersEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDispatcher(DispatcherConfig{Workers: 3})
		for range 10 {
			d.Go(bg, func(context.Context) { time.Sleep(time.Second) })
		}
		synctest.Wait()
		eq(t, "workers", d.Stats().Running, 3)
		eq(t, "waiting", d.Stats().Waiting, 7)
		must(t, d.Drain(bg))
		synctest.Wait()
		eq(t, "workers when idle", d.Stats().Running, 0) // and goleak sees no goroutine of an idle dispatcher
	})
}

func TestDispatcherJobsThatMisbehave(t *testing.T) {
	for name, job := range map[string]func(context.Context){
		"panics": func(context.Context) { panic("job") },
		"exits":  func(context.Context) { goexits(bg, nil) }, //nolint:errcheck // never returns
	} {
		t.Run("behaviour 21: "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := NewDispatcher(DispatcherConfig{Workers: 2, Queue: 100})
				var ran atomic.Int64
				for range 20 {
					d.Go(bg, job)
					d.Go(bg, func(context.Context) { ran.Add(1) })
				}
				must(t, d.Drain(bg))
				synctest.Wait()
				eq(t, "other jobs", ran.Load(), 20)
				eq(t, "done", d.Stats().Done, 40)
				eq(t, "workers", d.Stats().Running, 0)
				must(t, d.Close(bg))
			})
		})
	}
}

func TestDispatcherJobThatHandsInJobs(t *testing.T) {
	// behaviour 18: a job that would wait for its own queue runs inline
	d := NewDispatcher(DispatcherConfig{Workers: 1, Queue: 1})
	var ran atomic.Int64
	var again func(depth int) func(context.Context)
	again = func(depth int) func(context.Context) {
		return func(ctx context.Context) {
			ran.Add(1)
			if depth > 0 {
				d.Go(ctx, again(depth-1))
				d.Go(ctx, again(depth-1))
			}
		}
	}
	d.Go(bg, again(4))
	must(t, d.Drain(bg))
	must(t, d.Close(bg))
	eq(t, "jobs", ran.Load(), 31)
}

func TestSharedDispatcher(t *testing.T) {
	d := NewDispatcher(DispatcherConfig{})
	bad := Before("x", fail(errors.New("background")), InMode(FireAndForget))
	a, b := New("a", Config[*payload]{Dispatcher: d}), New("b", Config[*payload]{Dispatcher: d})
	for _, c := range []*Chain[*payload]{a, b} {
		_, err := c.Use(bad)
		must(t, err)
		_, err = c.Then(nop)(bg, &payload{})
		must(t, err)
	}
	must(t, a.Close(bg))
	_, err := b.Then(nop)(bg, &payload{})
	must(t, err)
	must(t, b.Drain(bg))
	eq(t, "still open for others", b.Stats().Dispatcher.Done, 3)
	must(t, b.Close(bg))
	must(t, d.Close(bg))
}

func TestDroppedBackgroundLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDispatcher(DispatcherConfig{Workers: 1, Queue: 1, Overflow: DropNewest})
		c := newChainWith(t, Config[*payload]{Dispatcher: d}, Observe("o", func(context.Context, Outcome[*payload]) { time.Sleep(time.Second) }, InMode(FireAndForget)))
		h := c.Then(nop)
		for range 5 {
			_, err := h(bg, &payload{})
			must(t, err)
			synctest.Wait()
		}
		eq(t, "behaviour 18: drops are counted", c.Stats().Dispatcher.Dropped, 3)
		must(t, c.Drain(bg))
	})
}
