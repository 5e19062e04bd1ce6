package chain

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

const passes = "the host's own"

func passPanic(v any) bool { return v == passes }

func panicsThrough(context.Context, *payload) (*payload, error) { panic(passes) }

// leavers are the ways not to come back.
var leavers = map[string]Handler[*payload]{"Goexit": goexits, "passed panic": panicsThrough, "panic": panics}

// ended runs f where neither a Goexit nor a panic ends the test, and fails when it does not end.
func ended(t testing.TB, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = recover() }()
		f()
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second): // only when it fails
		t.Fatalf("%s: stuck", what)
	}
}

// places are where a function may stand in a call. handler says whether the handler runs all the same.
func places(h Handler[*payload]) []struct {
	name    string
	link    *Link[*payload] // nil: h is the handler
	handler bool
} {
	at := func(l Link[*payload]) *Link[*payload] { return &l }
	return []struct {
		name    string
		link    *Link[*payload]
		handler bool
	}{
		{"handler", nil, true},
		{"Before", at(Before("x", h)), false},
		{"After", at(After("x", h)), true},
		{"timed Before", at(Before("x", h, Timeout(time.Hour))), false},
		{"timed After", at(After("x", h, Timeout(time.Hour))), true},
		{"asking Before", at(Before("x", h, Breaker(alwaysAsk))), false},
		{"asking After", at(After("x", h, Breaker(alwaysAsk))), true},
		{"Concurrent", at(Before("x", h, InMode(Concurrent))), false},
		{"Around before next", at(Around("x", answer(h))), false},
		{"Around after next", at(Around("x", afterNext(h))), true},
		{"asking Around after next", at(Around("x", afterNext(h), Breaker(alwaysAsk))), true},
		{"Outer after next", at(Around("x", afterNext(h), Outer())), true},
	}
}

func TestOutcomeOfACallThatNobodyComesBackFrom(t *testing.T) {
	// whatever ends the call, observers see the payload as the last link left it: after the redaction
	for how, h := range leavers {
		for _, place := range places(h) {
			for _, traced := range []bool{false, true} {
				for _, around := range []bool{false, true} {
					t.Run(fmt.Sprintf("A3: %s in %s, traced %v, around %v", how, place.name, traced, around), func(t *testing.T) {
						var r recorder
						cfg := Config[*payload]{PassPanic: passPanic}
						if traced {
							cfg.Tracer = new(tracer)
						}
						redact := func(_ context.Context, p *payload) (*payload, error) { return p.with("redacted"), nil }
						c := newChainWith(t, cfg, Before("redact", redact, Priority(1)), Observe("r", r.observe))
						if around {
							_, err := c.Use(Around("around", passOn))
							must(t, err)
						}
						call := c.Then(func(_ context.Context, p *payload) (*payload, error) {
							q := *p
							q.out = "answer"
							return &q, nil
						})
						if place.link == nil {
							call = c.Then(h)
						} else {
							_, err := c.Use(*place.link)
							must(t, err)
						}
						ended(t, "the call", func() { _, _ = call(bg, &payload{text: "secret"}) })
						o := r.only(t)
						if o.Payload == nil {
							t.Fatal("no payload")
						}
						eq(t, "payload", o.Payload.text, "redacted")
						eq(t, "answered", o.Answered, place.handler)
						eq(t, "verdict", o.Verdict, Failed)
						if strings.HasSuffix(place.name, "After") {
							eq(t, "output", o.Payload.out, "answer")
						}
					})
				}
			}
		}
	}
}

func TestPayloadOfACallThatAnAroundRewrote(t *testing.T) {
	for how, h := range leavers {
		t.Run("A3: "+how, func(t *testing.T) {
			var r recorder
			c := newChainWith(t, Config[*payload]{PassPanic: passPanic}, Before("b", add("b")),
				Around("x", around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
					return next(ctx, p.with(p.text+"x"))
				})), Observe("r", r.observe))
			call := c.Then(h)
			ended(t, "the call", func() { _, _ = call(bg, &payload{}) })
			eq(t, "payload", r.only(t).Payload.text, "bx")
			eq(t, "answered", r.only(t).Answered, true)
			eq(t, "link", r.only(t).Link, "")
		})
	}
}

// spans counts what a Tracer is told. Safe for concurrent use.
type spans struct{ started, ended atomic.Int64 }

func (*spans) Sample(context.Context) bool { return true }

func (s *spans) LinkStart(ctx context.Context, _ Traced) context.Context {
	s.started.Add(1)
	return ctx
}

func (s *spans) LinkEnd(context.Context, Traced, error) { s.ended.Add(1) }

