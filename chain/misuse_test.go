package chain

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// says checks that err says something.
func says(t testing.TB, what string, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("%s: got error %v, want one that says %q", what, err, text)
	}
}

func TestNilArguments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDispatcher(DispatcherConfig{})
		c := New("t", Config[*payload]{Dispatcher: d})
		var ran atomic.Int32
		d.Go(bg, func(context.Context) { time.Sleep(time.Second); ran.Add(1) })
		says(t, "C: Chain.Drain", c.Drain(noContext), "nil context")
		says(t, "C: Dispatcher.Drain", d.Drain(noContext), "nil context")
		says(t, "C: Dispatcher.Close", d.Close(noContext), "nil context")
		eq(t, "C: nil job", d.Go(bg, nil), false)
		eq(t, "C: a job with a nil context", d.Go(noContext, func(ctx context.Context) {
			if ctx == nil {
				t.Error("the job got a nil context")
			}
			ran.Add(1)
		}), true)
		must(t, d.Drain(bg))
		eq(t, "C: jobs that ran", ran.Load(), 2)
		eq(t, "C: waited for", d.Stats(), DispatcherStats{Queued: 2, Done: 2})
		says(t, "C: Chain.Close", c.Close(noContext), "nil context")
		must(t, c.Close(bg))
		must(t, d.Close(bg))
		own := New[*payload]("own")
		says(t, "C: Chain.Close, own dispatcher", own.Close(noContext), "nil context")
		must(t, own.Close(bg))
	})
}

func TestCallWithANilContextIsObserved(t *testing.T) {
	for name, l := range map[string]Link[*payload]{"hooks only": Before("x", nop), "Arounds": Around("x", passOn)} {
		t.Run("C: "+name, func(t *testing.T) {
			var r recorder
			c := newChain(t, l, Observe("r", r.observe), OnError("e", r.observe), Observe("bg", func(ctx context.Context, _ Outcome[*payload]) {
				if ctx == nil {
					t.Error("an observer got a nil context")
				}
			}, InMode(FireAndForget)))
			in := &payload{}
			_, err := c.Then(nop)(noContext, in)
			says(t, "the call", err, "nil context")
			must(t, c.Drain(bg))
			eq(t, "outcomes", len(r.seen), 2)
			for _, o := range r.seen {
				eq(t, "payload", o.Payload, in)
				eq(t, "error", o.Err, err)
				eq(t, "verdict", o.Verdict, Failed)
				eq(t, "answered", o.Answered, false)
			}
			healthyLinks(t, c, "x", "r", "e", "bg")
		})
	}
}

func TestZeroDispatcher(t *testing.T) {
	for name, use := range map[string]func(d *Dispatcher) error{
		"Go": func(d *Dispatcher) error {
			ran := false
			if !d.Go(bg, func(context.Context) { ran = true }) {
				return fmt.Errorf("not taken")
			}
			if err := d.Drain(bg); err != nil || !ran {
				return fmt.Errorf("ran: %v, %w", ran, err)
			}
			return d.Close(bg)
		},
		"Drain": func(d *Dispatcher) error { return d.Drain(bg) },
		"Close": func(d *Dispatcher) error { return d.Close(bg) },
		"Stats": func(d *Dispatcher) error { _ = d.Stats(); return nil },
	} {
		t.Run("C: "+name, func(t *testing.T) { must(t, use(new(Dispatcher))) })
	}
	t.Run("C: in a chain, with the defaults", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := new(Dispatcher)
			c := newChainWith(t, Config[*payload]{Dispatcher: d}, Observe("x", func(context.Context, Outcome[*payload]) { time.Sleep(time.Second) }, InMode(FireAndForget)))
			h := c.Then(nop)
			for range 2 * DefaultWorkers {
				_, err := h(bg, &payload{})
				must(t, err)
			}
			synctest.Wait()
			eq(t, "workers", d.Stats().Running, DefaultWorkers)
			eq(t, "waiting", d.Stats().Waiting, DefaultWorkers)
		})
	})
}

func TestZeroChain(t *testing.T) {
	zero := func() *Chain[*payload] { return new(Chain[*payload]) }
	for name, use := range map[string]func() error{
		"Use":    func() error { _, err := zero().Use(Before("x", nop)); return err },
		"Reload": func() error { return zero().Reload(Before("x", nop)) },
		"Scope":  func() error { _, err := zero().Scope(); return err },
		"call":   func() error { _, err := zero().Then(nop)(bg, &payload{}); return err },
		"Drain":  func() error { return zero().Drain(bg) },
		"Close":  func() error { return zero().Close(bg) },
	} {
		t.Run("C: "+name, func(t *testing.T) { says(t, name, use(), "zero Chain") })
	}
	for name, ask := range map[string]func(c *Chain[*payload]) bool{
		"Name":       func(c *Chain[*payload]) bool { return c.Name() == "" },
		"Active":     func(c *Chain[*payload]) bool { return !c.Active() },
		"Enable":     func(c *Chain[*payload]) bool { return !c.Enable("x") },
		"Explain":    func(c *Chain[*payload]) bool { return len(c.Explain().Links) == 0 },
		"Stats":      func(c *Chain[*payload]) bool { return len(c.Stats().Links) == 0 },
		"WithTracer": func(c *Chain[*payload]) bool { return c.WithTracer(nil) == c && c.WithTracer(new(spans)) == c },
	} {
		t.Run("C: "+name, func(t *testing.T) { eq(t, "as of an empty chain", ask(zero()), true) })
	}
}

