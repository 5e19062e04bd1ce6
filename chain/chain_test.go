package chain

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sony/gobreaker/v2"
)

func TestScopesRunTogether(t *testing.T) {
	c := newChain(t, Before("p20", add("p20 "), Priority(20)), Before("p50", add("p50 ")))
	session, err := c.Scope(Before("s10", add("s10 "), Priority(10)), Before("s50", add("s50 ")))
	must(t, err)
	block, err := session.Scope(Before("b15", add("b15 "), Priority(15)), Before("p50", add("b50 ")))
	must(t, err)
	deeper, err := block.Scope()
	must(t, err)
	deepest, err := deeper.Scope(Before("d", add("d ")))
	must(t, err)
	for _, tc := range []struct {
		c    *Chain[*payload]
		want string
	}{
		{c, "p20 p50 "}, {session, "s10 p20 p50 s50 "}, {block, "s10 b15 p20 p50 s50 b50 "}, {deepest, "s10 b15 p20 p50 s50 b50 d "},
	} {
		out, err := tc.c.Then(nop)(bg, &payload{})
		must(t, err)
		eq(t, "behaviour 28: ordered by priority, a parent's first", out.text, tc.want)
	}
	var scopes []string
	for _, l := range deepest.Explain().Links {
		scopes = append(scopes, l.Scope)
	}
	eq(t, "scopes", strings.Join(scopes, " "), "session block process process session block block3")
	eq(t, "name", deepest.Name(), "t")

	s, ok := block.Stats().Link("p50")
	eq(t, "Stats of the innermost", s.Scope, "block")
	eq(t, "found", ok, true)
	_, ok = block.Stats().Link("nobody")
	eq(t, "found", ok, false)
}

func TestSessionsAreIsolated(t *testing.T) {
	// behaviour 28: a link of session A never fires in session B, under 64 concurrent sessions
	c := newChain(t, Before("p", add("p")), Around("a", passOn))
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			own := fmt.Sprint("-", i)
			s, err := c.Scope(Before("own", add(own)), Observe("o", func(_ context.Context, o Outcome[*payload]) { eq(t, "observed", o.Payload.text, "p"+own) }))
			must(t, err)
			h := s.Then(nop)
			for range 50 {
				out, err := h(bg, &payload{})
				must(t, err)
				eq(t, "text", out.text, "p"+own)
			}
			must(t, s.Close(bg))
		})
	}
	for i := range 50 { // the parent changes meanwhile
		reg, err := c.Use(Before(fmt.Sprint("late", i), nop), Around(fmt.Sprint("late around", i), passOn))
		must(t, err)
		if i%2 == 0 {
			reg.Remove()
		}
	}
	wg.Wait()
}

func TestScopeFollowsItsParent(t *testing.T) {
	c := newChain(t, Before("p", add("p")))
	s, err := c.Scope(Before("s", add("s")))
	must(t, err)
	h, parent := s.Then(nop), c.Then(nop)
	text := func(h Handler[*payload]) string {
		out, err := h(bg, &payload{})
		must(t, err)
		return out.text
	}
	eq(t, "at first", text(h), "ps")
	reg, err := c.Use(Before("late", add("l"), Priority(10)))
	must(t, err)
	eq(t, "sees the parent's later links", text(h), "lps")
	eq(t, "which the parent sees", text(parent), "lp")
	reg.Remove()
	eq(t, "and their end", text(h), "ps")
	own, err := s.Use(Before("own", add("o")))
	must(t, err)
	eq(t, "its own", text(h), "pso")
	eq(t, "behaviour 29: are not the parent's", text(parent), "p")
	own.Remove()
	eq(t, "behaviour 29: each exit removes only its own", text(h), "ps")
	eq(t, "active", s.Active(), true)
}

func TestForgottenScopesAreCollected(t *testing.T) {
	// behaviour 29: the parent keeps no list of its scopes
	c := newChain(t, Before("p", nop))
	collected := make(chan struct{})
	func() {
		s, err := c.Scope(Before("s", nop))
		must(t, err)
		_, err = s.Then(nop)(bg, &payload{})
		must(t, err)
		runtime.AddCleanup(s, func(struct{}) { close(collected) }, struct{}{})
	}()
	for range 100 {
		runtime.GC()
		select {
		case <-collected:
			return
		default:
			runtime.Gosched()
		}
	}
	t.Error("the scope is still referred to")
}

