package chain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sony/gobreaker/v2"
)

// subject is a link whose function can be changed between calls.
type subject struct {
	h    Handler[*payload]
	runs int
}

func (s *subject) run(ctx context.Context, p *payload) (*payload, error) {
	s.runs++
	return s.h(ctx, p)
}

// links are the ways to have s in a chain under the name "x".
func (s *subject) links(opts ...Option) map[string]Link[*payload] {
	with := func(more ...Option) []Option { return append(more, opts...) }
	return map[string]Link[*payload]{
		"hook":       Before("x", s.run, opts...),
		"after":      After("x", s.run, opts...),
		"around":     Around("x", answer(s.run), opts...),
		"outer":      Around("x", answer(s.run), with(Outer())...),
		"concurrent": Before("x", s.run, with(InMode(Concurrent))...),
		"timed":      Before("x", s.run, with(Timeout(20*time.Second))...),
	}
}

// trip makes x fail until its breaker opens.
func trip(t *testing.T, h Handler[*payload], s *subject) {
	t.Helper()
	s.h = fail(errOwn)
	for range 6 {
		_, err := h(bg, &payload{})
		is(t, err, errOwn)
	}
	_, err := h(bg, &payload{})
	is(t, err, gobreaker.ErrOpenState)
	blamed(t, err, "x")
	s.runs = 0
}

func TestBreakerOpensAndCloses(t *testing.T) {
	var s subject
	for name, link := range s.links(Breaker(gobreaker.Settings{Timeout: time.Minute, MaxRequests: 2})) {
		t.Run("behaviour 24: "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s = subject{}
				c := newChain(t, link)
				h := c.Then(nop)
				state := func(want gobreaker.State) {
					t.Helper()
					eq(t, "state", guardOf(t, c, "x").State(), want)
					eq(t, "state of Stats", c.Stats().Links[0].Breaker, want)
					eq(t, "state of Explain", c.Explain().Links[0].Breaker, want.String())
				}
				trip(t, h, &s)
				state(gobreaker.StateOpen)
				_, err := h(bg, &payload{})
				is(t, err, gobreaker.ErrOpenState)
				eq(t, "runs while open", s.runs, 0)

				time.Sleep(time.Minute + 1)
				state(gobreaker.StateHalfOpen)
				_, err = h(bg, &payload{}) // a failed probe opens it again
				is(t, err, errOwn)
				state(gobreaker.StateOpen)

				time.Sleep(time.Minute + 1)
				s.h = nop
				for range 2 {
					_, err = h(bg, &payload{})
					must(t, err)
				}
				state(gobreaker.StateClosed)
				eq(t, "flags", guardOf(t, c, "x").flags.Load(), 0)
				eq(t, "trips", c.Stats().Links[0].Trips, 2)
			})
		})
	}
}

func TestOpenBreakerOfAFailOpenLink(t *testing.T) {
	var s subject
	for name, link := range s.links(TripAfter(2), OnFailure(Ignore)) {
		t.Run("behaviour 24: bypassed, "+name, func(t *testing.T) {
			s = subject{h: fail(errOwn)}
			c := newChain(t, link)
			h := c.Then(nop)
			for range 10 {
				in := &payload{}
				out, err := h(bg, in)
				must(t, err)
				eq(t, "result", out, in)
			}
			eq(t, "runs", s.runs, 2)
			st, _ := c.Stats().Link("x")
			eq(t, "failures, ignored, trips", [3]int64{st.Failures, st.Ignored, st.Trips}, [3]int64{10, 10, 1})
		})
	}
}

func TestTripAfter(t *testing.T) {
	for n, want := range map[uint32]int{0: 6, 1: 1, 3: 3, 9: 9} {
		s := subject{h: fail(errOwn)}
		c := newChain(t, Before("x", s.run, TripAfter(n)))
		h := c.Then(nop)
		for range 20 {
			_, _ = h(bg, &payload{})
		}
		eq(t, fmt.Sprint("behaviour 24: runs with TripAfter ", n), s.runs, want)
	}
	// a success in between starts the count anew
	s := subject{}
	c := newChain(t, Before("x", s.run, TripAfter(2)))
	h := c.Then(nop)
	for i := range 20 {
		s.h = nop
		if i%2 == 0 {
			s.h = fail(errOwn)
		}
		_, _ = h(bg, &payload{})
		eq(t, "armed", guardOf(t, c, "x").flags.Load()&armed != 0, i%2 == 0)
	}
	eq(t, "runs", s.runs, 20)
}

func TestHalfOpenLetsMaxRequestsThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s subject
		c := newChain(t, Before("x", func(ctx context.Context, p *payload) (*payload, error) { return s.h(ctx, p) },
			Breaker(gobreaker.Settings{Timeout: time.Minute, MaxRequests: 3})))
		h := c.Then(nop)
		trip(t, h, &s)
		time.Sleep(time.Minute + 1)
		s.h = func(_ context.Context, p *payload) (*payload, error) { time.Sleep(time.Second); return p, nil }
		results := make(chan error, 5)
		for range 5 {
			go func() { _, err := h(bg, &payload{}); results <- err }()
		}
		var ok, refused int
		for range 5 {
			switch err := <-results; {
			case err == nil:
				ok++
			case errors.Is(err, gobreaker.ErrTooManyRequests):
				refused++
			default:
				t.Error(err)
			}
		}
		eq(t, "behaviour 24: probes, refused", [2]int{ok, refused}, [2]int{3, 2})
		eq(t, "state", guardOf(t, c, "x").State(), gobreaker.StateClosed)
	})
}

func TestHalfOpenProbesDoNotStick(t *testing.T) {
	probes := map[string]struct {
		h     Handler[*payload]
		state gobreaker.State // just after
		bound time.Duration   // when it is over at the latest
	}{
		"Goexit":    {goexits, gobreaker.StateOpen, 0},
		"panic":     {panics, gobreaker.StateOpen, 0},
		"hang":      {func(context.Context, *payload) (*payload, error) { time.Sleep(24 * time.Hour); return nil, errOwn }, gobreaker.StateHalfOpen, time.Minute},
		"violation": {block("no"), gobreaker.StateClosed, 0},
		"nil":       {func(context.Context, *payload) (*payload, error) { return nil, nil }, gobreaker.StateOpen, 0},
	}
	var s subject
	for kind, link := range s.links(Breaker(gobreaker.Settings{Timeout: time.Minute})) {
		for name, probe := range probes {
			t.Run("behaviours 21, 24: "+kind+", "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s = subject{}
					c := newChain(t, link)
					h := c.Then(nop)
					g := guardOf(t, c, "x")
					trip(t, h, &s)
					time.Sleep(time.Minute + 1)
					s.h = probe.h
					go func() { _, _ = h(bg, &payload{}) }()
					synctest.Wait()
					eq(t, "state", g.State(), probe.state)
					if probe.bound > 0 {
						_, err := h(bg, &payload{})
						is(t, err, gobreaker.ErrTooManyRequests)
						if kind == "timed" {
							probe.bound = 20 * time.Second // the link's own timeout comes first
						}
						time.Sleep(probe.bound + 1)
						synctest.Wait()
						eq(t, "state when the probe's time is over", g.State(), gobreaker.StateOpen)
					}
					time.Sleep(time.Minute + 1)
					s.h = nop
					_, err := h(bg, &payload{})
					must(t, err)
					eq(t, "state in the end", g.State(), gobreaker.StateClosed)
					eq(t, "flags in the end", g.flags.Load(), 0)
					time.Sleep(25 * time.Hour) // what the hung probe returns now is not heard
					synctest.Wait()
					eq(t, "state after the late result", g.State(), gobreaker.StateClosed)
				})
			})
		}
	}
}

func TestProbeBoundOfATimedHook(t *testing.T) {
	// behaviour 24: the smaller of the breaker's timeout and twice the link's own
	for _, tc := range []struct{ breaker, own, want time.Duration }{
		{0, 0, time.Minute}, {time.Hour, 0, time.Hour}, {time.Hour, time.Second, 2 * time.Second}, {time.Second, time.Minute, time.Second},
	} {
		l := Before("x", nop, Breaker(gobreaker.Settings{Timeout: tc.breaker}), Timeout(tc.own))
		eq(t, fmt.Sprint(tc), guardOf(t, newChain(t, l), "x").probe, tc.want)
	}
}

func TestSlowBackendIsNoHungProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		own, slow := true, false
		c := newChain(t, Around("x", around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			if own {
				return nil, errOwn
			}
			return next(ctx, p)
		}), Breaker(gobreaker.Settings{Timeout: time.Minute})))
		h := c.Then(func(_ context.Context, p *payload) (*payload, error) {
			if slow {
				time.Sleep(time.Hour)
			}
			return p, nil
		})
		for range 6 {
			_, _ = h(bg, &payload{})
		}
		own, slow = false, true
		time.Sleep(time.Minute + 1)
		done := make(chan error, 1)
		go func() { _, err := h(bg, &payload{}); done <- err }()
		synctest.Wait()
		time.Sleep(2 * time.Minute)
		eq(t, "state", guardOf(t, c, "x").State(), gobreaker.StateHalfOpen)
		slow = false
		_, err := h(bg, &payload{}) // the place of the slow probe is free again
		must(t, err)
		eq(t, "state", guardOf(t, c, "x").State(), gobreaker.StateClosed)
		must(t, <-done)
	})
}

func TestResultOfAnExcludedProbeIsNotHeardAgain(t *testing.T) {
	// behaviour 24: the bound of a probe inside next excludes it; what it returns later is not booked for the second time
	synctest.Test(t, func(t *testing.T) {
		own := true
		c := newChain(t, Around("x", around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			if own {
				return nil, errOwn
			}
			return next(ctx, p)
		})))
		h := c.Then(func(_ context.Context, p *payload) (*payload, error) { time.Sleep(time.Hour); return p, nil })
		for range 6 {
			_, _ = h(bg, &payload{})
		}
		own = false
		time.Sleep(time.Minute + 1)
		_, err := h(bg, &payload{})
		must(t, err)
		g := guardOf(t, c, "x")
		eq(t, "state", g.State(), gobreaker.StateHalfOpen)
		eq(t, "successes on record", g.cb.Counts().TotalSuccesses, 0)
		eq(t, "exclusions on record", g.cb.Counts().TotalExclusions, 1)
	})
}

func TestFailuresInFlightWhenTheLinkArmed(t *testing.T) {
	// behaviour 24: what began before the first failure is booked too
	synctest.Test(t, func(t *testing.T) {
		s := subject{h: func(context.Context, *payload) (*payload, error) { time.Sleep(time.Second); return nil, errOwn }}
		c := newChain(t, Before("x", func(ctx context.Context, p *payload) (*payload, error) { return s.h(ctx, p) }))
		h := c.Then(nop)
		for range 6 {
			go func() { _, _ = h(bg, &payload{}) }()
		}
		time.Sleep(2 * time.Second)
		eq(t, "state", guardOf(t, c, "x").State(), gobreaker.StateOpen)
	})
	synctest.Test(t, func(t *testing.T) {
		c := newChain(t, Before("x", func(_ context.Context, p *payload) (*payload, error) {
			time.Sleep(time.Duration(p.n) * time.Second)
			if p.text == "fail" {
				return nil, errOwn
			}
			return p, nil
		}))
		h := c.Then(nop)
		go func() { _, _ = h(bg, &payload{n: 2}) }()
		synctest.Wait()
		_, _ = h(bg, &payload{text: "fail"})
		g := guardOf(t, c, "x")
		eq(t, "flags", g.flags.Load(), armed)
		time.Sleep(3 * time.Second)
		eq(t, "flags after a success that was in flight", g.flags.Load(), 0)
		eq(t, "on record", g.cb.Counts().ConsecutiveFailures, 0)
	})
}

