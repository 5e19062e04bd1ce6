package chain

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sony/gobreaker/v2"
)

// OnFailure(Disable) switches a link off for what is its own fault, and for nothing else.
func TestWhatSwitchesALinkOff(t *testing.T) {
	faults := []struct {
		name string
		h    func(cancel func()) Handler[*payload]
		off  bool
	}{
		{"A4: an error", func(func()) Handler[*payload] { return fail(errOwn) }, true},
		{"A4: a panic", func(func()) Handler[*payload] { return panics }, true},
		{"A4: a nil result", func(func()) Handler[*payload] {
			return func(context.Context, *payload) (*payload, error) { return nil, nil }
		}, true},
		{"A4: a panic after the caller has gone", func(cancel func()) Handler[*payload] {
			return func(context.Context, *payload) (*payload, error) { cancel(); panic("boom") }
		}, true},
		{"A4: the caller's context ends", func(cancel func()) Handler[*payload] {
			return func(ctx context.Context, _ *payload) (*payload, error) {
				cancel()
				<-ctx.Done()
				return nil, ctx.Err()
			}
		}, false},
		{"A4: the caller's context ends, told otherwise", func(cancel func()) Handler[*payload] {
			return func(context.Context, *payload) (*payload, error) { cancel(); return nil, errOwn }
		}, false},
		{"A4: a refusal", func(func()) Handler[*payload] { return fail(Refuse(errOwn)) }, false},
		{"A4: a wrapped refusal", func(func()) Handler[*payload] { return fail(fmt.Errorf("busy: %w", Refuse(errOwn))) }, false},
	}
	var h Handler[*payload]
	run := func(ctx context.Context, p *payload) (*payload, error) { return h(ctx, p) }
	for _, tc := range []struct {
		name string
		link Link[*payload]
	}{
		{"Before", Before("x", run, OnFailure(Disable))},
		{"After", After("x", run, OnFailure(Disable))},
		{"timed", Before("x", run, OnFailure(Disable), Timeout(time.Hour))},
		{"asking", Before("x", run, OnFailure(Disable), Breaker(alwaysAsk))},
		{"Audit", Before("x", run, OnFailure(Disable), InMode(Audit))},
		{"Around", Around("x", answer(run), OnFailure(Disable))},
		{"asking Around", Around("x", answer(run), OnFailure(Disable), Breaker(alwaysAsk))},
		{"Around after next", Around("x", afterNext(run), OnFailure(Disable))},
		{"Outer", Around("x", answer(run), OnFailure(Disable), Outer())},
		{"shadow", Around("x", answer(run), OnFailure(Disable), InMode(Audit))},
	} {
		for _, f := range faults {
			if tc.link.timeout > 0 && strings.Contains(f.name, "panic after") {
				continue // nobody waits for it
			}
			t.Run(f.name+", "+tc.name, func(t *testing.T) {
				c := newChain(t, tc.link)
				calls := 0
				call := c.Then(func(_ context.Context, p *payload) (*payload, error) { calls++; return p, nil })
				ctx, cancel := context.WithCancel(bg)
				defer cancel()
				h = f.h(cancel)
				in := &payload{text: "in"}
				out, err := call(ctx, in)
				must(t, err) // it goes on like Ignore
				eq(t, "result", out, in)
				eq(t, "handler calls", calls, 1)
				s, _ := c.Stats().Link("x")
				eq(t, "failures, ignored", [2]int64{s.Failures, s.Ignored}, [2]int64{1, 1})
				eq(t, "off", s.State == "off", f.off)
				runs := 0
				h = func(context.Context, *payload) (*payload, error) { runs++; return nil, Block("no") }
				_, err = call(bg, in)
				eq(t, "runs", runs == 0, f.off)
				if !f.off && tc.link.mode == Sequential {
					blockedBy(t, err, "x")
				}
			})
		}
	}
}

func TestTimeoutSwitchesALinkOff(t *testing.T) {
	hang := func(context.Context, *payload) (*payload, error) { time.Sleep(time.Hour); return nil, errOwn }
	for _, m := range []Mode{Sequential, Concurrent, Audit} {
		for _, cancelled := range []bool{false, true} {
			t.Run(fmt.Sprint("A4: ", m, ", the caller gives up before: ", cancelled), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := newChain(t, Before("x", hang, Timeout(time.Second), InMode(m), OnFailure(Disable)))
					ctx, cancel := context.WithCancel(bg)
					defer cancel()
					if cancelled {
						time.AfterFunc(time.Millisecond, cancel)
					}
					_, err := c.Then(nop)(ctx, &payload{})
					if !cancelled {
						must(t, err)
					}
					eq(t, "off", c.Stats().Links[0].State == "off", !cancelled)
					time.Sleep(2 * time.Hour)
				})
			})
		}
	}
}

