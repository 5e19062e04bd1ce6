package chain

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sony/gobreaker/v2"
)

func TestOutcome(t *testing.T) {
	nilResult := func(context.Context, *payload) (*payload, error) { return nil, nil }
	cancels := func(ctx context.Context, _ *payload) (*payload, error) {
		ctx.Value(ctxKey("cancel")).(context.CancelFunc)()
		return nil, ctx.Err()
	}
	var none *Violation
	inner := New[*payload]("inner")
	if _, err := inner.Use(Before("x", block("no"))); err != nil {
		t.Fatal(err)
	}
	callTwice := around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
		_, _ = next(ctx, p)
		return next(ctx, p)
	})
	detached := around(func(_ context.Context, p *payload, next Handler[*payload]) (*payload, error) {
		return next(context.Background(), p)
	})
	recovers := around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
		if out, err := next(ctx, p); err == nil {
			return out, nil
		}
		return p, nil
	})
	type want struct {
		verdict  Verdict
		link     string
		answered bool
		err      error
	}
	for _, tc := range []struct {
		name    string
		links   []Link[*payload]
		handler Handler[*payload]
		want    want
	}{
		{"no links", nil, nop, want{Allowed, "", true, nil}},
		{"allowed", []Link[*payload]{Before("x", nop), Around("a", passOn), After("y", nop)}, nop, want{Allowed, "", true, nil}},
		{"handler fails", []Link[*payload]{Before("x", nop)}, fail(errBackend), want{Failed, "", true, errBackend}},
		{"handler fails, Arounds", []Link[*payload]{Around("a", passOn), Around("o", passOn, Outer())}, fail(errBackend), want{Failed, "", true, errBackend}},
		{"handler panics", []Link[*payload]{Before("x", nop)}, panics, want{Failed, "", true, nil}},
		{"handler panics, Arounds", []Link[*payload]{Around("a", passOn)}, panics, want{Failed, "", true, nil}},
		{"handler returns nil", []Link[*payload]{Before("x", nop)}, nilResult, want{Failed, "", true, ErrNilPayload}},
		{"handler returns nil, Arounds", []Link[*payload]{Around("a", passOn)}, nilResult, want{Failed, "", true, ErrNilPayload}},
		{"handler fails, no hooks", nil, fail(errBackend), want{Failed, "", true, errBackend}},
		{"handler blocks: another chain's violation", []Link[*payload]{Before("x", nop), Around("a", passOn)}, inner.Then(nop), want{Blocked, "", true, nil}},
		{"handler cancels", []Link[*payload]{Before("x", nop)}, cancels, want{Canceled, "", true, context.Canceled}},
		{"handler cancels and panics", nil, func(ctx context.Context, p *payload) (*payload, error) { _, _ = cancels(ctx, p); panic("late") }, want{Failed, "", true, nil}},
		{"handler cancels and succeeds", nil, func(ctx context.Context, p *payload) (*payload, error) { _, _ = cancels(ctx, p); return p, nil }, want{Allowed, "", true, nil}},
		{"Before blocks", []Link[*payload]{Before("x", block("no"))}, nop, want{Blocked, "x", false, nil}},
		{"Before blocks, Arounds", []Link[*payload]{Before("x", block("no")), Around("a", passOn), Around("o", passOn, Outer())}, nop, want{Blocked, "x", false, nil}},
		{"Before fails", []Link[*payload]{Before("x", fail(errOwn))}, nop, want{Failed, "x", false, errOwn}},
		{"Before panics", []Link[*payload]{Before("x", panics)}, nop, want{Failed, "x", false, nil}},
		{"Before returns nil", []Link[*payload]{Before("x", nilResult)}, nop, want{Failed, "x", false, ErrNilPayload}},
		{"Before returns a nil *Violation", []Link[*payload]{Before("x", fail(none))}, nop, want{Failed, "x", false, nil}},
		{"Before fails open", []Link[*payload]{Before("x", fail(errOwn), OnFailure(Ignore))}, nop, want{Allowed, "", true, nil}},
		{"Before cancels", []Link[*payload]{Before("x", cancels)}, nop, want{Canceled, "x", false, context.Canceled}},
		{
			"Before times out",
			[]Link[*payload]{Before("x", func(context.Context, *payload) (*payload, error) { time.Sleep(time.Hour); return nil, nil }, Timeout(time.Second))},
			nop,
			want{Failed, "x", false, ErrTimeout},
		},
		{"breaker open", []Link[*payload]{Before("x", fail(errOwn), TripAfter(1))}, nop, want{Failed, "x", false, gobreaker.ErrOpenState}},
		{"breaker of an Around open", []Link[*payload]{Around("x", answer(fail(errOwn)), TripAfter(1))}, nop, want{Failed, "x", false, gobreaker.ErrOpenState}},
		{"Concurrent blocks", []Link[*payload]{Before("x", block("no"), InMode(Concurrent))}, nop, want{Blocked, "x", false, nil}},
		{"Concurrent fails", []Link[*payload]{Before("x", fail(errOwn), InMode(Concurrent))}, nop, want{Failed, "x", false, errOwn}},
		{"Audit would block", []Link[*payload]{Before("x", block("no"), InMode(Audit))}, nop, want{Allowed, "", true, nil}},
		{"After blocks", []Link[*payload]{After("x", block("no"))}, nop, want{Blocked, "x", true, nil}},
		{"After fails", []Link[*payload]{After("x", fail(errOwn))}, nop, want{Failed, "x", true, errOwn}},
		{"After panics", []Link[*payload]{After("x", panics), Around("a", passOn)}, nop, want{Failed, "x", true, nil}},
		{"Inner answers", []Link[*payload]{Around("x", answer(nop)), Before("b", nop)}, panics, want{Allowed, "x", false, nil}},
		{
			"Inner answers within others",
			[]Link[*payload]{Around("x", answer(nop)), Around("a", passOn, Priority(1)), Around("o", passOn, Outer()), Around("below", passOn, Priority(99))},
			panics,
			want{Allowed, "x", false, nil},
		},
		{"Inner answers, After blocks", []Link[*payload]{Around("x", answer(nop)), After("y", block("no"))}, panics, want{Blocked, "y", false, nil}},
		{"Outer answers", []Link[*payload]{Around("x", answer(nop), Outer()), Around("a", passOn)}, panics, want{Allowed, "x", false, nil}},
		{"Around that asks its breaker answers", []Link[*payload]{Around("x", answer(nop), Breaker(alwaysAsk))}, panics, want{Allowed, "x", false, nil}},
		{"Around blocks", []Link[*payload]{Around("x", answer(block("no")))}, nop, want{Blocked, "x", false, nil}},
		{"Around blocks the result", []Link[*payload]{Around("x", afterNext(block("no")))}, nop, want{Blocked, "x", true, nil}},
		{"Around fails", []Link[*payload]{Around("x", answer(fail(errOwn)))}, nop, want{Failed, "x", false, errOwn}},
		{"Around fails after next", []Link[*payload]{Around("x", afterNext(fail(errOwn)))}, nop, want{Failed, "x", true, errOwn}},
		{"Around panics", []Link[*payload]{Around("x", answer(panics))}, nop, want{Failed, "x", false, nil}},
		{"Around fails open before next", []Link[*payload]{Around("x", answer(panics), OnFailure(Ignore))}, nop, want{Allowed, "", true, nil}},
		{"Around fails open after next", []Link[*payload]{Around("x", afterNext(panics), OnFailure(Ignore))}, nop, want{Allowed, "", true, nil}},
		{"Around fails open, handler fails", []Link[*payload]{Around("x", afterNext(panics), OnFailure(Ignore))}, fail(errBackend), want{Failed, "", true, errBackend}},
		{"Around falls back after the handler failed", []Link[*payload]{Around("x", recovers)}, fail(errBackend), want{Allowed, "x", true, nil}},
		{"Outer falls back after a block", []Link[*payload]{Around("x", recovers, Outer()), Before("b", block("no"))}, nop, want{Allowed, "x", false, nil}},
		{"Around retries", []Link[*payload]{Around("x", callTwice)}, nop, want{Allowed, "", true, nil}},
		{"Around retries an Around that answers", []Link[*payload]{Around("x", callTwice), Around("y", answer(nop), Priority(60))}, panics, want{Allowed, "y", false, nil}},
		{"Around detached", []Link[*payload]{Around("x", detached), Before("b", nop)}, nop, want{Allowed, "", true, nil}},
		{"Around detached, handler fails", []Link[*payload]{Around("x", detached)}, fail(errBackend), want{Failed, "", true, errBackend}},
		{"shadow answers", []Link[*payload]{Around("x", answer(nop), InMode(Audit))}, nop, want{Allowed, "", true, nil}},
		{"shadow around one that answers", []Link[*payload]{Around("s", passOn, InMode(Audit), Priority(1)), Around("x", answer(nop))}, panics, want{Allowed, "x", false, nil}},
		{"a disabled link", []Link[*payload]{Around("x", answer(panics), InMode(Disabled))}, nop, want{Allowed, "", true, nil}},
	} {
		for _, more := range []bool{false, true} { // observers alone, and beside Arounds
			t.Run(fmt.Sprint(tc.name, map[bool]string{true: ", in a longer chain"}[more]), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var r recorder
					var onError []Outcome[*payload]
					c := newChain(t, Observe("r", func(ctx context.Context, o Outcome[*payload]) {
						eq(t, "the observer's context", ctx.Err(), nil)
						r.observe(ctx, o)
					}), OnError("e", func(_ context.Context, o Outcome[*payload]) { onError = append(onError, o) }))
					if more {
						_, err := c.Use(Around("more1", passOn, Outer(), Priority(0)), Around("more2", passOn, Priority(0)), Before("more3", nop, Priority(0)))
						must(t, err)
					}
					_, err := c.Use(tc.links...)
					must(t, err)
					ctx, cancel := context.WithCancel(bg)
					defer cancel()
					h := c.Then(tc.handler)
					in := &payload{}
					call := func() (*payload, error) { return h(context.WithValue(ctx, ctxKey("cancel"), cancel), in) }
					if tc.want.err == gobreaker.ErrOpenState {
						_, _ = call()
						r.seen, onError = nil, nil
					}
					out, err := call()
					o := r.only(t)
					eq(t, "outcome", want{o.Verdict, o.Link, o.Answered, tc.want.err}, tc.want)
					if tc.want.err != nil {
						is(t, err, tc.want.err)
					}
					eq(t, "error", o.Err, err)
					if err == nil {
						eq(t, "payload", o.Payload, out)
					} else {
						eq(t, "payload", o.Payload, in) // nothing rewrote it
					}
					eq(t, "seen by OnError", len(onError) == 1, err != nil && o.Verdict != Blocked)
					eq(t, "duration", o.Duration, 0)
					time.Sleep(2 * time.Hour)
				})
			})
		}
	}
}

