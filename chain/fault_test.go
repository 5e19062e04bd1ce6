package chain

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sony/gobreaker/v2"
)

func TestManyHealthyRunsAtOnce(t *testing.T) {
	slow := func(_ context.Context, p *payload) (*payload, error) { time.Sleep(time.Second); return p, nil }
	for name, l := range map[string]Link[*payload]{
		"timed":            Before("x", slow, Timeout(time.Minute)),
		"Concurrent":       Before("x", slow, InMode(Concurrent)),
		"timed Concurrent": After("x", slow, InMode(Concurrent), Timeout(time.Minute)),
		"timed observer":   Observe("x", func(context.Context, Outcome[*payload]) { time.Sleep(time.Second) }, Timeout(time.Minute)),
	} {
		t.Run("A1: "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newChain(t, l)
				h := c.Then(nop)
				var wg sync.WaitGroup
				for range 2 * maxLeft {
					wg.Go(func() {
						if _, err := h(bg, &payload{}); err != nil {
							t.Error(err)
						}
					})
				}
				synctest.Wait()
				eq(t, "running", guardOf(t, c, "x").running.Load() >= 2*maxLeft, true)
				wg.Wait()
				synctest.Wait() // for the goroutines, which the calls do not wait for
				healthyLinks(t, c, "x")
				s, _ := c.Stats().Link("x")
				eq(t, "abandoned, running", [2]int64{s.Abandoned, s.Running}, [2]int64{})
			})
		})
	}
}

func TestAbandonedRunsLeaveNoTrace(t *testing.T) {
	// A1: beyond the bound a run fails, and its breaker hears nothing of it; when the others have ended, all is as before
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		c := newChain(t, Before("x", func(_ context.Context, p *payload) (*payload, error) {
			if p.text == "hang" {
				<-release
			}
			return p, nil
		}, Timeout(time.Second), TripAfter(1<<30)))
		h := c.Then(nop)
		var wg sync.WaitGroup
		for range maxLeft {
			wg.Go(func() { _, err := h(bg, &payload{text: "hang"}); is(t, err, ErrTimeout) })
		}
		wg.Wait()
		g := guardOf(t, c, "x")
		before := g.cb.Counts()
		for range 10 {
			_, err := h(bg, &payload{})
			is(t, err, ErrAbandoned)
			blamed(t, err, "x")
		}
		after := g.cb.Counts()
		eq(t, "on the breaker's record", after.TotalFailures, before.TotalFailures)
		close(release)
		synctest.Wait()
		eq(t, "left", g.left.Load(), 0)
		_, err := h(bg, &payload{})
		must(t, err)
	})
}

func TestRunsAreAbandonedWhenTheCallerGoes(t *testing.T) {
	hang := func(context.Context, *payload) (*payload, error) { time.Sleep(time.Hour); return nil, errOwn }
	for name, l := range map[string]Link[*payload]{
		"timed": Before("x", hang, Timeout(time.Minute)), "Concurrent": Before("x", hang, InMode(Concurrent)), "both": After("x", hang, InMode(Concurrent), Timeout(time.Minute)),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newChain(t, l)
				ctx, cancel := context.WithCancel(bg)
				time.AfterFunc(time.Second, cancel)
				_, err := c.Then(nop)(ctx, &payload{})
				is(t, err, context.Canceled)
				synctest.Wait()
				g := guardOf(t, c, "x")
				s, _ := c.Stats().Link("x")
				eq(t, "abandoned", s.Abandoned > 0, true)
				eq(t, "left", g.left.Load() > 0, true)
				eq(t, "on the breaker's record", g.cb.Counts().TotalFailures, 0)
				time.Sleep(2 * time.Hour)
				eq(t, "left in the end", g.left.Load(), 0)
				eq(t, "running in the end", g.running.Load(), 0)
			})
		})
	}
}

func TestManyKeysInFlight(t *testing.T) {
	// B1: a follower that wakes up when a hundred other keys have failed got its error from its own leader all the same
	synctest.Test(t, func(t *testing.T) {
		const keys, followers = 100, 3
		type flight struct {
			done chan struct{}
			err  error
		}
		var flights [keys]flight
		all := make(chan struct{})
		c := newChain(t, Around("x", around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			f := &flights[p.n]
			if p.text == "follower" {
				<-f.done
				return nil, fmt.Errorf("shared: %w", f.err)
			}
			_, f.err = next(ctx, p)
			<-all
			close(f.done)
			return nil, f.err
		})))
		h := c.Then(func(_ context.Context, p *payload) (*payload, error) {
			time.Sleep(time.Duration(p.n) * time.Second)
			return nil, fmt.Errorf("backend %d", p.n)
		})
		for k := range flights {
			flights[k].done = make(chan struct{})
			for range followers {
				go func() { _, _ = h(bg, &payload{n: k, text: "follower"}) }()
			}
		}
		synctest.Wait()
		for k := range flights {
			go func() { _, _ = h(bg, &payload{n: k}) }()
		}
		time.Sleep(time.Hour)
		close(all)
		synctest.Wait()
		healthyLinks(t, c, "x")
	})
}

