package chain

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestNothingRegistered(t *testing.T) {
	c := newChain(t)
	eq(t, "active", c.Active(), false)
	in := &payload{}
	out, err := c.Then(nop)(bg, in)
	must(t, err)
	eq(t, "behaviour 36: the same pointer", out, in)
}

func TestIdentity(t *testing.T) {
	for _, m := range []Mode{Sequential, Transform, Audit, Concurrent, FireAndForget, Disabled} {
		for kind, make := range map[string]func(string, Handler[*payload], ...Option) Link[*payload]{
			"before": Before[*payload], "after": After[*payload],
		} {
			t.Run("behaviour 1: "+kind+" in "+m.String(), func(t *testing.T) {
				c := newChain(t, make("x", nop, InMode(m)))
				in := &payload{text: "same"}
				out, err := c.Then(nop)(bg, in)
				must(t, err)
				eq(t, "pointer", out, in)
				must(t, c.Drain(bg))
				s, _ := c.Stats().Link("x")
				eq(t, "rewrites", s.Rewrites+s.WouldRewrites, 0)
			})
		}
	}
}

func TestSequential(t *testing.T) {
	var r recorder
	c := newChain(t, Before("a", add("a")), Before("b", add("b")), After("c", add("c")), Observe("r", r.observe))
	h := c.Then(add("|"))
	out, err := h(bg, &payload{})
	must(t, err)
	eq(t, "behaviour 13: chained rewrites", out.text, "ab|c")
	eq(t, "behaviour 13: Observe sees the end", r.only(t).Payload, out)
	for _, name := range []string{"a", "b", "c"} {
		eq(t, "rewrites of "+name, guardOf(t, c, name).rewrites.Load(), 1)
	}

	r.seen = nil
	_, err = c.Use(Before("block", block("no"), Priority(40)), Before("first", add("first"), Priority(30)))
	must(t, err)
	called := false
	_, err = c.Then(func(_ context.Context, p *payload) (*payload, error) { called = true; return p, nil })(bg, &payload{})
	blockedBy(t, err, "block")
	eq(t, "behaviour 13: handler called after a block", called, false)
	o := r.only(t)
	eq(t, "behaviour 13: Observe sees the block", o.Verdict, Blocked)
	eq(t, "payload as the last link left it", o.Payload.text, "first")
}

func TestTransform(t *testing.T) {
	c := newChain(t,
		Before("a", add("a"), InMode(Transform)), Before("block", block("no"), InMode(Transform)), Before("b", add("b"), InMode(Transform)),
		Before("fail", fail(errOwn), InMode(Transform)),
	)
	out, err := c.Then(nop)(bg, &payload{})
	must(t, err)
	eq(t, "behaviour 14: two compose, a violation is suppressed", out.text, "ab")
	s, _ := c.Stats().Link("block")
	eq(t, "behaviour 14: would-blocks, blocks", [2]int64{s.WouldBlocks, s.Blocks}, [2]int64{1, 0})
	s, _ = c.Stats().Link("fail")
	eq(t, "ignored failures", s.Ignored, 1)
	eq(t, "a would-block is no failure", guardOf(t, c, "block").flags.Load(), 0)
}

func TestAudit(t *testing.T) {
	var saw []string
	audit := func(err error) Handler[*payload] {
		return func(_ context.Context, p *payload) (*payload, error) {
			saw = append(saw, p.text)
			return p.with("lost"), err
		}
	}
	c := newChain(t,
		Before("audit1", audit(Block("would")), InMode(Audit), Priority(1)), Before("audit2", audit(Block("would")), InMode(Audit), Priority(2)),
		Before("audit3", audit(nil), InMode(Audit), Priority(3)),
		Before("transform", add("+transform"), InMode(Transform)), Before("sequential", add("+sequential")),
	)
	out, err := c.Then(nop)(bg, &payload{})
	must(t, err)
	const want = "+sequential+transform"
	eq(t, "behaviour 15: rewrites are discarded", out.text, want)
	eq(t, "behaviour 15: auditors that ran", len(saw), 3)
	for _, text := range saw {
		eq(t, "behaviour 15: sees the payload after Sequential and Transform", text, want)
	}
	for name, want := range map[string][2]int64{"audit1": {1, 0}, "audit2": {1, 0}, "audit3": {0, 1}} {
		s, _ := c.Stats().Link(name)
		eq(t, name+": would-blocks, would-rewrites", [2]int64{s.WouldBlocks, s.WouldRewrites}, want)
	}
}

