package chain

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// around writes a Middleware without its outermost closure.
func around(f func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error)) Middleware[*payload] {
	return func(next Handler[*payload]) Handler[*payload] {
		return func(ctx context.Context, p *payload) (*payload, error) { return f(ctx, p, next) }
	}
}

func TestShortCircuit(t *testing.T) {
	for _, tc := range []struct {
		name string
		opts []Option
		want string
	}{
		{"behaviour 7: Inner", nil, "outer> before inner> <inner after <outer observe"},
		{"behaviour 7: Outer", []Option{Outer()}, "outer> <outer observe"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var s steps
			var r recorder
			c := newChain(t, Around("outer", s.around("outer"), Outer(), Priority(1)), Before("before", s.hook("before")),
				Around("inner", s.around("inner"), Priority(1)), Around("cache", answer(add("cached")), tc.opts...), After("after", s.hook("after")),
				Observe("observe", s.observer("observe")), Observe("r", r.observe))
			out, err := c.Then(panics)(bg, &payload{})
			must(t, err)
			eq(t, "result", out.text, "cached")
			eq(t, "steps", s.take(), tc.want)
			eq(t, "link", r.only(t).Link, "cache")
			eq(t, "answered", r.only(t).Answered, false)
			eq(t, "payload", r.only(t).Payload, out)
		})
	}
}

func TestRetryRunsWhatItWrapsAgain(t *testing.T) {
	retry := around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
		out, err := next(ctx, p)
		if err != nil {
			out, err = next(ctx, p)
		}
		return out, err
	})
	for _, tc := range []struct {
		name string
		opts []Option
		want string
	}{
		{"behaviour 8: Inner", nil, "before handler handler after observe"},
		{"behaviour 8: Outer", []Option{Outer()}, "before handler before handler after observe"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var s steps
			var r recorder
			c := newChain(t, Around("retry", retry, tc.opts...), Before("before", s.hook("before")), After("after", s.hook("after")),
				Observe("observe", s.observer("observe")), Observe("r", r.observe))
			n := 0
			h := c.Then(func(_ context.Context, p *payload) (*payload, error) {
				s.add("handler")
				if n++; n%2 == 1 {
					return nil, errBackend
				}
				return p, nil
			})
			for range 20 {
				in := &payload{}
				out, err := h(bg, in)
				must(t, err)
				eq(t, "result", out, in)
				eq(t, "steps", s.take(), tc.want)
			}
			eq(t, "outcomes", len(r.seen), 20)
			healthyLinks(t, c, "retry")
		})
	}
}

