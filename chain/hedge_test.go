package chain

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// What an Around makes of several nexts, where a policy is asked about it.
func TestSeveralNextsUnderAPolicy(t *testing.T) {
	type result struct {
		p   *payload
		err error
	}
	// race calls next once for each delay, all at once, and gives the results as they come in
	race := func(ctx context.Context, p *payload, next Handler[*payload], delays ...int) []result {
		ch := make(chan result, len(delays))
		for _, d := range delays {
			go func() {
				out, err := next(context.WithValue(ctx, ctxKey("delay"), d), p)
				ch <- result{out, err}
			}()
			synctest.Wait() // in this order
		}
		var all []result
		for range delays {
			all = append(all, <-ch)
		}
		return all
	}
	// the handler fails where the delay is 1; else its answer is the delay
	handler := func(ctx context.Context, p *payload) (*payload, error) {
		d, _ := ctx.Value(ctxKey("delay")).(int)
		time.Sleep(time.Duration(d) * time.Second)
		if d == 1 {
			return nil, errBackend
		}
		return &payload{text: fmt.Sprint("answer", d), out: fmt.Sprint(d)}, nil
	}
	var cached *payload
	for _, tc := range []struct {
		name      string
		f         func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error)
		opts      []Option
		want      string // text
		out       string
		err       error
		discarded int64
		failures  int64
	}{
		{name: "A6: hedge, the first next is the last to return", f: func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			all := race(ctx, p, next, 2, 1)
			return all[1].p, all[1].err
		}, want: "answer2", out: "2"},
		{name: "A6: hedge, the second next is the last to return", f: func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			all := race(ctx, p, next, 1, 2)
			return all[1].p, all[1].err
		}, want: "answer2", out: "2"},
		{name: "A6: hedge, the last to return failed: its error is nobody's fault", f: func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			all := race(ctx, p, next, 1, 0)
			return nil, all[1].err
		}, err: errBackend},
		{name: "A6: best of, the first result", f: func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			return race(ctx, p, next, 2, 3, 4)[0].p, nil
		}, want: "answer2", out: "2"},
		{name: "A6: best of, one in the middle", f: func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			return race(ctx, p, next, 4, 3, 2)[1].p, nil
		}, want: "answer3", out: "3"},
		{name: "A6: best of, one after the other", f: func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			best, _ := next(context.WithValue(ctx, ctxKey("delay"), 5), p)
			_, _ = next(context.WithValue(ctx, ctxKey("delay"), 6), p)
			return best, nil
		}, want: "answer5", out: "5"},
		{name: "A6: best of, the first result, and the other one failed", f: func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			best, _ := next(context.WithValue(ctx, ctxKey("delay"), 5), p)
			_, _ = next(context.WithValue(ctx, ctxKey("delay"), 1), p)
			return best, nil
		}, want: "answer5", out: "5"},
		{name: "A6: a rewrite of a result is filtered against the last one", f: func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			return race(ctx, p, next, 4, 3)[0].p.with("forbidden"), nil
		}, want: "answer4", out: "3", discarded: 1},
		{name: "A6: a result of another call is filtered", f: func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			if cached == nil {
				var err error
				cached, err = next(context.WithValue(ctx, ctxKey("delay"), 2), p)
				return cached, err
			}
			_, _ = next(context.WithValue(ctx, ctxKey("delay"), 3), p)
			return cached, nil
		}, want: "answer3", out: "2", discarded: 1},
		{name: "A6: fails open with what returned last", f: func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			race(ctx, p, next, 3, 2)
			return nil, errOwn
		}, opts: []Option{OnFailure(Ignore)}, want: "answer3", out: "3", failures: 2},
	} {
		for _, more := range [][]Option{nil, {Outer()}, {Breaker(alwaysAsk)}} {
			t.Run(fmt.Sprint(tc.name, len(more)), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					cached = nil
					l := Around("x", around(tc.f), append(tc.opts, more...)...)
					for how, c := range policies(t, l, keepsText, Around("inside", passOn, Priority(99))) {
						cached = nil
						h := c.Then(handler)
						_, err := h(bg, &payload{text: "in"})
						if tc.err == nil {
							must(t, err)
						}
						out, err := h(bg, &payload{text: "in"})
						if tc.err != nil {
							is(t, err, tc.err)
						} else {
							must(t, err)
							eq(t, how+": text", out.text, tc.want)
							eq(t, how+": output", out.out, tc.out)
						}
						s, _ := c.Stats().Link("x")
						if tc.discarded > 0 && s.Discarded == 0 || tc.discarded == 0 && s.Discarded > 0 {
							t.Errorf("%s: %d discarded", how, s.Discarded)
						}
						eq(t, how+": failures", s.Failures, tc.failures)
						healthyLinks(t, c, "inside")
					}
				})
			})
		}
	}
}