type ctxKey string

func TestFireAndForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var saw atomic.Pointer[payload]
		var ctxErr, value atomic.Value
		background := func(err error) Handler[*payload] {
			return func(ctx context.Context, p *payload) (*payload, error) {
				time.Sleep(time.Second)
				saw.Store(p)
				ctxErr.Store([]error{ctx.Err()})
				value.Store(ctx.Value(ctxKey("k")))
				return p.with("lost"), err
			}
		}
		c := newChain(t,
			Before("background", background(nil), InMode(FireAndForget), Priority(1)),
			Before("violates", background(Block("nobody hears")), InMode(FireAndForget)),
			Before("fails", background(errOwn), InMode(FireAndForget)),
			Before("panics", panics, InMode(FireAndForget)),
			Before("exits", goexits, InMode(FireAndForget)),
			Before("redact", add("redacted")),
		)
		ctx, cancel := context.WithCancel(context.WithValue(bg, ctxKey("k"), "v"))
		start := time.Now()
		out, err := c.Then(nop)(ctx, &payload{})
		must(t, err)
		eq(t, "behaviour 17: does not delay the call", time.Since(start), 0)
		cancel()
		eq(t, "behaviour 17: its rewrite reaches nobody", out.text, "redacted")
		must(t, c.Drain(bg))
		eq(t, "behaviour 17: Drain waits for it", time.Since(start), time.Second)
		eq(t, "behaviour 17: sees the payload as rewritten so far", saw.Load(), out)
		eq(t, "behaviour 17: context outlives the caller's", ctxErr.Load().([]error)[0], nil)
		eq(t, "behaviour 17: and keeps its values", value.Load(), any("v"))
		for name, want := range map[string]LinkStats{
			"background": {Calls: 1, WouldRewrites: 1}, "violates": {Calls: 1, WouldBlocks: 1}, "fails": {Calls: 1, Failures: 1, Ignored: 1},
			"panics": {Calls: 1, Failures: 1, Ignored: 1}, "exits": {Calls: 1, Failures: 1},
		} {
			s, _ := c.Stats().Link(name)
			eq(t, "behaviour 17: counts of "+name, LinkStats{Calls: s.Calls, Failures: s.Failures, WouldBlocks: s.WouldBlocks, WouldRewrites: s.WouldRewrites, Ignored: want.Ignored},
				want)
		}
	})
}

func TestDisabledLinksDoNotRun(t *testing.T) {
	c := newChain(t, Before("b", panics, InMode(Disabled)), Around("a", answer(panics), InMode(Disabled)),
		Observe("o", func(context.Context, Outcome[*payload]) { panic("o") }, InMode(Disabled)))
	_, err := c.Then(nop)(bg, &payload{})
	must(t, err)
	healthyLinks(t, c, "b", "a", "o")
	eq(t, "shown", named(c.Explain()), "b a o")
}