func TestFailOpenAround(t *testing.T) {
	detached := func(ctx context.Context) context.Context { return context.Background() }
	same := func(ctx context.Context) context.Context { return ctx }
	nextThen := func(times int, to func(context.Context) context.Context, h Handler[*payload]) Middleware[*payload] {
		return around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			for range times {
				_, _ = next(to(ctx), p.with("rewritten"))
			}
			return h(ctx, p)
		})
	}
	nilResult := func(context.Context, *payload) (*payload, error) { return nil, nil }
	type want struct {
		calls int
		saw   string // the payload of the handler's last call
		err   error
	}
	for _, tc := range []struct {
		name    string
		mw      Middleware[*payload]
		handler error
		want    want
	}{
		{"behaviour 22: error before next", answer(fail(errOwn)), nil, want{1, "original", nil}},
		{"behaviour 22: panic before next", answer(panics), nil, want{1, "original", nil}},
		{"behaviour 22: nil result before next", answer(nilResult), nil, want{1, "original", nil}},
		{"behaviour 22: error before next, next fails", answer(fail(errOwn)), errBackend, want{1, "original", errBackend}},
		{"behaviour 22: error after next", nextThen(1, same, fail(errOwn)), nil, want{1, "rewritten", nil}},
		{"behaviour 22: panic after next", nextThen(1, same, panics), nil, want{1, "rewritten", nil}},
		{"behaviour 22: nil result after next", nextThen(1, same, nilResult), nil, want{1, "rewritten", nil}},
		{"behaviour 22: panic after next failed", nextThen(1, same, panics), errBackend, want{1, "rewritten", errBackend}},
		{"behaviour 22: panic after two nexts", nextThen(2, same, panics), nil, want{2, "rewritten", nil}},
		{"behaviour 22: panic after two failed nexts", nextThen(2, same, panics), errBackend, want{2, "rewritten", errBackend}},
		{"behaviour 22: panic after a detached next", nextThen(1, detached, panics), nil, want{1, "rewritten", errAny}},
		{
			"behaviour 22: panic after a next with a nil context", nextThen(1, func(context.Context) context.Context { return nil }, panics), nil,
			want{1, "rewritten", errAny},
		},
	} {
		for _, opts := range [][]Option{{OnFailure(Ignore)}, {OnFailure(Ignore), Outer()}, {OnFailure(Ignore), Breaker(alwaysAsk)}} {
			t.Run(fmt.Sprint(tc.name, len(opts)), func(t *testing.T) {
				for _, others := range [][]Link[*payload]{nil, {Around("around", passOn, Priority(1)), Around("inside", passOn, Priority(99)), Before("b", nop)}} {
					c := newChain(t, append(others, Around("x", tc.mw, opts...))...)
					calls, saw := 0, ""
					in := &payload{text: "original"}
					result := &payload{text: "result"}
					h := c.Then(func(_ context.Context, p *payload) (*payload, error) {
						calls++
						saw = p.text
						if saw == "original" {
							eq(t, "identical", p, in)
						}
						return result, tc.handler
					})
					out, err := h(bg, in)
					eq(t, "handler calls", calls, tc.want.calls)
					eq(t, "handler saw", saw, tc.want.saw)
					eq(t, "failures", guardOf(t, c, "x").failures.Load(), 1)
					switch tc.want.err {
					case nil:
						must(t, err)
						eq(t, "result", out, result)
					case errAny: // cannot know whether next ran in this call, so it fails closed
						blamed(t, err, "x")
					default:
						eq(t, "error", err, tc.want.err)
					}
				}
			})
		}
	}
}

var errAny = errors.New("any error will do")

func TestNextAfterBypassIsRefused(t *testing.T) {
	// A timeout of the link's own leaves a goroutine behind, which calls next when the engine has gone on without the link.
	release, late := make(chan struct{}), make(chan error, 1)
	c := newChain(t, Around("x", around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
		go func() { <-release; _, err := next(ctx, p); late <- err }()
		return nil, errOwn
	}), OnFailure(Ignore)))
	var calls atomic.Int32
	_, err := c.Then(func(_ context.Context, p *payload) (*payload, error) { calls.Add(1); return p, nil })(bg, &payload{})
	must(t, err)
	close(release)
	err = <-late
	is(t, err, ErrNextTooLate)
	blamed(t, err, "x")
	eq(t, "behaviour 22: handler calls", calls.Load(), 1)
}

func TestBypassWhileNextIsRunning(t *testing.T) {
	// behaviour 22: next is never called for the second time, so that the call cannot go on without the link
	release, done := make(chan struct{}), make(chan struct{})
	started := make(chan struct{})
	c := newChain(t, Around("x", around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
		go func() { defer close(done); _, _ = next(ctx, p) }()
		<-started
		return nil, errOwn
	}), OnFailure(Ignore)))
	var calls atomic.Int32
	_, err := c.Then(func(_ context.Context, p *payload) (*payload, error) {
		calls.Add(1)
		close(started)
		<-release
		return p, nil
	})(bg, &payload{})
	blamed(t, err, "x")
	close(release)
	<-done
	eq(t, "handler calls", calls.Load(), 1)
}