// Every next of a retry has state of its own for all that it wraps.
func TestEachNextStartsAfresh(t *testing.T) {
	retry := around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
		if out, err := next(ctx, p); err == nil {
			return out, nil
		}
		return next(ctx, p)
	})
	for name, opts := range map[string][]Option{"closed": nil, "open": {OnFailure(Ignore)}, "outer": {Outer()}} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			c := newChain(t, Around("retry", retry, opts...), Around("before", answer(fail(errOwn)), OnFailure(Ignore), Priority(60), TripAfter(9)),
				Around("after", afterNext(panics), OnFailure(Ignore), Priority(70), TripAfter(9)))
			out, err := c.Then(func(_ context.Context, p *payload) (*payload, error) {
				if calls++; calls == 1 {
					return nil, errBackend
				}
				return p.with("answer"), nil
			})(bg, &payload{})
			must(t, err)
			eq(t, "result", out.text, "answer")
			eq(t, "handler calls", calls, 2)
			eq(t, "failures before next", guardOf(t, c, "before").failures.Load(), 2)
			eq(t, "failures after next", guardOf(t, c, "after").failures.Load(), 2)
			healthyLinks(t, c, "retry")
		})
	}
}

func TestNextsAtTheSameInstant(t *testing.T) {
	// two nexts that begin together are never taken for one and the same
	for name, opts := range map[string][]Option{"closed": nil, "open": {OnFailure(Ignore)}} {
		t.Run(name, func(t *testing.T) {
			c := newChain(t, Around("twice", around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
				var ready atomic.Int32
				var errs [2]error
				var wg sync.WaitGroup
				for i := range errs {
					wg.Go(func() {
						ready.Add(1)
						for ready.Load() < 2 { //nolint:revive // they must be as close as can be
						}
						_, errs[i] = next(ctx, p)
					})
				}
				wg.Wait()
				return p, errors.Join(errs[:]...)
			}), opts...), Around("open", answer(fail(errOwn)), OnFailure(Ignore), Priority(60), TripAfter(1<<30)))
			var calls atomic.Int64
			h := c.Then(func(_ context.Context, p *payload) (*payload, error) { calls.Add(1); return p, nil })
			const rounds = 2000
			for range rounds {
				_, err := h(bg, &payload{})
				must(t, err)
			}
			eq(t, "handler calls", calls.Load(), 2*rounds)
		})
	}
}

// A next that comes when the call has gone on without its link is refused.
func TestLateNextIsRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		h     Handler[*payload] // of the handler's second call
		f     func(ctx context.Context, p *payload, next Handler[*payload], started, release chan struct{}) (*payload, error)
		calls int
		err   bool
	}{
		"after a next that returned": {f: func(ctx context.Context, p *payload, next Handler[*payload], _, release chan struct{}) (*payload, error) {
			close(release)
			_, _ = next(ctx, p)
			panic("boom")
		}, calls: 1},
		"without a next": {f: func(_ context.Context, _ *payload, _ Handler[*payload], _, release chan struct{}) (*payload, error) {
			close(release)
			return nil, errOwn
		}, calls: 1},
		"while a next is running, where the call could not go on": {f: func(ctx context.Context, p *payload, next Handler[*payload], started, _ chan struct{}) (*payload, error) {
			go func() { _, _ = next(ctx, p) }()
			<-started
			return nil, errOwn
		}, calls: 1, err: true},
	} {
		for _, more := range [][]Option{nil, {Outer()}, {Breaker(alwaysAsk)}} {
			t.Run(fmt.Sprint(name, len(more)), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					started, release := make(chan struct{}, 9), make(chan struct{})
					var late func() error
					c := newChain(t, Around("x", around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
						late = func() error { _, err := next(ctx, p); return err }
						return tc.f(ctx, p, next, started, release)
					}), append(more, OnFailure(Ignore))...))
					var calls atomic.Int32
					_, err := c.Then(func(_ context.Context, p *payload) (*payload, error) {
						calls.Add(1)
						started <- struct{}{}
						<-release
						return p, nil
					})(bg, &payload{})
					if tc.err {
						blamed(t, err, "x")
						close(release)
					} else {
						must(t, err)
					}
					for range 2 {
						err = late()
						is(t, err, ErrNextTooLate)
						blamed(t, err, "x")
					}
					eq(t, "handler calls", calls.Load(), int32(tc.calls))
				})
			})
		}
	}
}