func TestRegistrationOfARefusedUse(t *testing.T) {
	c := newChain(t, Before("here", nop))
	r, err := c.Use(Before("", nop))
	says(t, "Use", err, "name")
	if r != nil {
		t.Error("C: a Use that failed returned a Registration")
	}
	r.Remove()
	r.Remove()
	if r.Replace(Before("x", nop)) == nil {
		t.Error("C: Replace of a nil Registration is taken")
	}
	new(Registration[*payload]).Remove()
	if new(Registration[*payload]).Replace(Before("x", nop)) == nil {
		t.Error("C: Replace of a zero Registration is taken")
	}
	eq(t, "links", named(c.Explain()), "here")
}

func TestUseRefusesMore(t *testing.T) {
	limit := func(_ Position, old, _ *payload) (*payload, []string) { return old, nil }
	for name, tc := range map[string]struct {
		link Link[*payload]
		says string
	}{
		"C: a line break in the name":      {Before("a\nb", nop), "control"},
		"C: an escape sequence":            {Around("a\x1b[31m", passOn), "control"},
		"C: a tab":                         {Observe("a\tb", ignore), "control"},
		"C: a NUL":                         {After("\x00", nop), "control"},
		"C: a limit of an observer":        {Observe("x", ignore).Limit(limit), "Limit"},
		"C: a limit of an OnError":         {OnError("x", ignore).Limit(limit), "Limit"},
		"C: a limit of a switched-off one": {Observe("x", ignore, InMode(Disabled)).Limit(limit), "Limit"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newChain(t)
			_, err := c.Use(tc.link)
			says(t, "Use", err, tc.says)
			if strings.ContainsAny(err.Error(), "\n\t\x00\x1b") {
				t.Errorf("control characters in the error: %q", err)
			}
			says(t, "Reload", c.Reload(tc.link), tc.says)
			eq(t, "active", c.Active(), false)
		})
	}
	for _, name := range []string{"with blanks", "ünïcödé", "x]; click", `"quoted"`} {
		must(t, newChain(t).Reload(Before(name, nop)))
	}
}

func TestLimitsThatGiveNothing(t *testing.T) {
	// of two limits the second one is not asked about nothing
	none := func(Position, *payload, *payload) (*payload, []string) { return nil, nil }
	asked := 0
	c := newChain(t, Before("x", add("!")).Limit(none).Limit(func(_ Position, _, p *payload) (*payload, []string) {
		asked++
		return p.with(p.text), nil
	}))
	_, err := c.Then(nop)(bg, &payload{})
	blamed(t, err, "x")
	is(t, err, ErrNilPayload)
	eq(t, "asked", asked, 0)
}

func TestComposeOfANilHandler(t *testing.T) {
	none := func(Handler[*payload]) Handler[*payload] { return nil }
	for name, h := range map[string]Handler[*payload]{
		"C: alone": Compose(nop, none), "C: outermost": Compose(nop, none, passOn), "C: innermost": Compose(nop, passOn, none),
	} {
		_, err := h(bg, &payload{})
		says(t, name, err, "nil handler")
	}
}

func TestDrainCalledByItsOwnJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDispatcher(DispatcherConfig{})
		c := New("t", Config[*payload]{Dispatcher: d})
		var errs []error
		for _, wait := range []func(context.Context) error{d.Drain, c.Drain, c.Close, d.Close} {
			d.Go(bg, func(ctx context.Context) {
				start := time.Now()
				ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Hour)
				defer cancel()
				errs = append(errs, wait(ctx))
				eq(t, "B9: waited", time.Since(start), 0)
			})
			synctest.Wait()
		}
		eq(t, "B9: jobs", len(errs), 4)
		for _, err := range errs {
			says(t, "B9: in a job", err, "background work")
		}
		_, err := c.Then(nop)(bg, &payload{})
		is(t, err, ErrClosed)
		eq(t, "taken after Close", d.Go(bg, func(context.Context) {}), false)
		must(t, d.Close(bg))

		// a job of another dispatcher may wait
		a, b := NewDispatcher(DispatcherConfig{}), NewDispatcher(DispatcherConfig{})
		done := false
		b.Go(bg, func(context.Context) { time.Sleep(time.Second); done = true })
		a.Go(bg, func(ctx context.Context) { must(t, b.Drain(ctx)); eq(t, "done", done, true) })
		must(t, a.Close(bg))
		must(t, b.Close(bg))
	})
	t.Run("B9: a background link that closes its chain", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var c *Chain[*payload]
			var err error
			c = New[*payload]("t")
			_, useErr := c.Use(Observe("x", func(ctx context.Context, _ Outcome[*payload]) { err = c.Close(ctx) }, InMode(FireAndForget)))
			must(t, useErr)
			_, callErr := c.Then(nop)(bg, &payload{})
			must(t, callErr)
			must(t, c.Close(bg))
			says(t, "Close", err, "background work")
		})
	})
}

func TestDrainWaitsForTheJobsOfItsJobs(t *testing.T) {
	// a job that is handed in by one that Drain waits for is waited for too, also when it comes after Drain began
	synctest.Test(t, func(t *testing.T) {
		for _, workers := range []int{1, 4} {
			d := NewDispatcher(DispatcherConfig{Workers: workers})
			var ran steps
			d.Go(bg, func(ctx context.Context) {
				time.Sleep(time.Minute)
				d.Go(ctx, func(ctx context.Context) {
					time.Sleep(time.Minute)
					ran.add("child")
					d.Go(ctx, func(context.Context) { time.Sleep(time.Minute); ran.add("grandchild") })
				})
			})
			if workers > 1 {
				go func() {
					time.Sleep(time.Second)
					d.Go(bg, func(context.Context) { time.Sleep(time.Hour); ran.add("stranger") })
				}()
			}
			start := time.Now()
			must(t, d.Drain(bg))
			eq(t, "ran", ran.take(), "child grandchild")
			eq(t, "took", time.Since(start), 3*time.Minute)
			must(t, d.Close(bg))
		}
	})
}