func TestNextWithBadArguments(t *testing.T) {
	for name, opts := range map[string][]Option{"closed": nil, "open": {OnFailure(Ignore)}, "outer": {Outer()}, "shadow": {InMode(Audit)}} {
		t.Run("nil context, "+name, func(t *testing.T) {
			c := newChain(t, Before("b", nop), Around("in", passOn, Priority(99)), Around("x", around(func(_ context.Context, p *payload, next Handler[*payload]) (*payload, error) {
				return next(nil, p)
			}), opts...))
			out, err := c.Then(func(ctx context.Context, p *payload) (*payload, error) {
				if ctx == nil {
					t.Error("the handler got a nil context")
				}
				return p, nil
			})(bg, &payload{text: "in"})
			must(t, err)
			eq(t, "result", out.text, "in")
		})
		if name == "shadow" {
			continue
		}
		t.Run("nil payload, "+name, func(t *testing.T) {
			called := 0
			c := newChain(t, Before("b", nop), Around("x", around(func(ctx context.Context, _ *payload, next Handler[*payload]) (*payload, error) {
				return next(ctx, nil)
			}), opts...))
			_, err := c.Then(func(_ context.Context, p *payload) (*payload, error) {
				called++
				if p == nil {
					t.Error("the handler got a nil payload")
				}
				return p, nil
			})(bg, &payload{})
			if name == "open" {
				must(t, err)
				eq(t, "calls", called, 1)
			} else {
				is(t, err, ErrNilPayload)
				blamed(t, err, "x")
			}
			eq(t, "failures", guardOf(t, c, "x").failures.Load(), 1)
		})
	}
}

func TestHedgedNext(t *testing.T) {
	hedge := around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
		type result struct {
			p   *payload
			err error
		}
		ch := make(chan result, 2)
		for range 2 {
			go func() { out, err := next(ctx, p); ch <- result{out, err} }()
		}
		<-ch
		r := <-ch
		return r.p, r.err
	})
	for _, fails := range []bool{false, true} {
		t.Run(fmt.Sprint("fails: ", fails), func(t *testing.T) {
			var hooks, calls atomic.Int32
			var r recorder
			c := newChain(t, Around("outer", hedge, Outer()), Before("h", func(_ context.Context, p *payload) (*payload, error) { hooks.Add(1); return p.with("h"), nil }),
				Around("open", passOn, OnFailure(Ignore)), Around("shadow", passOn, InMode(Audit)), Around("inner", hedge), Observe("o", r.observe))
			h := c.Then(func(_ context.Context, p *payload) (*payload, error) {
				calls.Add(1)
				if fails {
					return nil, errBackend
				}
				return p, nil
			})
			for range 100 {
				out, err := h(bg, &payload{})
				if fails {
					eq(t, "error", err, errBackend)
				} else {
					must(t, err)
					eq(t, "text", out.text, "h")
				}
			}
			eq(t, "behaviour 8: hooks", hooks.Load(), 200)
			eq(t, "behaviour 8: handler calls", calls.Load(), 400)
			eq(t, "behaviour 8: outcomes", len(r.seen), 100)
			healthyLinks(t, c, "outer", "h", "open", "shadow", "inner")
		})
	}
}

func TestHedgeLeftBehind(t *testing.T) {
	// The first answer wins; the other next ends when the call is long over, and disturbs nobody.
	synctest.Test(t, func(t *testing.T) {
		first := around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			ch := make(chan *payload, 2)
			for range 2 {
				go func() { out, _ := next(ctx, p); ch <- out }()
			}
			return <-ch, nil
		})
		var n atomic.Int32
		var r recorder
		c := newChain(t, Around("hedge", first, Outer(), OnFailure(Ignore)), Before("b", add("!")), Around("in", passOn, OnFailure(Ignore)), Observe("r", r.observe))
		h := c.Then(func(_ context.Context, p *payload) (*payload, error) {
			if n.Add(1)%2 == 0 {
				time.Sleep(time.Hour)
				return p.with("partial"), errBackend
			}
			return p, nil
		})
		for range 5 {
			out, err := h(bg, &payload{})
			must(t, err)
			eq(t, "text", out.text, "!")
			synctest.Wait()
		}
		time.Sleep(2 * time.Hour)
		eq(t, "outcomes", len(r.seen), 5)
		healthyLinks(t, c, "hedge", "b", "in")
	})
}