func TestLaterNextCounts(t *testing.T) {
	// where a link without a policy fails open after two nexts, the second one's result stands, whatever the first one said
	for name, opts := range map[string][]Option{"open": {OnFailure(Ignore)}, "outer": {OnFailure(Ignore), Outer()}} {
		for _, firstFails := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", first fails: ", firstFails), func(t *testing.T) {
				c := newChain(t, Around("x", around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
					_, _ = next(ctx, p)
					_, _ = next(ctx, p)
					panic("boom")
				}), opts...))
				calls := 0
				out, err := c.Then(func(_ context.Context, p *payload) (*payload, error) {
					if calls++; (calls == 1) == firstFails {
						return nil, errBackend
					}
					return p.with("answer"), nil
				})(bg, &payload{})
				if firstFails {
					must(t, err)
					eq(t, "result", out.text, "answer")
				} else {
					eq(t, "error", err, errBackend)
				}
				eq(t, "calls", calls, 2)
				eq(t, "failures", guardOf(t, c, "x").failures.Load(), 1)
			})
		}
	}
}

func TestFailOpenWithWhatHasReturned(t *testing.T) {
	// one next is still running, another one has returned: its result is there to go on with
	for name, opts := range map[string][]Option{"open": {OnFailure(Ignore)}, "outer": {OnFailure(Ignore), Outer()}, "asking": {OnFailure(Ignore), Breaker(alwaysAsk)}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newChain(t, Around("x", around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
					go func() { _, _ = next(ctx, p.with("slow")) }()
					synctest.Wait()
					_, _ = next(ctx, p)
					panic("boom")
				}), opts...))
				var calls atomic.Int32
				out, err := c.Then(func(_ context.Context, p *payload) (*payload, error) {
					calls.Add(1)
					if p.text == "slow" {
						time.Sleep(time.Hour)
					}
					return p.with(p.text + " answer"), nil
				})(bg, &payload{text: "quick"})
				must(t, err)
				eq(t, "result", out.text, "quick answer")
				eq(t, "handler calls", calls.Load(), 2)
				time.Sleep(2 * time.Hour)
			})
		})
	}
}

// A further next that returns while the first is still running does not make what the first passes readable: the race
// detector sees it here.
func TestHedgeThatIsFaster(t *testing.T) {
	t.Parallel()
	late := make(chan struct{})
	var first sync.WaitGroup
	c := newChainWith(t, Config[*payload]{Policy: Policy[*payload]{
		Rewrite: func(_ Position, _, proposed *payload) (*payload, []string) { return proposed, nil },
	}}, Around("hedge", func(next Handler[*payload]) Handler[*payload] {
		return func(ctx context.Context, p *payload) (*payload, error) {
			begun := make(chan struct{})
			first.Go(func() { _, _ = next(context.WithValue(ctx, chaosKey{}, begun), p) })
			<-begun
			r, err := next(ctx, p)
			if err != nil {
				return nil, err
			}
			return r.with("rewritten"), nil
		}
	}))
	h := c.Then(func(ctx context.Context, p *payload) (*payload, error) {
		if begun, ok := ctx.Value(chaosKey{}).(chan struct{}); ok {
			close(begun)
			<-late
			return p, nil
		}
		close(late)
		return p.with("second"), nil
	})
	r, err := h(bg, &payload{})
	must(t, err)
	eq(t, "text", r.text, "rewritten")
	first.Wait()
}