func TestRemove(t *testing.T) {
	c := newChain(t)
	reg, err := c.Use(Before("x", add("x")), After("y", add("y")))
	must(t, err)
	other, err := c.Use(Before("z", add("z")))
	must(t, err)
	h := c.Then(nop)
	reg.Remove()
	reg.Remove() // behaviour 30: twice is harmless
	out, err := h(bg, &payload{})
	must(t, err)
	eq(t, "behaviour 30: only its own", out.text, "z")
	if err := reg.Replace(Before("q", nop)); err == nil {
		t.Error("Replace of what was removed")
	}
	other.Remove()
	eq(t, "active", c.Active(), false)
	var none *Registration[*payload]
	none.Remove()
	new(Registration[*payload]).Remove()
	if none.Replace() == nil || new(Registration[*payload]).Replace() == nil {
		t.Error("Replace on a registration that Use did not make")
	}
}

func TestRemoveDuringACall(t *testing.T) {
	// behaviour 30: affects later calls only
	synctest.Test(t, func(t *testing.T) {
		in := make(chan struct{})
		c := newChain(t, Before("wait", func(_ context.Context, p *payload) (*payload, error) { <-in; return p, nil }))
		reg, err := c.Use(After("x", add("x")), Around("a", around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			return next(ctx, p.with(p.text+"a"))
		})))
		must(t, err)
		h := c.Then(nop)
		got := make(chan string, 1)
		go func() { out, _ := h(bg, &payload{}); got <- out.text }()
		synctest.Wait()
		reg.Remove()
		must(t, c.Reload(Around("b", passOn), Around("c", passOn)))
		go func() { _, _ = h(bg, &payload{}) }() // takes over the slots
		synctest.Wait()
		close(in)
		eq(t, "the call in flight", <-got, "ax")
		out, err := h(bg, &payload{})
		must(t, err)
		eq(t, "a later call", out.text, "")
	})
}

func TestReplace(t *testing.T) {
	c := newChain(t)
	first, err := c.Use(Before("a", add("a")))
	must(t, err)
	_, err = c.Use(Before("z", add("z")))
	must(t, err)
	h := c.Then(nop)
	text := func() string {
		out, err := h(bg, &payload{})
		must(t, err)
		return out.text
	}
	must(t, first.Replace(Before("b", add("b")), Before("c", add("c"))))
	eq(t, "keeps the place of the registration", text(), "bcz")
	if err := first.Replace(Before("z", nop)); err == nil {
		t.Error("a name that another registration has")
	}
	eq(t, "all or nothing", text(), "bcz")
	must(t, first.Replace())
	eq(t, "with nothing", text(), "z")
	must(t, first.Replace(Before("a", add("a"))))
	eq(t, "and back again", text(), "az")
}

func TestReload(t *testing.T) {
	c := newChain(t, Before("fixed", nop))
	bad := fail(errOwn)
	must(t, c.Reload(Before("x", bad, TripAfter(2)), Before("y", nop)))
	h := c.Then(nop)
	for range 3 {
		_, _ = h(bg, &payload{})
	}
	state := func(link string) gobreaker.State { return guardOf(t, c, link).State() }
	eq(t, "open", state("x"), gobreaker.StateOpen)

	must(t, c.Reload(Before("z", nop), Before("x", nop, TripAfter(2), InMode(Audit), Priority(3))))
	eq(t, "behaviour 42: a kept link keeps its breaker", state("x"), gobreaker.StateOpen)
	eq(t, "and its counts", guardOf(t, c, "x").failures.Load(), 3)
	eq(t, "what it did not register stays", named(c.Explain()), "fixed z x")

	for name, links := range map[string][]Link[*payload]{
		"duplicate": {Before("q", nop), Before("q", nop)}, "taken": {Before("q", nop), Before("fixed", nop)}, "wrong": {Before("q", nop), Before[*payload]("r", nil)},
	} {
		if err := c.Reload(links...); err == nil {
			t.Error(name)
		}
		eq(t, "behaviour 42: a bad reload leaves the plan untouched", named(c.Explain()), "fixed z x")
	}

	for name, l := range map[string]Link[*payload]{
		"kind": After("x", nop, TripAfter(2)), "timeout": Before("x", nop, TripAfter(2), Timeout(1)), "trip rule": Before("x", nop, TripAfter(3)),
		"breaker": Before("x", nop, TripAfter(2), Breaker(gobreaker.Settings{MaxRequests: 7})),
	} {
		must(t, c.Reload(Before("x", bad, TripAfter(2))))
		for range 2 {
			_, _ = h(bg, &payload{})
		}
		eq(t, "open", state("x"), gobreaker.StateOpen)
		must(t, c.Reload(l))
		eq(t, "with another "+name+" it starts anew", state("x"), gobreaker.StateClosed)
		must(t, c.Reload())
	}
}