func TestOutcomePayload(t *testing.T) {
	partial := func(_ context.Context, p *payload) (*payload, error) { return p.with(p.text + "+partial"), errBackend }
	for _, tc := range []struct {
		name    string
		links   []Link[*payload]
		handler Handler[*payload]
		want    string
		got     string // by the caller
	}{
		{"handler fails without output", []Link[*payload]{Before("b", add("+b"))}, fail(errBackend), "in+b", "nil"},
		{"handler fails with partial output", []Link[*payload]{Before("b", add("+b"))}, partial, "in+b+partial", "in+b+partial"},
		{"the same, Arounds", []Link[*payload]{Before("b", add("+b")), Around("a", passOn), Around("o", passOn, Outer())}, partial, "in+b+partial", "in+b+partial"},
		{"the same, no links", nil, partial, "in+partial", "in+partial"},
		{"no output, Arounds", []Link[*payload]{Before("b", add("+b")), Around("a", passOn), Around("o", passOn, Outer())}, fail(errBackend), "in+b", "nil"},
		{"no output, an Around rewrote", []Link[*payload]{Around("a", around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			return next(ctx, p.with(p.text+"+a"))
		}))}, fail(errBackend), "in+a", "nil"},
		{"no output, an Outer rewrote", []Link[*payload]{Around("a", around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			return next(ctx, p.with(p.text+"+o"))
		}), Outer()), Before("b", add("+b"))}, fail(errBackend), "in+o+b", "nil"},
		{"handler panics", []Link[*payload]{Before("b", add("+b"))}, panics, "in+b", "nil"},
		{"handler panics, Arounds", []Link[*payload]{Before("b", add("+b")), Around("a", passOn)}, panics, "in+b", "nil"},
		{"Before blocks", []Link[*payload]{Before("b", add("+b")), Before("x", block("no"))}, nop, "in+b", "nil"},
		{"Before panics", []Link[*payload]{Before("b", add("+b")), Before("x", panics)}, nop, "in+b", "nil"},
		{"After blocks", []Link[*payload]{Before("b", add("+b")), After("x", block("no"))}, add("+h"), "in+b+h", "nil"},
		{"second After fails", []Link[*payload]{After("a", add("+a")), After("x", fail(errOwn))}, add("+h"), "in+h+a", "nil"},
		{"second After panics, Arounds", []Link[*payload]{After("a", add("+a")), After("x", panics), Around("i", passOn), Around("o", passOn, Outer())}, add("+h"), "in+h+a", "nil"},
		{"Concurrent blocks", []Link[*payload]{Before("b", add("+b")), Before("x", block("no"), InMode(Concurrent))}, nop, "in+b", "nil"},
		{"refused before the first link", []Link[*payload]{Before("b", add("+b"))}, nil, "in", "nil"},
		{"success", []Link[*payload]{Before("b", add("+b")), After("a", add("+a"))}, add("+h"), "in+b+h+a", "in+b+h+a"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var r recorder
			c := newChain(t, append(tc.links, Observe("r", r.observe))...)
			ctx := bg
			if tc.handler == nil {
				canceled, cancel := context.WithCancel(bg)
				cancel()
				ctx, tc.handler = canceled, panics
			}
			out, _ := c.Then(tc.handler)(ctx, &payload{text: "in"})
			eq(t, "observed", r.only(t).Payload.text, tc.want)
			got := "nil"
			if out != nil {
				got = out.text
			}
			eq(t, "the caller's", got, tc.got)
		})
	}
}