func TestEverySpanEnds(t *testing.T) {
	for how, h := range leavers {
		all := places(h)
		for _, l := range []Link[*payload]{
			Before("x", h, InMode(FireAndForget)), Before("x", h, InMode(FireAndForget), Timeout(time.Hour)), Before("x", h, InMode(Audit)),
			Before("x", h, InMode(Concurrent), OnFailure(Ignore)), Around("x", answer(h), InMode(Audit)), Around("x", afterNext(h), InMode(Audit), Outer()),
		} {
			all = append(all, struct {
				name    string
				link    *Link[*payload]
				handler bool
			}{fmt.Sprint(l.Kind(), " in ", l.mode, l.timeout, l.outer), &l, true})
		}
		for _, place := range all {
			t.Run(fmt.Sprintf("B14: %s in %s", how, place.name), func(t *testing.T) {
				var s spans
				links := []Link[*payload]{
					Around("outer", passOn, Outer(), Priority(1)), Before("b", nop, Priority(1)), Around("inner", passOn, Priority(1)), Around("open", passOn, OnFailure(Ignore)),
					Around("shadow", passOn, InMode(Audit)), After("a", nop),
				}
				handler := h
				if place.link != nil {
					links, handler = append(links, *place.link), nop
				}
				c := newChainWith(t, Config[*payload]{PassPanic: passPanic, Tracer: &s}, links...)
				call := c.Then(handler)
				ended(t, "the call", func() { _, _ = call(bg, &payload{}) })
				must(t, c.Drain(bg))
				eq(t, "ended", s.ended.Load(), s.started.Load())
				if s.started.Load() == 0 {
					t.Error("nothing started")
				}
			})
		}
	}
}

func TestNoPanicPassesOutOfAShadow(t *testing.T) {
	for name, mw := range map[string]Middleware[*payload]{"before next": answer(panicsThrough), "after next": afterNext(panicsThrough)} {
		for _, opts := range [][]Option{{InMode(Audit)}, {InMode(Audit), Outer()}} {
			for _, traced := range []bool{false, true} {
				t.Run(fmt.Sprint("B5: ", name, len(opts), traced), func(t *testing.T) {
					cfg := Config[*payload]{PassPanic: passPanic}
					if traced {
						cfg.Tracer = new(spans)
					}
					c := newChainWith(t, cfg, Around("x", mw, opts...))
					in := &payload{}
					out, err := c.Then(nop)(bg, in)
					must(t, err)
					eq(t, "result", out, in)
					eq(t, "failures", guardOf(t, c, "x").failures.Load(), 1)
				})
			}
		}
	}
}

// A Goexit on a goroutine of the engine's own, or in an observer, is a failure like any other.
func TestGoexitHasItsFailurePolicy(t *testing.T) {
	exits := func(context.Context, Outcome[*payload]) { goexits(bg, nil) } //nolint:errcheck // never returns
	for _, tc := range []struct {
		name string
		make func(opts ...Option) Link[*payload]
	}{
		{"background", func(opts ...Option) Link[*payload] {
			return Before("x", goexits, append(opts, InMode(FireAndForget))...)
		}},
		{"timed in the background", func(opts ...Option) Link[*payload] {
			return Before("x", goexits, append(opts, InMode(FireAndForget), Timeout(time.Hour))...)
		}},
		{"After in the background", func(opts ...Option) Link[*payload] {
			return After("x", goexits, append(opts, InMode(FireAndForget))...)
		}},
		{"observer", func(opts ...Option) Link[*payload] { return Observe("x", exits, opts...) }},
		{"timed observer", func(opts ...Option) Link[*payload] { return Observe("x", exits, append(opts, Timeout(time.Hour))...) }},
		{"observer in the background", func(opts ...Option) Link[*payload] {
			return Observe("x", exits, append(opts, InMode(FireAndForget))...)
		}},
		{"OnError in the background", func(opts ...Option) Link[*payload] {
			return OnError("x", exits, append(opts, InMode(FireAndForget))...)
		}},
	} {
		for policy, runs := range map[Failure]int64{Disable: 1, Ignore: 3} {
			t.Run(fmt.Sprint("B10: ", tc.name, ", ", policy), func(t *testing.T) {
				core, logs := observer.New(zap.DebugLevel)
				c := newChainWith(t, Config[*payload]{Logger: zap.New(core)}, tc.make(OnFailure(policy)))
				h := c.Then(fail(errBackend))
				if !strings.HasPrefix(tc.name, "OnError") {
					h = c.Then(nop)
				}
				for range 3 {
					ended(t, "the call", func() { _, _ = h(bg, &payload{}) })
					must(t, c.Drain(bg))
				}
				s, _ := c.Stats().Link("x")
				eq(t, "failures, ignored", [2]int64{s.Failures, s.Ignored}, [2]int64{runs, runs})
				eq(t, "off", s.State == "off", policy == Disable)
				eq(t, "logged", int64(logs.FilterMessageSnippet("link failed").Len()), runs)
			})
		}
	}
}