func TestMiddlewareThatCannotBeApplied(t *testing.T) {
	for name, mw := range map[string]Middleware[*payload]{
		"panics":      func(Handler[*payload]) Handler[*payload] { panic("factory") },
		"returns nil": func(Handler[*payload]) Handler[*payload] { return nil },
		"calls next": func(next Handler[*payload]) Handler[*payload] {
			if _, err := next(bg, &payload{}); err != nil {
				panic(err)
			}
			return next
		},
	} {
		for _, opts := range [][]Option{nil, {OnFailure(Ignore)}, {InMode(Audit)}} {
			t.Run(fmt.Sprint(name, len(opts)), func(t *testing.T) {
				calls := 0
				c := newChain(t, Around("ok", passOn))
				h := c.Then(func(_ context.Context, p *payload) (*payload, error) { calls++; return p, nil })
				reg, err := c.Use(Around("x", mw, opts...))
				must(t, err)
				for range 3 {
					_, err = h(bg, &payload{})
					if len(opts) == 0 {
						blamed(t, err, "x")
					} else {
						must(t, err)
					}
				}
				eq(t, "failures", guardOf(t, c, "x").failures.Load(), 3)
				healthyLinks(t, c, "ok")
				reg.Remove()
				calls = 0
				_, err = h(bg, &payload{})
				must(t, err)
				eq(t, "calls", calls, 1)
			})
		}
	}
	t.Run("calls Goexit", func(t *testing.T) {
		c := newChain(t, Around("ok", passOn))
		h := c.Then(nop)
		_, err := c.Use(Around("x", func(Handler[*payload]) Handler[*payload] { goexits(bg, nil); return nil })) //nolint:errcheck // never returns
		must(t, err)
		apartFrom(func() { _, _ = h(bg, &payload{}) })
		apartFrom(func() { _, err = h(bg, &payload{}) })
		blamed(t, err, "x")
		healthyLinks(t, c, "ok")
	})
}

func TestManyArounds(t *testing.T) {
	// more than fit into a frame's own allocation
	for _, opts := range [][]Option{nil, {OnFailure(Ignore)}, {Outer()}} {
		links, names := numbered(3*inlineSlots, around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			return next(ctx, p.with(p.text+"."))
		}), opts...)
		c := newChain(t, links...)
		h := c.Then(func(_ context.Context, p *payload) (*payload, error) {
			if p.text != strings.Repeat(".", 3*inlineSlots) {
				return nil, errOwn
			}
			return nil, errBackend
		})
		for range 10 {
			_, err := h(bg, &payload{})
			eq(t, "error", err, errBackend)
		}
		healthyLinks(t, c, names...)
	}
}

func TestInstancesSurviveChangesOfThePlan(t *testing.T) {
	var applied atomic.Int32
	counting := func(next Handler[*payload]) Handler[*payload] {
		applied.Add(1)
		n := 0 // the state
		return func(ctx context.Context, p *payload) (*payload, error) {
			n++
			out, err := next(ctx, p)
			if err != nil {
				return nil, err
			}
			return out.with(fmt.Sprint(n)), nil
		}
	}
	counter := Around("count", counting)
	c := newChain(t)
	must(t, c.Reload(counter))
	h := c.Then(nop)
	call := func(what, want string) {
		t.Helper()
		out, err := h(bg, &payload{})
		must(t, err)
		eq(t, "behaviour 27b: state after "+what, out.text, want)
	}
	call("the first call", "1")
	reg, err := c.Use(Around("other", passOn, Outer()), Around("another", passOn, Priority(1)), Before("b", nop))
	must(t, err)
	call("Use", "2")
	must(t, reg.Replace(Around("other", passOn)))
	call("Replace of others", "3")
	reg.Remove()
	call("Remove", "4")
	must(t, c.Reload(Around("new", passOn, Priority(1)), counter))
	call("a reload with the same Link", "5")
	eq(t, "behaviour 27b: applied", applied.Load(), 1)

	other := c.Then(nop)
	out, err := other(bg, &payload{})
	must(t, err)
	eq(t, "each Then has its own", out.text, "1")

	must(t, c.Reload(Around("count", counting)))
	call("a reload with another Link of the same name", "1")
}