func TestProbeInALaterNext(t *testing.T) {
	// B2: a half-open link that waits for its second next does not hang; one that has it back does
	for _, tc := range []struct {
		name  string
		f     func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error)
		hangs bool
	}{
		{"a retry", func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			if out, err := next(ctx, p); err == nil {
				return out, nil
			}
			return next(ctx, p.with("slow"))
		}, false},
		{"a hedge", func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			done := make(chan struct{})
			go func() { defer close(done); _, _ = next(ctx, p.with("slow")) }()
			_, _ = next(ctx, p)
			<-done
			return p, nil
		}, false},
		{"a third next", func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			_, _ = next(ctx, p)
			_, _ = next(ctx, p)
			return next(ctx, p.with("slow"))
		}, false},
		{"hangs after its next", func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			_, _ = next(ctx, p)
			time.Sleep(time.Hour)
			return p, nil
		}, true},
		{"hangs after a retry", func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			_, _ = next(ctx, p)
			_, _ = next(ctx, p)
			time.Sleep(time.Hour)
			return p, nil
		}, true},
	} {
		for _, opts := range [][]Option{nil, {OnFailure(Ignore)}, {Outer()}} {
			t.Run(fmt.Sprint(tc.name, len(opts)), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					bad := true
					c := newChain(t, Around("x", around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
						if bad {
							panic("boom")
						}
						return tc.f(ctx, p, next)
					}), append(opts, TripAfter(1), Breaker(gobreaker.Settings{Timeout: time.Minute}))...))
					h := c.Then(func(_ context.Context, p *payload) (*payload, error) {
						if p.text != "slow" {
							return nil, errBackend
						}
						time.Sleep(time.Hour)
						return p, nil
					})
					_, _ = h(bg, &payload{})
					g := guardOf(t, c, "x")
					eq(t, "state", g.State(), gobreaker.StateOpen)
					time.Sleep(time.Minute + 1)
					bad = false
					done := make(chan error, 1)
					go func() { _, err := h(bg, &payload{}); done <- err }()
					synctest.Wait()
					time.Sleep(time.Minute + 1)
					synctest.Wait()
					eq(t, "trips", g.trips.Load(), map[bool]int64{false: 1, true: 2}[tc.hangs])
					must(t, <-done)
				})
			})
		}
	}
}

func TestLateRunsOfAnOpenBreaker(t *testing.T) {
	// a run that began before the link was armed and ends when its breaker is open or half-open tells it nothing
	synctest.Test(t, func(t *testing.T) {
		for result, slow := range map[string]error{"fails": errOwn, "succeeds": nil} {
			for when, wait := range map[gobreaker.State]time.Duration{gobreaker.StateOpen: time.Second, gobreaker.StateHalfOpen: 2 * time.Minute} {
				c := newChain(t, Before("x", func(_ context.Context, p *payload) (*payload, error) {
					switch p.text {
					case "slow":
						time.Sleep(wait)
						return p, slow
					case "probe":
						return p, nil
					}
					return nil, errOwn
				}, TripAfter(3), Breaker(gobreaker.Settings{Timeout: time.Minute})))
				h := c.Then(nop)
				done := make(chan error, 1)
				go func() { _, err := h(bg, &payload{text: "slow"}); done <- err }()
				synctest.Wait()
				for range 3 {
					_, _ = h(bg, &payload{})
				}
				g := guardOf(t, c, "x")
				eq(t, "state", g.State(), gobreaker.StateOpen)
				eq(t, "its own error", errors.Is(<-done, slow) || slow == nil, true)
				eq(t, fmt.Sprint(result, " when ", when), g.State(), when)
				eq(t, "trips", g.trips.Load(), 1)
				eq(t, "requests on record", g.cb.Counts().Requests, 0)
				time.Sleep(2 * time.Minute)
				_, err := h(bg, &payload{text: "probe"})
				must(t, err)
				eq(t, "state after a probe", g.State(), gobreaker.StateClosed)
			}
		}
	})
}