func TestDisableAndEnable(t *testing.T) {
	failing := func(n *int) Handler[*payload] {
		return func(context.Context, *payload) (*payload, error) { *n++; return nil, errOwn }
	}
	for _, tc := range []struct {
		name string
		make func(n *int) Link[*payload]
	}{
		{"hook", func(n *int) Link[*payload] { return Before("x", failing(n), OnFailure(Disable)) }},
		{"After", func(n *int) Link[*payload] { return After("x", failing(n), OnFailure(Disable)) }},
		{"Around", func(n *int) Link[*payload] { return Around("x", answer(failing(n)), OnFailure(Disable)) }},
		{"Concurrent", func(n *int) Link[*payload] {
			return Before("x", failing(n), OnFailure(Disable), InMode(Concurrent))
		}},
		{"background", func(n *int) Link[*payload] {
			return Before("x", failing(n), OnFailure(Disable), InMode(FireAndForget))
		}},
		{"shadow", func(n *int) Link[*payload] {
			return Around("x", answer(failing(n)), OnFailure(Disable), InMode(Audit))
		}},
		{"observer", func(n *int) Link[*payload] {
			return Observe("x", func(context.Context, Outcome[*payload]) { *n++; panic("o") }, OnFailure(Disable))
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := 0
			c := newChain(t, tc.make(&n))
			s, err := c.Scope()
			must(t, err)
			h := c.Then(nop)
			call := func() {
				_, err := h(bg, &payload{})
				must(t, err)
				must(t, c.Drain(bg))
			}
			for range 3 {
				call()
			}
			eq(t, "runs", n, 1)
			eq(t, "shown", c.Explain().Links[0].Breaker, "off")
			eq(t, "enabled by a scope", s.Enable("x"), true)
			eq(t, "shown", c.Explain().Links[0].Breaker, "closed")
			call()
			call()
			eq(t, "runs after Enable", n, 2)
			eq(t, "no such link", c.Enable("y"), false)
		})
	}
}

func TestPanics(t *testing.T) {
	afterNextPanics := afterNext(panics)
	for _, tc := range []struct {
		name  string
		link  Link[*payload]
		fails bool
		calls int // of the handler
	}{
		{"behaviour 20: hook, closed", Before("x", panics), true, 0},
		{"behaviour 20: hook, open", Before("x", panics, OnFailure(Ignore)), false, 1},
		{"behaviour 20: After, closed", After("x", panics), true, 1},
		{"behaviour 20: After, open", After("x", panics, OnFailure(Ignore)), false, 1},
		{"behaviour 20: Around before next, closed", Around("x", answer(panics)), true, 0},
		{"behaviour 20: Around before next, open", Around("x", answer(panics), OnFailure(Ignore)), false, 1},
		{"behaviour 20: Around after next, closed", Around("x", afterNextPanics), true, 1},
		{"behaviour 20: Around after next, open", Around("x", afterNextPanics, OnFailure(Ignore)), false, 1},
		{"behaviour 20: Outer after next, open", Around("x", afterNextPanics, OnFailure(Ignore), Outer()), false, 1},
		{"behaviour 20: Observe", Observe("x", func(context.Context, Outcome[*payload]) { panic("o") }), false, 1},
		{"behaviour 20: Observe in the background", Observe("x", func(context.Context, Outcome[*payload]) { panic("o") }, InMode(FireAndForget)), false, 1},
		{"behaviour 20: Observe, timed", Observe("x", func(context.Context, Outcome[*payload]) { panic("o") }, Timeout(time.Hour)), false, 1},
		{"behaviour 20: Concurrent", Before("x", panics, InMode(Concurrent)), true, 0},
		{"behaviour 20: Transform", Before("x", panics, InMode(Transform)), false, 1},
		{"behaviour 20: Audit", Before("x", panics, InMode(Audit)), false, 1},
		{"behaviour 20: hook, timed", Before("x", panics, Timeout(time.Hour)), true, 0},
		{"behaviour 20: background hook", Before("x", panics, InMode(FireAndForget)), false, 1},
		{"behaviour 20: shadow before next", Around("x", answer(panics), InMode(Audit)), false, 1},
		{"behaviour 20: shadow after next", Around("x", afterNextPanics, InMode(Audit)), false, 1},
		{"behaviour 20: panic(nil)", Before("x", func(context.Context, *payload) (*payload, error) { panic(nil) }), true, 0},
		{"behaviour 20: runtime error", Before("x", func(context.Context, *payload) (*payload, error) { var p *payload; p.n++; return p, nil }), true, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var r recorder
			c := newChain(t, Before("ok", nop), tc.link, Around("around", passOn), Observe("r", r.observe))
			calls := 0
			h := c.Then(func(_ context.Context, p *payload) (*payload, error) { calls++; return p.with("done"), nil })
			out, err := h(bg, &payload{})
			must(t, c.Drain(bg))
			eq(t, "handler calls", calls, tc.calls)
			eq(t, "failures", guardOf(t, c, "x").failures.Load(), 1)
			eq(t, "on the breaker's record", guardOf(t, c, "x").cb.Counts().ConsecutiveFailures, 1)
			healthyLinks(t, c, "ok", "around", "r")
			o := r.only(t)
			if !tc.fails {
				must(t, err)
				eq(t, "out", out.text, "done")
				eq(t, "verdict", o.Verdict, Allowed)
				return
			}
			blamed(t, err, "x")
			var pe *PanicError
			if !errors.As(err, &pe) || len(pe.Stack) == 0 {
				t.Fatalf("no *PanicError with a stack: %v", err)
			}
			eq(t, "verdict and link", o.Verdict.String()+" "+o.Link, "failed x")
		})
	}
}