func TestReloadUnderLoad(t *testing.T) {
	// a call runs wholly on one plan
	c := newChain(t)
	set := func(n int) []Link[*payload] {
		h := add(fmt.Sprint(n, ";"))
		return []Link[*payload]{Before("a", h), After("b", h), Around(fmt.Sprint("c", n%3), around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			return next(ctx, p.with(p.text+fmt.Sprint(n, ";")))
		}))}
	}
	must(t, c.Reload(set(0)...))
	h := c.Then(nop)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				out, err := h(bg, &payload{})
				must(t, err)
				if p := strings.Split(out.text, ";"); len(p) != 4 || p[0] != p[1] || p[1] != p[2] {
					t.Error("mixed plans:", out.text)
				}
			}
		})
	}
	for i := range 300 {
		must(t, c.Reload(set(i)...))
	}
	close(stop)
	wg.Wait()
}

func TestUseAfterClose(t *testing.T) {
	var r recorder
	c := New[*payload]("t")
	reg, err := c.Use(Before("x", nop), Observe("r", r.observe))
	must(t, err)
	s, err := c.Scope(Before("s", nop))
	must(t, err)
	h, sh := c.Then(nop), s.Then(nop)
	must(t, c.Close(bg))
	must(t, c.Close(bg))
	for what, f := range map[string]func() error{
		"call":                 func() error { _, err := h(bg, &payload{}); return err },
		"call of the scope":    func() error { _, err := sh(bg, &payload{}); return err },
		"call of a later Then": func() error { _, err := c.Then(nop)(bg, &payload{}); return err },
		"Use":                  func() error { _, err := c.Use(Before("y", nop)); return err },
		"Use of the scope":     func() error { _, err := s.Use(Before("y", nop)); return err },
		"Scope":                func() error { _, err := c.Scope(); return err },
		"Reload":               func() error { return c.Reload(Before("y", nop)) },
		"Replace":              func() error { return reg.Replace(Before("y", nop)) },
	} {
		if err := f(); !errors.Is(err, ErrClosed) || !strings.HasPrefix(err.Error(), "chain t: ") {
			t.Errorf("%s: got %v", what, err)
		}
	}
	for _, o := range r.seen {
		is(t, o.Err, ErrClosed)
		eq(t, "verdict", o.Verdict, Failed)
	}
	reg.Remove()
	_ = c.Explain().String()
	if err := New[*payload]("t").Close(noContext); err == nil {
		t.Error("Close took a nil context")
	}
}

func TestClosedScope(t *testing.T) {
	c := newChain(t, Before("p", nop))
	s, err := c.Scope()
	must(t, err)
	h := s.Then(nop)
	must(t, s.Close(bg))
	_, err = h(bg, &payload{})
	is(t, err, ErrClosed)
	_, err = c.Then(nop)(bg, &payload{})
	must(t, err)
}

func TestCloseLetsCallsInFlightEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := make(chan struct{})
		c := New[*payload]("t")
		_, err := c.Use(After("x", add("x")))
		must(t, err)
		h := c.Then(func(_ context.Context, p *payload) (*payload, error) { <-in; return p, nil })
		got := make(chan string, 1)
		go func() { out, _ := h(bg, &payload{}); got <- out.text }()
		synctest.Wait()
		must(t, c.Close(bg))
		close(in)
		eq(t, "text", <-got, "x")
	})
}