func TestBlockAfterNextFailed(t *testing.T) {
	type want struct {
		own                 bool // a violation of x
		blocks, wouldBlocks int64
	}
	after := func(f func(p *payload, err error) (*payload, error)) Middleware[*payload] {
		return around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			out, err := next(ctx, p)
			if err == nil {
				return out, nil
			}
			return f(p, err)
		})
	}
	nexts := Block("of the backend", Code("backend"))
	blocks := after(func(p *payload, _ error) (*payload, error) { return p, Block("the link's", Code("own")) })
	for _, tc := range []struct {
		name    string
		mw      Middleware[*payload]
		handler error
		want    want
	}{
		{"B3: a block of its own", blocks, errBackend, want{own: true, blocks: 1}},
		{"B3: wrapped", after(func(p *payload, _ error) (*payload, error) {
			return p, fmt.Errorf("no: %w", Block("the link's", Code("own")))
		}), errBackend, want{own: true, blocks: 1}},
		{"B3: with the cause", after(func(p *payload, err error) (*payload, error) {
			return p, errors.Join(Block("the link's", Code("own")), err)
		}), errBackend, want{own: true, blocks: 1}},
		{"B3: instead of next's", blocks, nexts, want{own: true, blocks: 1}},
		{"B3: next's own", passOn, nexts, want{}},
		{"B3: next's own, wrapped", after(func(_ *payload, err error) (*payload, error) { return nil, fmt.Errorf("passed on: %w", err) }), nexts, want{}},
	} {
		for name, opts := range map[string][]Option{"": nil, "Outer": {Outer()}, "open": {OnFailure(Ignore)}, "asking": {Breaker(alwaysAsk)}} {
			for _, never := range []bool{false, true} {
				t.Run(fmt.Sprint(tc.name, name, ", never blocks: ", never), func(t *testing.T) {
					var r recorder
					var cfg Config[*payload]
					want := tc.want
					if never {
						cfg.Policy.NeverBlocks = In | Out
						want = struct {
							own                 bool
							blocks, wouldBlocks int64
						}{false, 0, tc.want.blocks}
					}
					c := newChainWith(t, cfg, Around("x", tc.mw, opts...), Around("outside", passOn, Priority(1)), Observe("r", r.observe))
					out, err := c.Then(fail(tc.handler))(bg, &payload{})
					s, _ := c.Stats().Link("x")
					eq(t, "blocks, would-blocks, failures", [3]int64{s.Blocks, s.WouldBlocks, s.Failures}, [3]int64{want.blocks, want.wouldBlocks, 0})
					eq(t, "payload", out, nil)
					if want.own {
						v := blockedBy(t, err, "x")
						eq(t, "violation", v.Chain+" "+v.Code, "t own")
						eq(t, "outcome", r.only(t).Link+" "+r.only(t).Verdict.String(), "x blocked")
					} else {
						is(t, err, tc.handler)
						eq(t, "link of the outcome", r.only(t).Link, "")
					}
					eq(t, "answered", r.only(t).Answered, true)
					eq(t, "breaker's record", guardOf(t, c, "x").cb.Counts().TotalFailures, 0)
					healthyLinks(t, c, "outside")
				})
			}
		}
	}
}

func TestNeverBlocksAfterNext(t *testing.T) {
	// a block that must not stop the call leaves it with what next returned, and the handler has run once
	for _, opts := range [][]Option{nil, {Outer()}, {OnFailure(Fail)}, {OnFailure(Disable)}} {
		t.Run(fmt.Sprint(len(opts)), func(t *testing.T) {
			c := newChainWith(t, Config[*payload]{Policy: Policy[*payload]{NeverBlocks: In | Out}}, Around("x", around(
				func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
					_, _ = next(ctx, p.with("passed"))
					return nil, Block("no")
				}), opts...))
			calls := 0
			out, err := c.Then(func(_ context.Context, p *payload) (*payload, error) { calls++; return p.with(p.text + "!"), nil })(bg, &payload{})
			must(t, err)
			eq(t, "result", out.text, "passed!")
			eq(t, "handler calls", calls, 1)
			s, _ := c.Stats().Link("x")
			eq(t, "would-blocks", s.WouldBlocks, 1)
			eq(t, "state", s.State, "closed")
		})
	}
}

func TestShadowAfterNextFailed(t *testing.T) {
	type counts struct{ wouldRewrite, wouldBlock, failures int64 }
	after := func(f func(err error) error) Middleware[*payload] {
		return around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			out, err := next(ctx, p)
			if err != nil {
				return nil, f(err)
			}
			return out, nil
		})
	}
	nexts := Block("of the backend")
	for _, tc := range []struct {
		name    string
		mw      Middleware[*payload]
		handler error
		want    counts
	}{
		{"B4: blocks", after(func(error) error { return Block("no") }), errBackend, counts{wouldBlock: 1}},
		{"B4: blocks instead of next's block", after(func(error) error { return Block("no") }), nexts, counts{wouldBlock: 1}},
		{"B4: passes next's block on", passOn, nexts, counts{}},
		{"B4: translates", after(func(error) error { return errOwn }), errBackend, counts{wouldRewrite: 1}},
		{"B4: wraps", after(func(err error) error { return fmt.Errorf("wrapped: %w", err) }), errBackend, counts{}},
		{"B4: wraps next's block", after(func(err error) error { return fmt.Errorf("wrapped: %w", err) }), nexts, counts{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newChain(t, Around("x", tc.mw, InMode(Audit)))
			_, err := c.Then(fail(tc.handler))(bg, &payload{})
			eq(t, "error", err, tc.handler)
			s, _ := c.Stats().Link("x")
			eq(t, "counts", counts{s.WouldRewrites, s.WouldBlocks, s.Failures}, tc.want)
		})
	}
}

