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

// lostContexts are contexts that do not lead to the call. context.WithoutCancel does; see TestForeignErrorsBlameNoLink.
var lostContexts = map[string]context.Context{"background": bg, "nil": noContext}

// keepsText is a policy by which no link changes the text.
func keepsText(_ Position, old, proposed *payload) (*payload, []string) {
	if proposed.text == old.text {
		return proposed, nil
	}
	return proposed.with(old.text), []string{"text"}
}

// policies are the two ways to put f over a link.
func policies(t *testing.T, l Link[*payload], f func(Position, *payload, *payload) (*payload, []string), others ...Link[*payload]) map[string]*Chain[*payload] {
	t.Helper()
	return map[string]*Chain[*payload]{
		"policy": newChainWith(t, Config[*payload]{Policy: Policy[*payload]{Rewrite: f}}, append(others, l)...),
		"limit":  newChain(t, append(others, l.Limit(f))...),
	}
}

// A next whose context does not lead to the call goes on as with the right one, where a policy is to be kept.
func TestLostContextUnderAPolicy(t *testing.T) {
	for _, tc := range []struct {
		name      string
		link      func(lost context.Context) Middleware[*payload]
		opts      []Option
		handler   Handler[*payload]
		want      payload
		err       error
		blamed    bool
		calls     int
		discarded int64
	}{
		{name: "A2: the payload that it was given", link: func(lost context.Context) Middleware[*payload] {
			return around(func(_ context.Context, p *payload, next Handler[*payload]) (*payload, error) { return next(lost, p) })
		}, want: payload{text: "in", out: "answer"}, calls: 1},
		{name: "A2: what next returned is the base of the way out", link: func(lost context.Context) Middleware[*payload] {
			return around(func(_ context.Context, p *payload, next Handler[*payload]) (*payload, error) {
				out, err := next(lost, p)
				return out.with("forbidden"), err
			})
		}, want: payload{text: "in", out: "answer"}, calls: 1, discarded: 1},
		{name: "A2: another payload is refused", link: func(lost context.Context) Middleware[*payload] {
			return around(func(_ context.Context, p *payload, next Handler[*payload]) (*payload, error) {
				return next(lost, p.with("forbidden"))
			})
		}, blamed: true},
		{name: "A2: so is an equal one that is not the same", link: func(lost context.Context) Middleware[*payload] {
			return around(func(_ context.Context, p *payload, next Handler[*payload]) (*payload, error) {
				return next(lost, p.with(p.text))
			})
		}, blamed: true},
		{name: "A2: refused, the link fails open", link: func(lost context.Context) Middleware[*payload] {
			return around(func(_ context.Context, p *payload, next Handler[*payload]) (*payload, error) {
				return next(lost, p.with("forbidden"))
			})
		}, opts: []Option{OnFailure(Ignore)}, want: payload{text: "in", out: "answer"}, calls: 1},
		{name: "A2: the error of next is not the link's", link: func(lost context.Context) Middleware[*payload] {
			return around(func(_ context.Context, p *payload, next Handler[*payload]) (*payload, error) {
				if _, err := next(lost, p); err != nil {
					return nil, fmt.Errorf("wrapped: %w", err)
				}
				return p, nil
			})
		}, handler: fail(errBackend), err: errBackend, calls: 1},
		{name: "A2: a link that fails open after it goes on with what next returned", link: func(lost context.Context) Middleware[*payload] {
			return around(func(_ context.Context, p *payload, next Handler[*payload]) (*payload, error) {
				_, _ = next(lost, p)
				panic("boom")
			})
		}, opts: []Option{OnFailure(Ignore)}, want: payload{text: "in", out: "answer"}, calls: 1},
		{name: "A2: twice", link: func(lost context.Context) Middleware[*payload] {
			return around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
				_, _ = next(ctx, p)
				return next(lost, p)
			})
		}, want: payload{text: "in", out: "answer"}, calls: 2},
	} {
		for lost, ctx := range lostContexts {
			for _, more := range [][]Option{nil, {Outer()}, {Breaker(alwaysAsk)}} {
				l := Around("x", tc.link(ctx), append(tc.opts, more...)...)
				for how, c := range policies(t, l, keepsText, Around("outside", passOn, Priority(1)), Around("inside", passOn, Priority(99))) {
					t.Run(fmt.Sprint(tc.name, ", ", lost, len(more), ", ", how), func(t *testing.T) {
						calls := 0
						h := c.Then(func(ctx context.Context, p *payload) (*payload, error) {
							calls++
							eq(t, "the handler sees", p.text, "in")
							if ctx == nil {
								t.Error("the handler got a nil context")
							}
							if tc.handler != nil {
								return tc.handler(ctx, p)
							}
							return &payload{text: p.text, out: "answer"}, nil
						})
						out, err := h(bg, &payload{text: "in"})
						eq(t, "handler calls", calls, tc.calls)
						switch {
						case tc.blamed:
							blamed(t, err, "x")
							if !strings.Contains(err.Error(), "policy") {
								t.Errorf("%v does not say why", err)
							}
						case tc.err != nil:
							is(t, err, tc.err)
							eq(t, "failures", guardOf(t, c, "x").failures.Load(), 0)
						default:
							must(t, err)
							eq(t, "result", *out, tc.want)
						}
						s, _ := c.Stats().Link("x")
						eq(t, "discarded", s.Discarded, tc.discarded)
						healthyLinks(t, c, "outside", "inside")
					})
				}
			}
		}
	}
}