func TestSameLinkInParentAndScope(t *testing.T) {
	n := 0
	l := Around("x", around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
		n++
		return next(ctx, p.with(p.text+"x"))
	}))
	c := newChain(t, l)
	s, err := c.Scope(l)
	must(t, err)
	h := s.Then(nop)
	for range 3 {
		out, err := h(bg, &payload{})
		must(t, err)
		eq(t, "behaviour 28: both run", out.text, "xx")
	}
	eq(t, "runs", n, 6)
	_, err = s.Then(fail(errBackend))(bg, &payload{})
	eq(t, "error", err, errBackend)
	healthyLinks(t, s, "x")
}

// behaviour 23: ten links, a thousand errors that are not theirs: every breaker closed, no flag set.
func TestForeignErrorsBlameNoLink(t *testing.T) {
	translate := around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
		out, err := next(ctx, p)
		if err != nil {
			return nil, errors.New("unavailable: " + err.Error()) // the chain of causes is cut
		}
		return out, nil
	})
	with := func(to func(context.Context) (context.Context, context.CancelFunc)) Middleware[*payload] {
		return around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			ctx, cancel := to(ctx)
			defer cancel()
			return next(ctx, p)
		})
	}
	none := func() {}
	mws := map[string]Middleware[*payload]{
		"verbatim":   passOn,
		"translated": translate,
		"wrapped": around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			out, err := next(ctx, p)
			if err != nil {
				return nil, fmt.Errorf("wrapped: %w", err)
			}
			return out, nil
		}),
		"derived ctx": with(func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Hour)
		}),
		"detached ctx": with(func(context.Context) (context.Context, context.CancelFunc) { return context.Background(), none }),
		"nil ctx":      with(func(context.Context) (context.Context, context.CancelFunc) { return nil, none }),
		"uncancelled": with(func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithoutCancel(ctx), none
		}),
		"retry": around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			_, _ = next(ctx, p)
			return next(ctx, p)
		}),
		"rewriting": around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			return next(ctx, p.with("x"))
		}),
		"interceptor": intercept[*payload](func(ctx context.Context, next func(context.Context) error) error {
			return next(ctx)
		}),
		"interceptor that drops the error": intercept[*payload](func(ctx context.Context, next func(context.Context) error) error {
			_ = next(ctx)
			return nil
		}),
	}
	handlers := map[string]Handler[*payload]{
		"error":     fail(errBackend),
		"partial":   func(_ context.Context, p *payload) (*payload, error) { return p.with("partial"), errBackend },
		"violation": block("of the backend"),
		"panic":     panics,
		"nil":       func(context.Context, *payload) (*payload, error) { return nil, nil },
	}
	for name, mw := range mws {
		for what, handler := range handlers {
			for _, opts := range [][]Option{nil, {OnFailure(Ignore)}, {Outer()}} {
				if name == "retry" && what != "error" {
					continue // 2^links calls
				}
				t.Run(fmt.Sprint(name, ", ", what, len(opts)), func(t *testing.T) {
					n, rounds := 10, 1000
					switch {
					case name == "retry":
						n = 4
					case what == "panic":
						rounds = 20 // a stack is dear
					case what != "error":
						rounds = 100
					}
					links, names := numbered(n, mw, opts...)
					c := newChain(t, append(links, Before("in", nop), After("out", nop), Around("shadow", passOn, InMode(Audit)))...)
					h := c.Then(handler)
					for range rounds {
						out, err := h(bg, &payload{})
						if err == nil {
							t.Fatal("no error")
						}
						if what == "partial" && name == "verbatim" {
							eq(t, "partial output", out.text, "partial")
						}
						if what != "error" {
							continue
						}
						switch name {
						case "verbatim", "derived ctx", "detached ctx", "nil ctx", "uncancelled", "retry", "rewriting", "interceptor":
							eq(t, "behaviour 23: the identical error", err, errBackend)
						case "wrapped":
							is(t, err, errBackend)
						}
					}
					healthyLinks(t, c, append(names, "in", "out", "shadow")...)
				})
			}
		}
	}
}