func TestUsersSettings(t *testing.T) {
	var asked []error
	settings := gobreaker.Settings{
		IsExcluded: func(err error) bool {
			asked = append(asked, err)
			return errors.Is(err, io.EOF)
		},
		IsSuccessful: func(err error) bool { return errors.Is(err, io.ErrNoProgress) },
	}
	for _, tc := range []struct {
		name    string
		link    Link[*payload]
		handler Handler[*payload]
		asked   int
		counts  gobreaker.Counts
	}{
		{"own error", Before("x", fail(errOwn), Breaker(settings)), nop, 1, gobreaker.Counts{Requests: 1, TotalFailures: 1, ConsecutiveFailures: 1}},
		{"excluded by the user", Before("x", fail(io.EOF), Breaker(settings)), nop, 1, gobreaker.Counts{}},
		{"success to the user", Before("x", fail(io.ErrNoProgress), Breaker(settings)), nop, 1, gobreaker.Counts{}},
		{"behaviour 23: a violation is not asked about", Before("x", block("no"), Breaker(settings)), nop, 0, gobreaker.Counts{}},
		{"behaviour 23: nor is the backend's error", Around("x", passOn, Breaker(settings)), fail(errBackend), 0, gobreaker.Counts{}},
		{"nor a panic", Before("x", panics, Breaker(settings)), nop, 0, gobreaker.Counts{Requests: 1, TotalFailures: 1, ConsecutiveFailures: 1}},
		{
			"a callback that panics", Before("x", fail(errOwn), Breaker(gobreaker.Settings{IsExcluded: func(error) bool { panic("user") }})), nop, 0,
			gobreaker.Counts{Requests: 1, TotalFailures: 1, ConsecutiveFailures: 1},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			asked = nil
			c := newChain(t, tc.link)
			_, err := c.Then(tc.handler)(bg, &payload{})
			if err == nil {
				t.Error("no error")
			}
			eq(t, "asked", len(asked), tc.asked)
			eq(t, "counts", guardOf(t, c, "x").cb.Counts(), tc.counts)
		})
	}
}

func TestCallbacksMayAsk(t *testing.T) {
	// behaviour 25
	var c *Chain[*payload]
	var changes []string
	ask := func() {
		g := guardOf(t, c, "x")
		_, _, _, _ = g.State(), c.Explain(), c.Stats(), c.Enable("x")
	}
	l := Before("x", fail(errOwn), Breaker(gobreaker.Settings{
		Timeout:     time.Minute,
		IsExcluded:  func(error) bool { ask(); _ = guardOf(t, c, "x").cb.Counts(); return false },
		ReadyToTrip: func(n gobreaker.Counts) bool { ask(); return n.TotalFailures > 2 },
		OnStateChange: func(name string, from, to gobreaker.State) {
			ask()
			g := guardOf(t, c, "x")
			_, _ = g.cb.Counts(), g.cb.State() // a deadlock inside gobreaker's own callback
			changes = append(changes, fmt.Sprintf("%s %s>%s", name, from, to))
			panic("user")
		},
	}))
	synctest.Test(t, func(t *testing.T) {
		c = newChain(t, l)
		h := c.Then(nop)
		for range 5 {
			_, _ = h(bg, &payload{})
		}
		time.Sleep(time.Minute + 1)
		_, _ = h(bg, &payload{})
		eq(t, "changes, in order", strings.Join(changes, ", "), "t/x closed>open, t/x open>half-open, t/x half-open>open")
	})
}