// A Goexit in a callback of the user's ends the goroutine that it is called on, and holds up nobody else.
func TestGoexitInCallbacks(t *testing.T) {
	for name, settings := range map[string]func(exit func()) gobreaker.Settings{
		"ReadyToTrip": func(exit func()) gobreaker.Settings {
			return gobreaker.Settings{ReadyToTrip: func(gobreaker.Counts) bool { exit(); return true }}
		},
		"IsSuccessful": func(exit func()) gobreaker.Settings {
			return gobreaker.Settings{IsSuccessful: func(error) bool { exit(); return false }}
		},
		"IsExcluded": func(exit func()) gobreaker.Settings {
			return gobreaker.Settings{IsExcluded: func(error) bool { exit(); return false }}
		},
		"OnStateChange": func(exit func()) gobreaker.Settings {
			return gobreaker.Settings{OnStateChange: func(string, gobreaker.State, gobreaker.State) { exit() }}
		},
	} {
		h := fail(errOwn)
		late := func(context.Context, *payload) (*payload, error) { time.Sleep(time.Minute); return nil, errOwn }
		for what, make := range map[string]func(opts ...Option) Link[*payload]{
			"Before": func(opts ...Option) Link[*payload] { return Before("x", h, opts...) },
			"After":  func(opts ...Option) Link[*payload] { return After("x", h, opts...) },
			"timed":  func(opts ...Option) Link[*payload] { return Before("x", h, append(opts, Timeout(time.Hour))...) },
			"timed out": func(opts ...Option) Link[*payload] {
				return Before("x", late, append(opts, Timeout(time.Millisecond))...)
			},
			"Concurrent": func(opts ...Option) Link[*payload] { return Before("x", h, append(opts, InMode(Concurrent))...) },
			"Audit":      func(opts ...Option) Link[*payload] { return Before("x", h, append(opts, InMode(Audit))...) },
			"background": func(opts ...Option) Link[*payload] { return Before("x", h, append(opts, InMode(FireAndForget))...) },
			"Around":     func(opts ...Option) Link[*payload] { return Around("x", answer(h), opts...) },
			"Outer":      func(opts ...Option) Link[*payload] { return Around("x", answer(h), append(opts, Outer())...) },
			"shadow":     func(opts ...Option) Link[*payload] { return Around("x", answer(h), append(opts, InMode(Audit))...) },
			"observer": func(opts ...Option) Link[*payload] {
				return Observe("x", func(context.Context, Outcome[*payload]) { panic("boom") }, opts...)
			},
		} {
			if (what == "observer" || what == "timed out") && (name == "IsSuccessful" || name == "IsExcluded") {
				continue // which are not asked about what the engine itself has seen
			}
			t.Run("B11: "+name+", "+what, func(t *testing.T) {
				if what == "timed out" {
					synctest.Test(t, func(t *testing.T) {
						testGoexitInCallback(t, settings, make)
						time.Sleep(time.Hour)
					})
					return
				}
				testGoexitInCallback(t, settings, make)
			})
		}
	}
}

func testGoexitInCallback(t *testing.T, settings func(exit func()) gobreaker.Settings, link func(opts ...Option) Link[*payload]) {
	var exits int
	var mu sync.Mutex
	exit := func() {
		mu.Lock()
		exits++
		first := exits <= 2
		mu.Unlock()
		if first {
			goexits(bg, nil) //nolint:errcheck // never returns
		}
	}
	d := NewDispatcher(DispatcherConfig{})
	c := New("t", Config[*payload]{Dispatcher: d}) // not closed when it is stuck
	_, err := c.Use(link(Breaker(settings(exit)), TripAfter(2)), Observe("last", ignore))
	must(t, err)
	h := c.Then(nop)
	for range 6 {
		ended(t, "a call", func() { _, _ = h(bg, &payload{}) })
	}
	ended(t, "a look", func() { _, _, _ = c.Explain(), c.Stats(), c.Enable("x") })
	ended(t, "Close", func() { err = c.Close(bg) })
	must(t, err)
	must(t, d.Close(bg))
	mu.Lock()
	defer mu.Unlock()
	if exits == 0 {
		t.Error("the callback was not called")
	}
	healthyLinks(t, c, "last")
}