func TestOtherErrorsThatBlameNoLink(t *testing.T) {
	t.Run("behaviour 23: violations of its own", func(t *testing.T) {
		c := newChain(t, Before("b", block("no")), Around("o", answer(block("no")), Outer()))
		for _, h := range []Handler[*payload]{c.Then(nop)} {
			for range 1000 {
				_, err := h(bg, &payload{})
				blockedBy(t, err, "o")
			}
		}
		must(t, c.Reload())
		healthyLinks(t, c, "b", "o")
	})
	t.Run("behaviour 23: a cancelled context", func(t *testing.T) {
		links, names := numbered(10, around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			if _, err := next(ctx, p); err != nil {
				return nil, errOwn
			}
			return nil, ctx.Err()
		}))
		c := newChain(t, append(links, Before("b", nop), After("a", func(ctx context.Context, p *payload) (*payload, error) { return p, ctx.Err() }))...)
		for range 100 {
			ctx, cancel := context.WithCancel(bg)
			_, err := c.Then(func(_ context.Context, p *payload) (*payload, error) { cancel(); return p, nil })(ctx, &payload{})
			if err == nil {
				t.Fatal("no error")
			}
		}
		for _, name := range append(names, "a", "b") {
			g := guardOf(t, c, name)
			eq(t, name+": on the breaker's record", g.cb.Counts().TotalFailures, 0)
			eq(t, name+": flags", g.flags.Load(), 0)
		}
	})
	t.Run("behaviour 23: an error of another call's next (singleflight)", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			var flight chan struct{}
			var result error
			flights := 0
			c := newChain(t, Around("flight", around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
				mu.Lock()
				if f := flight; f != nil {
					mu.Unlock()
					<-f
					return nil, fmt.Errorf("shared: %w", result)
				}
				f := make(chan struct{})
				flight = f
				flights++
				mu.Unlock()
				_, result = next(ctx, p)
				mu.Lock()
				flight = nil
				mu.Unlock()
				close(f)
				return nil, result
			})))
			h := c.Then(func(context.Context, *payload) (*payload, error) { time.Sleep(time.Second); return nil, errBackend })
			for range 20 {
				var wg sync.WaitGroup
				for range 20 {
					wg.Go(func() { _, err := h(bg, &payload{}); is(t, err, errBackend) })
				}
				wg.Wait()
			}
			eq(t, "flights", flights, 20)
			healthyLinks(t, c, "flight")
		})
	})
	t.Run("an error that next returned long ago is the link's own by now", func(t *testing.T) {
		var kept error
		c := newChain(t, Around("x", around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			if kept == nil {
				_, kept = next(ctx, p)
			}
			return nil, kept
		})))
		h := c.Then(fail(errBackend))
		for range 4 {
			_, err := h(bg, &payload{})
			is(t, err, errBackend)
		}
		eq(t, "failures", guardOf(t, c, "x").failures.Load(), 3)
	})
}

func TestOwnErrorsAreBlamed(t *testing.T) {
	// The other side of behaviour 23: what is the link's own is not excused.
	for _, tc := range []struct {
		name    string
		mw      Middleware[*payload]
		handler Handler[*payload]
	}{
		{"instead of next", answer(fail(errOwn)), nop},
		{"after a next that succeeded", afterNext(fail(errOwn)), nop},
		{"panic after a next that failed", afterNext(panics), fail(errBackend)},
		{"after a retry that succeeded", around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			if _, err := next(ctx, p.with("fail")); err == nil {
				return p, nil
			}
			_, _ = next(ctx, p)
			return nil, errOwn
		}), func(_ context.Context, p *payload) (*payload, error) {
			if p.text == "fail" {
				return nil, errBackend
			}
			return p, nil
		}},
		{"nil result", answer(func(context.Context, *payload) (*payload, error) { return nil, nil }), nop},
		{"interceptor without next", intercept[*payload](func(context.Context, func(context.Context) error) error { return nil }), nop},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newChain(t, Around("x", tc.mw), Around("ok", passOn))
			h := c.Then(tc.handler)
			for range 3 {
				_, err := h(bg, &payload{})
				blamed(t, err, "x")
			}
			eq(t, "on the breaker's record", guardOf(t, c, "x").cb.Counts().ConsecutiveFailures, 3)
			healthyLinks(t, c, "ok")
		})
	}
}