func TestReloadSwitchesALinkOnAgain(t *testing.T) {
	failing := func(opts ...Option) Link[*payload] { return Before("x", fail(errOwn), append(opts, TripAfter(9))...) }
	for _, tc := range []struct {
		name string
		to   []Link[*payload]
		off  bool
		err  bool // of the call after
	}{
		{"A5: to Fail", []Link[*payload]{failing(OnFailure(Fail))}, false, true},
		{"A5: to the default", []Link[*payload]{failing()}, false, true},
		{"A5: to Ignore", []Link[*payload]{failing(OnFailure(Ignore))}, false, false},
		{"A5: Disable as before", []Link[*payload]{failing(OnFailure(Disable))}, true, false},
		{"A5: Disable as before, another priority", []Link[*payload]{failing(OnFailure(Disable), Priority(7))}, true, false},
		{"B13: a change that is refused", []Link[*payload]{failing(OnFailure(Fail)), Before("y", nop), Before("y", nop)}, true, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newChain(t)
			r, err := c.Use(Before("replaced", nop))
			must(t, err)
			for how, replace := range map[string]func(...Link[*payload]) error{"Reload": c.Reload, "Replace": r.Replace} {
				must(t, replace(failing(OnFailure(Disable))))
				h := c.Then(nop)
				_, err = h(bg, &payload{})
				must(t, err)
				s, _ := c.Stats().Link("x")
				eq(t, how+": off", s.State, "off")
				err = replace(tc.to...)
				eq(t, how+": refused", err != nil, len(tc.to) > 1)
				s, _ = c.Stats().Link("x")
				eq(t, how+": off after it", s.State == "off", tc.off)
				_, err = h(bg, &payload{})
				eq(t, how+": the call fails", err != nil, tc.err)
				if tc.err {
					blamed(t, err, "x")
				}
				must(t, replace())
			}
		})
	}
}

// A change of the links that is refused changes nothing of those that are there.
func TestRefusedChangesChangeNothing(t *testing.T) {
	told := ""
	settings := func(name string) Option {
		return Breaker(gobreaker.Settings{OnStateChange: func(string, gobreaker.State, gobreaker.State) { told += name }})
	}
	c := newChain(t)
	old := Before("x", fail(errOwn), Counted(), TripAfter(2), settings("old"))
	r, err := c.Use(old)
	must(t, err)
	h := c.Then(nop)
	_, _ = h(bg, &payload{})
	for name, links := range map[string][]Link[*payload]{
		"name twice":      {Before("x", nop, TripAfter(2), settings("new")), Before("y", nop), Before("y", nop)},
		"bad link":        {Before("x", nop, TripAfter(2), settings("new")), Before[*payload]("y", nil)},
		"bad constraints": {Before("x", nop, TripAfter(2), settings("new")), Before("a", nop, RunsBefore("b")), Before("b", nop, RunsBefore("a"))},
	} {
		if r.Replace(links...) == nil || c.Reload(append(links, old)...) == nil {
			t.Errorf("%s: not refused", name)
		}
	}
	_, err = h(bg, &payload{})
	is(t, err, errOwn)
	s, _ := c.Stats().Link("x")
	eq(t, "B13: calls", s.Calls, 2)
	eq(t, "B13: trips", s.Trips, 1)
	eq(t, "B13: told", told, "old")
	eq(t, "B13: links", named(c.Explain()), "x")
}

// A link in the mode Disabled keeps its state, and has no say in the order.
func TestDisabledAndBack(t *testing.T) {
	applied := 0
	cache := Around("cache", func(next Handler[*payload]) Handler[*payload] {
		applied++
		n := 0
		return func(ctx context.Context, p *payload) (*payload, error) {
			n++
			_, _ = next(ctx, p)
			return p.with(fmt.Sprint(n)), nil
		}
	})
	c := newChain(t)
	h := c.Then(nop)
	for i, step := range []struct {
		mode Mode
		want string
	}{{Sequential, "1"}, {Disabled, "in"}, {Disabled, "in"}, {Sequential, "2"}, {Audit, "in"}, {Disabled, "in"}, {Sequential, "4"}} {
		must(t, c.Reload(cache.With(InMode(step.mode)), Before("b", nop)))
		out, err := h(bg, &payload{text: "in"})
		must(t, err)
		eq(t, fmt.Sprint("B7: step ", i), out.text, step.want)
		eq(t, "B7: applied", applied, 1)
	}
	must(t, c.Reload())
	_, _ = h(bg, &payload{})
	must(t, c.Reload(cache))
	out, err := h(bg, &payload{})
	must(t, err)
	eq(t, "taken away and back, it begins anew", out.text, "1")
}

