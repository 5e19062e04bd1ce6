package chain

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func TestConcurrent(t *testing.T) {
	m := InMode(Concurrent)
	after := func(d time.Duration, h Handler[*payload]) Handler[*payload] {
		return func(ctx context.Context, p *payload) (*payload, error) { time.Sleep(d); return h(ctx, p) }
	}
	wait := func(ctx context.Context, _ *payload) (*payload, error) { <-ctx.Done(); return nil, ctx.Err() }
	linger := func(ctx context.Context, p *payload) (*payload, error) { // too late for the engine to hear of it
		defer time.Sleep(time.Millisecond)
		return wait(ctx, p)
	}
	ctxCause := errors.New("the caller went away")
	for _, tc := range []struct {
		name   string
		links  []Link[*payload]
		took   time.Duration
		winner string // the link that blocked or failed the call
		stats  map[string]LinkStats
	}{
		{
			"behaviour 16: run in parallel",
			[]Link[*payload]{Before("a", after(time.Second, nop), m), Before("b", after(time.Second, nop), m)},
			time.Second, "", nil,
		},
		{
			"behaviour 16: the first violation cancels the siblings",
			[]Link[*payload]{Before("w1", linger, m), Before("b", after(time.Second, block("no")), m), Before("w2", linger, m)},
			time.Second, "b",
			map[string]LinkStats{"w1": {Abandoned: 1}, "b": {Blocks: 1}, "w2": {Abandoned: 1}},
		},
		{
			"behaviour 16: and does not wait for one that ignores its context",
			[]Link[*payload]{Before("slow", after(time.Hour, fail(errOwn)), m), Before("b", after(time.Second, block("no")), m)},
			time.Second, "b",
			map[string]LinkStats{"slow": {Abandoned: 1}},
		},
		{
			"behaviour 16: rewrites are discarded",
			[]Link[*payload]{Before("a", add("lost"), m)},
			0, "",
			map[string]LinkStats{"a": {WouldRewrites: 1}},
		},
		{
			"behaviour 16: an early one beats a prior one",
			[]Link[*payload]{Before("first", after(time.Second, block("no")), m), Before("early", block("no"), m)},
			0, "early", nil,
		},
		{
			"a failure that is closed wins too",
			[]Link[*payload]{Before("f", after(time.Second, fail(errOwn)), m), Before("w", wait, m)},
			time.Second, "f",
			map[string]LinkStats{"f": {Failures: 1}},
		},
		{
			"a failure that is open does not",
			[]Link[*payload]{Before("f", fail(errOwn), m, OnFailure(Ignore)), Before("a", after(time.Second, nop), m)},
			time.Second, "",
			map[string]LinkStats{"f": {Failures: 1, Ignored: 1}},
		},
		{"a panic is a failure", []Link[*payload]{Before("p", panics, m), Before("w", wait, m)}, 0, "p", map[string]LinkStats{"p": {Failures: 1}}},
		{
			"one past its timeout",
			[]Link[*payload]{Before("slow", after(time.Hour, nop), m, Timeout(time.Second)), Before("w", wait, m)},
			time.Second, "slow",
			map[string]LinkStats{"slow": {Failures: 1, Abandoned: 1}},
		},
		{"an After", []Link[*payload]{After("b", block("no"), m), After("w", wait, m)}, 0, "b", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newChain(t, tc.links...)
				in := &payload{text: "in"}
				start := time.Now()
				out, err := c.Then(nop)(bg, in)
				eq(t, "took", time.Since(start), tc.took)
				if tc.winner == "" {
					must(t, err)
					eq(t, "payload", out, in)
				} else {
					var v *Violation
					if !errors.As(err, &v) {
						blamed(t, err, tc.winner)
					} else {
						eq(t, "winner", v.Link, tc.winner)
					}
				}
				time.Sleep(2 * time.Hour) // behaviour 16: nothing is left for ever
				for name, want := range tc.stats {
					s, _ := c.Stats().Link(name)
					got := LinkStats{Failures: s.Failures, Ignored: s.Ignored, Blocks: s.Blocks, WouldRewrites: s.WouldRewrites, Abandoned: s.Abandoned, Running: s.Running}
					eq(t, "counts of "+name, got, want)
				}
				for _, l := range c.Stats().Links {
					if l.Failures == 0 && l.Link != "slow" {
						healthyLinks(t, c, l.Link)
					}
				}
			})
		})
	}
	t.Run("the caller's context ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var r recorder
			c := newChain(t, Before("slow", after(time.Hour, fail(errOwn)), m), Before("w", wait, m), Observe("r", r.observe))
			ctx, cancel := context.WithCancelCause(bg)
			time.AfterFunc(time.Second, func() { cancel(ctxCause) })
			start := time.Now()
			_, err := c.Then(nop)(ctx, &payload{})
			is(t, err, ctxCause)
			eq(t, "took", time.Since(start), time.Second)
			eq(t, "verdict", r.only(t).Verdict, Canceled)
			time.Sleep(2 * time.Hour)
			healthyLinks(t, c, "slow", "w")
			eq(t, "running", guardOf(t, c, "slow").running.Load(), 0)
		})
	})
}

func TestConcurrentSiblingsHaveOneContext(t *testing.T) {
	var seen atomic.Int32
	h := func(ctx context.Context, p *payload) (*payload, error) {
		if ctx.Value(ctxKey("k")) == "v" {
			seen.Add(1)
		}
		return p, nil
	}
	c := newChain(t, Before("a", h, InMode(Concurrent)), Before("b", h, InMode(Concurrent)), Before("off", panics, InMode(Concurrent), OnFailure(Disable)))
	call := c.Then(nop)
	for range 2 {
		_, err := call(context.WithValue(bg, ctxKey("k"), "v"), &payload{})
		must(t, err)
	}
	eq(t, "contexts with the caller's values", seen.Load(), 4)
	eq(t, "failures of the one that is off", guardOf(t, c, "off").failures.Load(), 1)
}

func TestConcurrentTies(t *testing.T) {
	// behaviour 16: of several violations that are there already, the first in order wins
	synctest.Test(t, func(t *testing.T) {
		core, _ := observer.New(zap.DebugLevel)
		log := zap.New(core, zap.Hooks(func(zapcore.Entry) error { time.Sleep(time.Second); return nil })) // while all others vote
		m := InMode(Concurrent)
		c := newChainWith(t, Config[*payload]{Logger: log}, Before("ignored", fail(errOwn), m, OnFailure(Ignore), Priority(1)))
		no := func(context.Context, *payload) (*payload, error) {
			time.Sleep(time.Millisecond)
			return nil, Block("no")
		}
		_, err := c.Use(Before("b60", no, m, Priority(60)), Before("b40", no, m, Priority(40)), Before("b50", no, m))
		must(t, err)
		h := c.Then(nop)
		for range 5 { // fewer than trip a breaker
			_, err = h(bg, &payload{})
			blockedBy(t, err, "b40")
		}
	})
}