func TestCallbacksMisbehave(t *testing.T) {
	t.Run("ReadyToTrip panics: gobreaker's default holds", func(t *testing.T) {
		s := subject{h: fail(errOwn)}
		c := newChain(t, Before("x", s.run, Breaker(gobreaker.Settings{ReadyToTrip: func(gobreaker.Counts) bool { panic("user") }})))
		h := c.Then(nop)
		for range 10 {
			_, _ = h(bg, &payload{})
		}
		eq(t, "runs", s.runs, 6)
	})
	t.Run("OnStateChange calls Goexit: the next change is told all the same", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			told := 0
			var s subject
			c := newChain(t, Before("x", s.run, TripAfter(1), Breaker(gobreaker.Settings{Timeout: time.Minute, OnStateChange: func(string, gobreaker.State, gobreaker.State) {
				if told++; told == 1 {
					goexits(bg, nil) //nolint:errcheck // never returns
				}
			}})))
			h := c.Then(nop)
			s.h = fail(errOwn)
			eq(t, "came back", apartFrom(func() { _, _ = h(bg, &payload{}) }), false)
			time.Sleep(time.Minute + 1)
			s.h = nop
			_, err := h(bg, &payload{})
			must(t, err)
			eq(t, "told", told, 3)
		})
	})
	t.Run("OnStateChange calls the chain", func(t *testing.T) {
		var h Handler[*payload]
		calls := 0
		s := subject{h: fail(errOwn)}
		c := newChain(t, Before("x", s.run, TripAfter(1), Breaker(gobreaker.Settings{OnStateChange: func(string, gobreaker.State, gobreaker.State) {
			calls++
			_, _ = h(bg, &payload{})
		}})))
		h = c.Then(nop)
		_, err := h(bg, &payload{})
		is(t, err, errOwn)
		eq(t, "calls", calls, 1)
	})
}

func TestReloadBringsNewCallbacks(t *testing.T) {
	which := ""
	set := func(name string) []Link[*payload] {
		return []Link[*payload]{Before("x", fail(errOwn), TripAfter(3), Breaker(gobreaker.Settings{OnStateChange: func(string, gobreaker.State, gobreaker.State) { which += name }}))}
	}
	c := newChain(t)
	must(t, c.Reload(set("old")...))
	h := c.Then(nop)
	_, _ = h(bg, &payload{})
	must(t, c.Reload(set("new")...))
	for range 2 {
		_, _ = h(bg, &payload{})
	}
	eq(t, "told", which, "new")
}

func TestAlwaysAskingBreakers(t *testing.T) {
	for name, st := range map[string]gobreaker.Settings{
		"ReadyToTrip": alwaysAsk, "Interval": {Interval: time.Minute}, "BucketPeriod": {Interval: time.Minute, BucketPeriod: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			s := subject{h: nop}
			c := newChain(t, Before("x", s.run, Breaker(st)))
			h := c.Then(nop)
			for range 3 {
				_, err := h(bg, &payload{})
				must(t, err)
			}
			eq(t, "behaviour 24: successes on record", guardOf(t, c, "x").cb.Counts().TotalSuccesses, 3)
			if notes := c.Explain().Links[0].Notes; len(notes) != 1 || notes[0] != "always asks its breaker" {
				t.Errorf("notes %q", notes)
			}
		})
	}
}

func TestCounted(t *testing.T) {
	for name, link := range map[string]Link[*payload]{
		"hook":          Before("x", nop, Counted()),
		"around":        Around("x", passOn, Counted()),
		"concurrent":    Before("x", nop, InMode(Concurrent), Counted()),
		"after":         After("x", nop, Counted()),
		"background":    Before("x", nop, InMode(FireAndForget), Counted()),
		"shadow":        Around("x", passOn, InMode(Audit), Counted()),
		"observer":      Observe("x", ignore, Counted()),
		"timed":         Before("x", nop, Timeout(time.Hour), Counted()),
		"audit":         Before("x", nop, InMode(Audit), Counted()),
		"around, open":  Around("x", passOn, Counted(), OnFailure(Ignore)),
		"always asking": Before("x", nop, Counted(), Breaker(alwaysAsk)),
	} {
		t.Run(name, func(t *testing.T) {
			c := newChain(t)
			must(t, c.Reload(link))
			h := c.Then(nop)
			for range 5 {
				_, err := h(bg, &payload{})
				must(t, err)
			}
			must(t, c.Drain(bg))
			s, _ := c.Stats().Link("x")
			eq(t, "calls", s.Calls, 5)
		})
	}
	t.Run("switched off by a reload", func(t *testing.T) {
		c := newChain(t)
		must(t, c.Reload(Before("x", nop, Counted())))
		h := c.Then(nop)
		_, _ = h(bg, &payload{})
		must(t, c.Reload(Before("x", nop)))
		_, _ = h(bg, &payload{})
		eq(t, "calls", c.Stats().Links[0].Calls, 1)
	})
}