func TestConstraintsOfDisabledLinks(t *testing.T) {
	off := InMode(Disabled)
	for _, tc := range []struct {
		name  string
		links []Link[*payload]
		want  string
		note  string
	}{
		{"B6: that come later anyway", []Link[*payload]{Before("a", nop, RunsBefore("b"), off), Before("b", nop)}, "b a", ""},
		{"B6: on one that comes later anyway", []Link[*payload]{Before("a", nop, off), Before("b", nop, RunsAfter("a"))}, "b a", `"b" is ordered against "a"`},
		{"B6: of other rings", []Link[*payload]{After("a", nop, RunsBefore("b"), off), Before("b", nop, RunsAfter("a"))}, "b a", `"b" is ordered against "a"`},
		{
			"B6: that would make a cycle",
			[]Link[*payload]{Around("a", passOn, RunsBefore("b"), off), Around("b", passOn, RunsBefore("c")), Around("c", passOn, RunsBefore("a"))},
			"a b c",
			`"c" is ordered against "a"`,
		},
		{"B6: that would move others", []Link[*payload]{Around("a", passOn), Around("b", passOn, RunsBefore("a"), off), Around("c", passOn, RunsBefore("b"))}, "a b c", `"c" is ordered against "b"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newChain(t, tc.links...)
			plan := c.Explain()
			eq(t, "order", named(plan), tc.want)
			notes := strings.Join(plan.Notes, "; ")
			if !strings.Contains(notes, tc.note) || (tc.note == "") != (notes == "") {
				t.Errorf("notes %q, want %q", notes, tc.note)
			}
			if tc.note != "" && !strings.Contains(plan.String(), "switched off") {
				t.Errorf("%v does not say why", plan)
			}
			_, err := c.Then(nop)(bg, &payload{})
			must(t, err)
		})
	}
	t.Run("B6: they hold again when the link is on", func(t *testing.T) {
		c := newChain(t)
		a, b := Before("a", nop), Before("b", nop, RunsBefore("a"))
		must(t, c.Reload(a, b.With(off)))
		must(t, c.Reload(a, b))
		eq(t, "order", named(c.Explain()), "b a")
		must(t, c.Reload(a.With(RunsBefore("b")), b.With(off)))
		if err := c.Reload(a.With(RunsBefore("b")), b); err == nil {
			t.Error("links that wait for each other are taken")
		}
	})
}

func TestPullsFollowOnEachOther(t *testing.T) {
	// x asked to come before y, which is pulled forward only after it
	c := newChain(t, Before("a", nop), Before("b", nop), Before("c", nop), Before("w", nop, RunsBefore("x")), Before("x", nop, RunsBefore("y")), Before("y", nop, RunsBefore("b")))
	eq(t, "order", named(c.Explain()), "a w x y b c")
}

func TestMermaidOfDisabledLinks(t *testing.T) {
	c := newChain(t, Before("here", nop), Before("gone", nop, InMode(Disabled)), Around("gone too", passOn, InMode(Disabled)), Observe("gone as well", ignore, InMode(Disabled)))
	diagram := c.Explain().Mermaid()
	eq(t, "C: the one that runs", strings.Contains(diagram, "process/here"), true)
	if strings.Contains(diagram, "gone") {
		t.Errorf("C: the diagram has links that do not run:\n%s", diagram)
	}
}

func TestNotSwitchedOffByAbandonedRuns(t *testing.T) {
	// A1, A4: that too many runs are left behind is not this run's fault
	synctest.Test(t, func(t *testing.T) {
		for policy, goesOn := range map[Failure]bool{Fail: false, Ignore: true, Disable: true} {
			release := make(chan struct{})
			c := newChain(t, Before("x", func(_ context.Context, p *payload) (*payload, error) { <-release; return p, nil }, InMode(Concurrent), OnFailure(policy)),
				Before("b", func(_ context.Context, p *payload) (*payload, error) {
					if p.text == "block" {
						return nil, Block("no")
					}
					return p, nil
				}, InMode(Concurrent)))
			h := c.Then(nop)
			for range maxLeft {
				_, err := h(bg, &payload{text: "block"})
				blockedBy(t, err, "b")
			}
			g := guardOf(t, c, "x")
			eq(t, "abandoned", g.abandoned.Load(), maxLeft)
			for range 3 {
				_, err := h(bg, &payload{})
				if goesOn {
					must(t, err)
				} else {
					blamed(t, err, "x")
					is(t, err, ErrAbandoned)
				}
			}
			eq(t, "failures", g.failures.Load(), 3)
			eq(t, "on the breaker's record", g.cb.Counts(), gobreaker.Counts{})
			eq(t, "flags", g.flags.Load(), 0)
			close(release)
			synctest.Wait()
			_, err := h(bg, &payload{})
			must(t, err)
			eq(t, "failures when they have ended", g.failures.Load(), 3)
			if _, err = h(bg, &payload{text: "block"}); !errors.As(err, new(*Violation)) {
				t.Error(err)
			}
		}
	})
}