func TestLostContextOfAValue(t *testing.T) {
	// A2: values have no identity, so that nothing says which call they are of
	for name, ctx := range lostContexts {
		t.Run(name, func(t *testing.T) {
			c := New("t", Config[string]{Policy: Policy[string]{Rewrite: func(_ Position, old, _ string) (string, []string) { return old, nil }}})
			_, err := c.Use(Around("x", func(next Handler[string]) Handler[string] {
				return func(_ context.Context, s string) (string, error) { return next(ctx, s) }
			}))
			must(t, err)
			called := false
			_, err = c.Then(func(_ context.Context, s string) (string, error) { called = true; return s, nil })(bg, "in")
			blamed(t, err, "x")
			eq(t, "handler called", called, false)
		})
	}
}

func TestLostContextsOfManyCalls(t *testing.T) {
	// A2: each payload leads to its own call
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		c := newChainWith(t, Config[*payload]{Policy: Policy[*payload]{Rewrite: keepsText}}, Around("x", around(
			func(_ context.Context, p *payload, next Handler[*payload]) (*payload, error) {
				time.Sleep(time.Duration(10-p.n) * time.Second)
				out, err := next(bg, p)
				time.Sleep(time.Duration(10-p.n) * time.Second)
				if err != nil {
					return nil, err
				}
				return out.with("forbidden"), nil
			})))
		h := c.Then(func(_ context.Context, p *payload) (*payload, error) {
			time.Sleep(time.Duration(p.n) * 7 * time.Second)
			return &payload{text: p.text, n: p.n, out: fmt.Sprint(p.n)}, nil
		})
		for i := range 10 {
			go func() {
				out, err := h(bg, &payload{text: fmt.Sprint("in", i), n: i})
				if err != nil {
					t.Error(err)
					return
				}
				eq(t, "result", *out, payload{text: fmt.Sprint("in", i), n: i, out: fmt.Sprint(i)})
				n.Add(1)
			}()
		}
		time.Sleep(time.Hour)
		eq(t, "calls", n.Load(), 10)
	})
}

// A next that lost its context long ago says nothing of later calls.
func TestLostNextIsForgotten(t *testing.T) {
	for name, lost := range lostContexts {
		t.Run("B12: "+name, func(t *testing.T) {
			var r recorder
			c := newChain(t, Around("x", around(func(_ context.Context, p *payload, next Handler[*payload]) (*payload, error) {
				switch p.text {
				case "refresh":
					_, _ = next(lost, p)
					return p, nil
				case "cached":
					return p, nil
				}
				return nil, errOwn
			}), OnFailure(Ignore), TripAfter(1000)), Observe("r", r.observe))
			calls := 0
			h := c.Then(func(_ context.Context, p *payload) (*payload, error) { calls++; return p, nil })
			call := func(text string, called bool) {
				t.Helper()
				r.seen, calls = nil, 0
				_, err := h(bg, &payload{text: text})
				must(t, err)
				eq(t, text+": handler called", calls == 1, called)
			}
			for range 3 {
				call("fails before next", true)
				call("cached", false)
				eq(t, "answered", r.only(t).Answered, false)
				eq(t, "link", r.only(t).Link, "x")
				call("refresh", true)
			}
		})
	}
}

// A link that is bypassed while its breaker is open holds no payload: a next that an earlier call left behind, without a
// context, does not get into the frame of the call that goes past the link.
func TestLostNextOfABypassedLink(t *testing.T) {
	var left Handler[*payload]
	inside, ran := func() {}, 0
	flaky := Around("flaky", around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
		if left == nil {
			left = next
			return next(ctx, p)
		}
		return nil, errOwn
	}), OnFailure(Ignore), TripAfter(1))
	inner := Around("inner", around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
		ran++
		f := inside
		inside = func() {}
		f()
		return next(ctx, p)
	}))
	c := newChainWith(t, Config[*payload]{Policy: Policy[*payload]{Rewrite: keepsText}}, flaky, inner)
	h, p := c.Then(nop), &payload{text: "in"}
	for range 2 { // the second one trips the breaker
		if _, err := h(bg, p); err != nil {
			t.Fatal(err)
		}
	}
	before := ran
	inside = func() {
		_, err := left(bg, p)
		if err == nil || !strings.Contains(err.Error(), errLostPayload.Error()) {
			t.Errorf("the next that was left behind: %v", err)
		}
	}
	if _, err := h(bg, p); err != nil {
		t.Fatal(err)
	}
	if ran != before+1 {
		t.Errorf("the inner link ran %d times in one call", ran-before)
	}
}