func TestPassPanic(t *testing.T) {
	abort := errors.New("abort") // as http.ErrAbortHandler
	panicking := func(context.Context, *payload) (*payload, error) { panic(abort) }
	for _, tc := range []struct {
		name    string
		links   []Link[*payload]
		handler Handler[*payload]
	}{
		{"no links", nil, panicking},
		{"handler within hooks", []Link[*payload]{Before("b", nop), After("a", nop)}, panicking},
		{"handler within Arounds", []Link[*payload]{Before("b", nop), Around("a", passOn), Around("open", passOn, OnFailure(Ignore)), Around("o", passOn, Outer())}, panicking},
		{"handler within a shadow", []Link[*payload]{Around("s", passOn, InMode(Audit))}, panicking},
		{"hook", []Link[*payload]{Before("x", panicking)}, nop},
		{"open hook", []Link[*payload]{Before("x", panicking, OnFailure(Ignore))}, nop},
		{"hook in Transform", []Link[*payload]{Before("x", panicking, InMode(Transform))}, nop},
		{"After", []Link[*payload]{After("x", panicking)}, nop},
		{"Around", []Link[*payload]{Around("x", answer(panicking)), Around("o", passOn, Outer())}, nop},
		{"Around that asks its breaker", []Link[*payload]{Around("x", answer(panicking), Breaker(alwaysAsk))}, nop},
	} {
		t.Run("behaviour 20: "+tc.name, func(t *testing.T) {
			var r recorder
			c := newChainWith(t, Config[*payload]{PassPanic: func(v any) bool { return v == abort }}, append(tc.links, Observe("r", r.observe))...)
			h := c.Then(tc.handler)
			for range 3 {
				func() {
					defer func() { eq(t, "recovered", recover(), any(abort)) }()
					_, err := h(bg, &payload{})
					t.Error("came back with", err)
				}()
			}
			eq(t, "outcomes", len(r.seen), 3)
			for _, o := range r.seen {
				is(t, o.Err, abort)
			}
			for _, l := range tc.links {
				eq(t, "failures", guardOf(t, c, l.Name()).failures.Load(), 0)
				eq(t, "armed", guardOf(t, c, l.Name()).flags.Load()&armed, 0)
			}
		})
	}
	for _, tc := range []struct {
		name string
		link Link[*payload]
	}{
		{"timed", Before("x", panicking, Timeout(1<<40))},
		{"Concurrent", Before("x", panicking, InMode(Concurrent))},
	} {
		t.Run("behaviour 20: not on the engine's own goroutines, "+tc.name, func(t *testing.T) {
			c := newChainWith(t, Config[*payload]{PassPanic: func(v any) bool { return v == abort }}, tc.link)
			_, err := c.Then(nop)(bg, &payload{})
			blamed(t, err, "x")
			is(t, err, abort)
		})
	}
	t.Run("other values, and a PassPanic that panics", func(t *testing.T) {
		c := newChainWith(t, Config[*payload]{PassPanic: func(any) bool { panic("host") }}, Before("x", panics))
		_, err := c.Then(nop)(bg, &payload{})
		blamed(t, err, "x")
	})
	t.Run("observers and background links never pass it", func(t *testing.T) {
		watch := func(context.Context, Outcome[*payload]) { panic(abort) }
		c := newChainWith(t, Config[*payload]{PassPanic: func(any) bool { return true }}, Observe("o", watch), Observe("bg", watch, InMode(FireAndForget)),
			Before("b", panicking, InMode(FireAndForget)))
		_, err := c.Then(nop)(bg, &payload{})
		must(t, err)
		must(t, c.Drain(bg))
		for _, l := range []string{"o", "bg", "b"} {
			eq(t, "failures of "+l, guardOf(t, c, l).failures.Load(), 1)
		}
	})
}

func TestPassPanicOfAProbe(t *testing.T) {
	// behaviour 24: a half-open probe that ends in a panic of the host's gives its place back at once
	abort := errors.New("abort")
	for _, kind := range []string{"hook", "link", "handler"} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				phase := "fail"
				run := func(_ context.Context, p *payload) (*payload, error) {
					switch phase {
					case "fail":
						return nil, errOwn
					case "abort":
						panic(abort)
					}
					return p, nil
				}
				link, handler := Before("x", run), nop
				switch kind {
				case "link":
					link = Around("x", answer(run))
				case "handler":
					link = Around("x", around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
						if phase == "fail" {
							return nil, errOwn
						}
						return next(ctx, p)
					}))
					handler = run
				}
				c := newChainWith(t, Config[*payload]{PassPanic: func(v any) bool { return v == abort }}, link)
				h := c.Then(handler)
				for range 6 {
					_, _ = h(bg, &payload{})
				}
				time.Sleep(time.Minute + 1)
				phase = "abort"
				func() {
					defer func() { eq(t, "recovered", recover(), any(abort)) }()
					_, _ = h(bg, &payload{})
				}()
				phase = "ok"
				_, err := h(bg, &payload{})
				must(t, err)
				eq(t, "state", guardOf(t, c, "x").State(), gobreaker.StateClosed)
			})
		})
	}
}