func TestPanicOfTheHandler(t *testing.T) {
	// behaviour 20: every Around sees it as next's error, and it is blamed on no link
	var saw []error
	watch := func(next Handler[*payload]) Handler[*payload] {
		return func(ctx context.Context, p *payload) (*payload, error) {
			out, err := next(ctx, p)
			saw = append(saw, err)
			return out, err
		}
	}
	for name, links := range map[string][]Link[*payload]{
		"no links": nil,
		"hooks":    {Before("h", nop), After("a", nop)},
		"arounds":  {Before("h", nop), Around("inner", watch), Around("open", watch, OnFailure(Ignore)), Around("outer", watch, Outer())},
	} {
		t.Run(name, func(t *testing.T) {
			saw = nil
			c := newChain(t, links...)
			h := c.Then(panics)
			for range 10 {
				_, err := h(bg, &payload{})
				pe, ok := err.(*PanicError)
				if !ok || pe.Value != "boom" || len(pe.Stack) == 0 {
					t.Fatalf("got %v, want the *PanicError alone", err)
				}
				for _, e := range saw {
					eq(t, "next's error", e, err)
				}
				saw = nil
			}
			for _, l := range links {
				healthyLinks(t, c, l.Name())
			}
		})
	}
}

func TestGoexitInline(t *testing.T) {
	exitAfterNext := afterNext(goexits)
	for _, tc := range []struct {
		name string
		link Link[*payload]
	}{
		{"behaviour 21: hook", Before("x", goexits)},
		{"behaviour 21: After", After("x", goexits)},
		{"behaviour 21: open hook", Before("x", goexits, OnFailure(Ignore))},
		{"behaviour 21: Transform", Before("x", goexits, InMode(Transform))},
		{"behaviour 21: Around", Around("x", answer(goexits))},
		{"behaviour 21: open Around", Around("x", answer(goexits), OnFailure(Ignore))},
		{"behaviour 21: Outer", Around("x", answer(goexits), Outer())},
		{"behaviour 21: Around after next", Around("x", exitAfterNext)},
		{"behaviour 21: shadow", Around("x", answer(goexits), InMode(Audit))},
		{"behaviour 21: observer", Observe("x", func(context.Context, Outcome[*payload]) { runtime.Goexit() })},
	} {
		for _, wrapped := range []bool{false, true} {
			name := tc.name
			if wrapped {
				name += " within other links"
			}
			t.Run(name, func(t *testing.T) {
				var r recorder
				c := newChain(t, tc.link, Observe("r", r.observe, Priority(1)))
				if wrapped {
					_, err := c.Use(Around("outer", passOn, Outer(), Priority(1)), Around("inner", passOn, Priority(1)), Before("hook", nop), After("out", nop),
						Around("shadow", passOn, InMode(Audit), Outer(), Priority(2)))
					must(t, err)
				}
				h := c.Then(nop)
				for i := range 3 {
					r.seen = nil
					eq(t, "came back", apartFrom(func() { _, _ = h(bg, &payload{}) }), false)
					g := guardOf(t, c, "x")
					eq(t, "booked once", g.failures.Load(), int64(i+1))
					eq(t, "on the breaker's record once", int(g.cb.Counts().ConsecutiveFailures), i+1)
					o := r.only(t)
					if tc.link.Kind() != KindObserve {
						eq(t, "link and verdict", o.Link+" "+o.Verdict.String(), "x failed")
						is(t, o.Err, ErrGoexit)
					}
				}
				if wrapped {
					healthyLinks(t, c, "outer", "inner", "hook", "out", "shadow")
				}
			})
		}
	}
}