func TestEveryObserverSeesEveryCall(t *testing.T) {
	// Whatever one observer does, the others see the call.
	var s steps
	c := newChain(t, Observe("a", s.observer("a"), Priority(1)), Observe("panics", func(context.Context, Outcome[*payload]) { panic("o") }, Priority(2)),
		Observe("b", s.observer("b"), Priority(3)), Observe("exits", func(context.Context, Outcome[*payload]) { goexits(bg, nil) }, Priority(4)), //nolint:errcheck // never returns
		Observe("c", s.observer("c"), Priority(5)))
	h := c.Then(nop)
	for range 3 {
		apartFrom(func() { _, _ = h(bg, &payload{}) })
		eq(t, "seen by", s.take(), "a b c")
	}
}

func TestTimed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, links := range [][]Link[*payload]{nil, {Before("b", nop)}, {Around("a", passOn)}} {
			var r, other recorder
			c := newChain(t, append(links, Observe("r", r.observe, Timed()), Observe("other", other.observe))...)
			_, err := c.Then(func(_ context.Context, p *payload) (*payload, error) { time.Sleep(time.Second); return p, nil })(bg, &payload{})
			must(t, err)
			eq(t, "duration", r.only(t).Duration, time.Second)
			eq(t, "for all observers", other.only(t).Duration, time.Second)
		}
	})
}

func TestObserverInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got Outcome[*payload]
		var value any
		c := newChain(t, Observe("bg", func(ctx context.Context, o Outcome[*payload]) {
			time.Sleep(time.Second)
			got, value = o, ctx.Value(ctxKey("k"))
			eq(t, "context", ctx.Err(), nil)
		}, InMode(FireAndForget)))
		ctx, cancel := context.WithCancel(context.WithValue(bg, ctxKey("k"), "v"))
		start := time.Now()
		_, err := c.Then(fail(errBackend))(ctx, &payload{})
		cancel()
		eq(t, "error", err, errBackend)
		eq(t, "did not delay the call", time.Since(start), 0)
		must(t, c.Drain(bg))
		eq(t, "outcome", got.Err, errBackend)
		eq(t, "value", value, any("v"))
	})
}
