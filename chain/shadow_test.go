package chain

import (
	"context"
	"errors"
	"testing"

	"github.com/sony/gobreaker/v2"
)

func TestShadow(t *testing.T) {
	type counts struct{ wouldRewrite, wouldBlock, failures int64 }
	ok := func(p *payload) (*payload, error) { return p.with("out"), nil }
	broken := func(*payload) (*payload, error) { return nil, errBackend }
	for _, tc := range []struct {
		name    string
		mw      Middleware[*payload]
		handler func(*payload) (*payload, error)
		want    counts
	}{
		{"behaviour 17b: passes on", passOn, ok, counts{}},
		{"behaviour 17b: passes the error on", passOn, broken, counts{}},
		{"behaviour 17b: rewrites in", around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			return next(ctx, p.with("X"))
		}), ok, counts{wouldRewrite: 1}},
		{"behaviour 17b: rewrites out", around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			out, err := next(ctx, p)
			return out.with("Y"), err
		}), ok, counts{wouldRewrite: 1}},
		{"behaviour 17b: several nexts", around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			_, _ = next(ctx, p)
			return next(ctx, p)
		}), ok, counts{wouldRewrite: 1}},
		{"behaviour 17b: short-circuits", answer(add("Z")), ok, counts{wouldRewrite: 1}},
		{"behaviour 17b: falls back", afterNext(nop), broken, counts{wouldRewrite: 1}},
		{"behaviour 17b: translates the error", around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			if _, err := next(ctx, p); err != nil {
				return nil, errors.New("unavailable")
			}
			return p, nil
		}), broken, counts{wouldRewrite: 1}},
		{"behaviour 17b: blocks", answer(block("no")), ok, counts{wouldBlock: 1}},
		{"behaviour 17b: blocks the result", afterNext(block("no")), ok, counts{wouldBlock: 1}},
		{"behaviour 17b: panics", answer(panics), ok, counts{failures: 1}},
		{"behaviour 17b: panics after next", afterNext(panics), broken, counts{failures: 1}},
		{"behaviour 17b: fails", answer(fail(errOwn)), ok, counts{failures: 1}},
		{"behaviour 17b: nil result", answer(func(context.Context, *payload) (*payload, error) { return nil, nil }), ok, counts{failures: 1}},
		{"behaviour 17b: drops the context", around(func(_ context.Context, p *payload, next Handler[*payload]) (*payload, error) { return next(bg, p) }), ok, counts{}},
	} {
		for _, opts := range [][]Option{{InMode(Audit)}, {InMode(Audit), Outer()}} {
			t.Run(tc.name, func(t *testing.T) {
				var r recorder
				c := newChain(t, Around("x", tc.mw, opts...), Around("second", passOn, InMode(Audit)), Observe("r", r.observe))
				calls := 0
				in := &payload{text: "in"}
				var result *payload
				var resultErr error
				out, err := c.Then(func(_ context.Context, p *payload) (*payload, error) {
					calls++
					eq(t, "the handler's payload", p, in)
					result, resultErr = tc.handler(p)
					return result, resultErr
				})(bg, in)
				eq(t, "handler calls", calls, 1)
				eq(t, "result", out, result)
				eq(t, "error", err, resultErr)
				s, _ := c.Stats().Link("x")
				eq(t, "counts", counts{s.WouldRewrites, s.WouldBlocks, s.Failures}, tc.want)
				eq(t, "link", r.only(t).Link, "")
				eq(t, "answered", r.only(t).Answered, true)
				healthyLinks(t, c, "second")
			})
		}
	}
}

func TestShadowHasABreaker(t *testing.T) {
	n := 0
	c := newChain(t, Around("x", answer(func(context.Context, *payload) (*payload, error) { n++; return nil, errOwn }), InMode(Audit), TripAfter(2)))
	h := c.Then(nop)
	for range 5 {
		_, err := h(bg, &payload{})
		must(t, err)
	}
	eq(t, "runs", n, 2)
	eq(t, "state", guardOf(t, c, "x").State(), gobreaker.StateOpen)
	s, _ := c.Stats().Link("x")
	eq(t, "ignored", s.Ignored, 5)
}

func TestShadowNextOfAnotherCall(t *testing.T) {
	// A context kept from an earlier call leads to that call's record, never to the handler.
	var kept context.Context
	calls := 0
	c := newChain(t, Around("x", around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
		if kept == nil {
			kept = ctx //nolint:fatcontext // a link that keeps its context is what is tested
		}
		return next(kept, p)
	}), InMode(Audit)))
	h := c.Then(func(_ context.Context, p *payload) (*payload, error) { calls++; return p, nil })
	for range 3 {
		in := &payload{}
		out, err := h(bg, in)
		must(t, err)
		eq(t, "result", out, in)
	}
	eq(t, "handler calls", calls, 3)
}