func TestGoexitOfTheHandler(t *testing.T) {
	// behaviour 21: it is blamed on no link, as a panic of the handler is not
	for name, links := range map[string][]Link[*payload]{
		"no links": nil,
		"hooks":    {Before("h", nop), After("a", nop)},
		"arounds":  {Before("h", nop), Around("inner", passOn), Around("open", passOn, OnFailure(Ignore)), Around("outer", passOn, Outer())},
		"shadow":   {Around("s", passOn, InMode(Audit))},
	} {
		t.Run(name, func(t *testing.T) {
			var r recorder
			c := newChain(t, append(links, Observe("r", r.observe))...)
			h := c.Then(goexits)
			eq(t, "came back", apartFrom(func() { _, _ = h(bg, &payload{}) }), false)
			o := r.only(t)
			is(t, o.Err, ErrGoexit)
			eq(t, "link", o.Link, "")
			eq(t, "answered", o.Answered, true)
			for _, l := range links {
				healthyLinks(t, c, l.Name())
			}
		})
	}
}

func TestGoexitOnGoroutinesOfTheEngine(t *testing.T) {
	exits := func(context.Context, Outcome[*payload]) { runtime.Goexit() }
	for _, tc := range []struct {
		name string
		link Link[*payload]
		ok   bool
	}{
		{"behaviour 21: Concurrent", Before("x", goexits, InMode(Concurrent)), false},
		{"behaviour 21: open Concurrent", Before("x", goexits, InMode(Concurrent), OnFailure(Ignore)), true},
		{"behaviour 21: Concurrent and timed", Before("x", goexits, InMode(Concurrent), Timeout(time.Hour)), false},
		{"behaviour 21: timed", Before("x", goexits, Timeout(time.Hour)), false},
		{"behaviour 21: timed and open", Before("x", goexits, Timeout(time.Hour), OnFailure(Ignore)), true},
		{"behaviour 21: background", Before("x", goexits, InMode(FireAndForget)), true},
		{"behaviour 21: background and timed", Before("x", goexits, InMode(FireAndForget), Timeout(time.Hour)), true},
		{"behaviour 21: background observer", Observe("x", exits, InMode(FireAndForget)), true},
		{"behaviour 21: timed observer", Observe("x", exits, Timeout(time.Hour)), true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var r recorder
				c := newChain(t, tc.link, Observe("r", r.observe))
				h := c.Then(nop)
				for i := range 3 {
					_, err := h(bg, &payload{})
					must(t, c.Drain(bg))
					synctest.Wait() // for the goroutine to end, which may be after its report
					g := guardOf(t, c, "x")
					eq(t, "booked once", g.failures.Load(), int64(i+1))
					eq(t, "on the breaker's record once", int(g.cb.Counts().ConsecutiveFailures), i+1)
					eq(t, "running", g.running.Load(), 0)
					eq(t, "outcomes", len(r.seen), i+1)
					if tc.ok {
						must(t, err)
						continue
					}
					blamed(t, err, "x")
					is(t, err, ErrGoexit)
				}
			})
		})
	}
}

func TestModeSwitchedDuringACall(t *testing.T) {
	// behaviour 19: calls in flight finish on the old plan
	synctest.Test(t, func(t *testing.T) {
		in := make(chan struct{})
		c := newChain(t, Before("wait", func(_ context.Context, p *payload) (*payload, error) { <-in; return p, nil }, Priority(1)))
		set := func(m Mode) []Link[*payload] { return []Link[*payload]{After("x", block("no"), InMode(m))} }
		must(t, c.Reload(set(Audit)...))
		h := c.Then(nop)
		old := make(chan error, 1)
		go func() { _, err := h(bg, &payload{}); old <- err }()
		synctest.Wait()
		must(t, c.Reload(set(Sequential)...))
		close(in)
		must(t, <-old)
		_, err := h(bg, &payload{})
		blockedBy(t, err, "x")
		s, _ := c.Stats().Link("x")
		eq(t, "would-blocks, blocks over the reload", [2]int64{s.WouldBlocks, s.Blocks}, [2]int64{1, 1})
	})
}