func TestGoexitOfAnInlineObserver(t *testing.T) {
	// the observers behind it are told all the same, once each
	var s steps
	c := newChain(t, Observe("first", s.observer("first")), Observe("exits", func(context.Context, Outcome[*payload]) {
		s.add("exits")
		goexits(bg, nil) //nolint:errcheck // never returns
	}, TripAfter(9)), Observe("third", s.observer("third")), Observe("exits too", func(context.Context, Outcome[*payload]) {
		s.add("exits too")
		goexits(bg, nil) //nolint:errcheck // never returns
	}, TripAfter(9)), Observe("last", s.observer("last")))
	h := c.Then(nop)
	for range 3 {
		ended(t, "the call", func() { _, _ = h(bg, &payload{}) })
		eq(t, "told", s.take(), "first exits third exits too last")
	}
	healthyLinks(t, c, "first", "third", "last")
}

func TestVerdictOfACallThatWasCancelledToo(t *testing.T) {
	// a hard timeout, a panic and a Goexit are failures, also when the caller has gone meanwhile
	hang := func(context.Context, *payload) (*payload, error) { time.Sleep(time.Hour); return nil, errOwn }
	for _, tc := range []struct {
		name    string
		link    Link[*payload]
		handler Handler[*payload]
		want    Verdict
	}{
		{"hard timeout", Before("x", hang, Timeout(time.Second)), nop, Failed},
		{"panic of a link", Before("x", panics), nop, Failed},
		{"panic of the handler", Before("x", nop), panics, Failed},
		{"Goexit", Before("x", goexits, InMode(Concurrent)), nop, Failed},
		{"an error", Before("x", fail(errOwn)), nop, Canceled},
		{"an error of the handler", Before("x", nop), fail(errBackend), Canceled},
		{"a block", Before("x", block("no")), nop, Blocked},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var r recorder
				ctx, cancel := context.WithCancel(bg)
				c := newChain(t, tc.link, Around("outer", around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
					defer cancel()
					return next(ctx, p)
				}), Outer()), Observe("r", r.observe))
				_, err := c.Then(tc.handler)(ctx, &payload{})
				if err == nil {
					t.Error("no error")
				}
				eq(t, "verdict", r.only(t).Verdict, tc.want)
				time.Sleep(2 * time.Hour)
			})
		})
	}
}

// An Around that answers after next failed has answered.
func TestWhoAnswered(t *testing.T) {
	fallback := around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
		if out, err := next(ctx, p); err == nil {
			return out, nil
		}
		return p.with("fallback"), nil
	})
	retry := around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
		if out, err := next(ctx, p); err == nil {
			return out, nil
		}
		return next(ctx, p)
	})
	failFirst := func(n int) func() Handler[*payload] {
		return func() Handler[*payload] {
			calls := 0
			return func(_ context.Context, p *payload) (*payload, error) {
				if calls++; calls <= n {
					return nil, errBackend
				}
				return p, nil
			}
		}
	}
	for _, tc := range []struct {
		name     string
		links    []Link[*payload]
		handler  func() Handler[*payload]
		link     string
		answered bool
	}{
		{"B15: fallback", []Link[*payload]{Around("x", fallback)}, failFirst(9), "x", true},
		{"B15: fallback that was not needed", []Link[*payload]{Around("x", fallback)}, failFirst(0), "", true},
		{"B15: fallback that is watched by a policy", []Link[*payload]{Around("x", fallback, OnFailure(Ignore))}, failFirst(9), "x", true},
		{"B15: Outer fallback", []Link[*payload]{Around("x", fallback, Outer())}, failFirst(9), "x", true},
		{"B15: fallback within others", []Link[*payload]{
			Around("outer", passOn, Outer()), Around("first", passOn, Priority(1)), Around("x", fallback), Around("last", passOn, Priority(99)), Before("b", nop),
		}, failFirst(9), "x", true},
		{"B15: two fallbacks, the inner one was enough", []Link[*payload]{Around("a", fallback, Priority(1)), Around("x", fallback)}, failFirst(9), "x", true},
		{"B15: a retry that succeeded answered nothing itself", []Link[*payload]{Around("x", retry)}, failFirst(1), "", true},
		{"B15: a fallback around a retry", []Link[*payload]{Around("x", fallback, Priority(1)), Around("retry", retry)}, failFirst(9), "x", true},
		{"B15: a fallback around a block", []Link[*payload]{Around("x", fallback, Outer()), Before("b", block("no"))}, failFirst(0), "x", false},
		{"B15: a cache", []Link[*payload]{Around("x", answer(nop))}, failFirst(0), "x", false},
	} {
		for _, traced := range []bool{false, true} {
			t.Run(fmt.Sprint(tc.name, traced), func(t *testing.T) {
				var r recorder
				var cfg Config[*payload]
				if traced {
					cfg.Tracer = new(spans)
				}
				c := newChainWith(t, cfg, append(tc.links, Observe("r", r.observe))...)
				_, err := c.Then(tc.handler())(bg, &payload{})
				must(t, err)
				o := r.only(t)
				eq(t, "link", o.Link, tc.link)
				eq(t, "answered", o.Answered, tc.answered)
				eq(t, "verdict", o.Verdict, Allowed)
			})
		}
	}
}
