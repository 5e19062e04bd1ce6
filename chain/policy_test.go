package chain

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// onlyText lets links change the text on the way in, and the output on the way out.
func onlyText(pos Position, old, proposed *payload) (*payload, []string) {
	kept := *old
	var discarded []string
	keep := func(name string, writable bool, to *string, from string) {
		switch {
		case writable:
			*to = from
		case *to != from:
			discarded = append(discarded, name)
		}
	}
	keep("text", pos == In, &kept.text, proposed.text)
	keep("out", pos == Out, &kept.out, proposed.out)
	if kept.n != proposed.n {
		discarded = append(discarded, "n")
	}
	return &kept, discarded
}

func TestPolicyFiltersRewrites(t *testing.T) {
	forge := func(p *payload) *payload { return &payload{text: p.text + "+text", out: p.out + "+out", n: p.n + 1} }
	hook := func(_ context.Context, p *payload) (*payload, error) { return forge(p), nil }
	in := around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
		return next(ctx, forge(p))
	})
	out := around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
		p, err := next(ctx, p)
		if err != nil {
			return nil, err
		}
		return forge(p), nil
	})
	for _, tc := range []struct {
		name      string
		link      Link[*payload]
		want      payload
		discarded int64
		rewrites  int64
	}{
		{"behaviour 34: Before", Before("x", hook), payload{text: "t+text"}, 2, 1},
		{"behaviour 34: After", After("x", hook), payload{text: "t", out: "+out"}, 2, 1},
		{"behaviour 34: Transform", Before("x", hook, InMode(Transform)), payload{text: "t+text"}, 2, 1},
		{"behaviour 34: timed", Before("x", hook, Timeout(1<<40)), payload{text: "t+text"}, 2, 1},
		{"behaviour 34: what an Around gives to next", Around("x", in), payload{text: "t+text"}, 2, 1},
		{"behaviour 34: what an Outer gives to next", Around("x", in, Outer()), payload{text: "t+text"}, 2, 1},
		{"behaviour 34: what an Around returns", Around("x", out), payload{text: "t", out: "+out"}, 2, 1},
		{"behaviour 34: what an Outer returns", Around("x", out, Outer()), payload{text: "t", out: "+out"}, 2, 1},
		{"behaviour 34: an answer instead of next", Around("x", answer(hook)), payload{text: "t", out: "+out"}, 2, 1},
		{"behaviour 34: fail-open Around", Around("x", in, OnFailure(Ignore)), payload{text: "t+text"}, 2, 1},
		{"behaviour 34: Around that asks its breaker", Around("x", in, Breaker(alwaysAsk)), payload{text: "t+text"}, 2, 1},
		{"Audit", Before("x", hook, InMode(Audit)), payload{text: "t"}, 0, 0},
		{"shadow", Around("x", in, InMode(Audit)), payload{text: "t"}, 0, 0},
		{"same pointer", Before("x", nop), payload{text: "t"}, 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			core, logs := observer.New(zap.DebugLevel)
			var next *payload
			c := newChainWith(t, Config[*payload]{Policy: Policy[*payload]{Rewrite: onlyText}, Logger: zap.New(core)}, tc.link,
				Before("after x", func(_ context.Context, p *payload) (*payload, error) { next = p; return p, nil }, InMode(Audit), Priority(99)))
			got, err := c.Then(nop)(bg, &payload{text: "t"})
			must(t, err)
			eq(t, "result", *got, tc.want)
			if tc.link.Kind() == KindBefore {
				eq(t, "behaviour 34: the next link sees the filtered payload", *next, tc.want)
			}
			s, _ := c.Stats().Link("x")
			eq(t, "discarded", s.Discarded, tc.discarded)
			eq(t, "rewrites", s.Rewrites, tc.rewrites)
			reported := logs.FilterMessageSnippet("not writable")
			eq(t, "behaviour 34: the discarded names are reported", reported.Len() == 1, tc.discarded > 0)
			for _, e := range reported.All() {
				eq(t, "link", fmt.Sprint(e.ContextMap()["link"]), "x")
				eq(t, "names", len(e.ContextMap()["fields"].([]any)), 2)
			}
			healthyLinks(t, c, "after x")
		})
	}
}

func TestPolicyOnEveryNext(t *testing.T) {
	// the second next of a retry is filtered as the first one was
	var saw []payload
	c := newChainWith(t, Config[*payload]{Policy: Policy[*payload]{Rewrite: onlyText}}, Around("retry", around(
		func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			_, _ = next(ctx, &payload{text: "1", n: 1})
			return next(ctx, &payload{text: "2", n: 2})
		})))
	_, err := c.Then(func(_ context.Context, p *payload) (*payload, error) { saw = append(saw, *p); return nil, errBackend })(bg, &payload{})
	eq(t, "error", err, errBackend)
	if !slices.Equal(saw, []payload{{text: "1"}, {text: "2"}}) {
		t.Errorf("the handler saw %v", saw)
	}
}

func TestPolicyAndPartialOutput(t *testing.T) {
	// an Around cannot smuggle out a payload beside next's error
	c := newChainWith(t, Config[*payload]{Policy: Policy[*payload]{Rewrite: onlyText}}, Around("x", around(
		func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
			_, err := next(ctx, p)
			return &payload{text: "smuggled"}, err
		})))
	out, err := c.Then(func(_ context.Context, p *payload) (*payload, error) { return p.with("partial"), errBackend })(bg, &payload{})
	eq(t, "error", err, errBackend)
	eq(t, "partial output", out.text, "partial")
}

func TestPolicyThatMisbehaves(t *testing.T) {
	for name, rewrite := range map[string]func(Position, *payload, *payload) (*payload, []string){
		"panics":      func(Position, *payload, *payload) (*payload, []string) { panic("policy") },
		"returns nil": func(Position, *payload, *payload) (*payload, []string) { return nil, nil },
	} {
		for kind, link := range map[string]Link[*payload]{
			"hook": Before("x", add("!")), "After": After("x", add("!")), "Around": Around("x", answer(add("!"))),
			"next": Around("x", around(func(ctx context.Context, p *payload, next Handler[*payload]) (*payload, error) {
				return next(ctx, p.with("!"))
			})),
		} {
			t.Run(name+", "+kind, func(t *testing.T) {
				c := newChainWith(t, Config[*payload]{Policy: Policy[*payload]{Rewrite: rewrite}}, link)
				_, err := c.Then(nop)(bg, &payload{})
				blamed(t, err, "x")
			})
		}
	}
}

func TestPolicyKeepingTheOldPayloadStillLetsBlock(t *testing.T) {
	// behaviour 6: a hook may block also where it may not write
	observeOnly := Policy[*payload]{Rewrite: func(_ Position, old, _ *payload) (*payload, []string) { return old, []string{"all"} }}
	c := newChainWith(t, Config[*payload]{Policy: observeOnly}, Before("w", add("!")), Before("x", block("no")))
	_, err := c.Then(nop)(bg, &payload{})
	blockedBy(t, err, "x")
	s, _ := c.Stats().Link("w")
	eq(t, "discarded", s.Discarded, 1)
}

func TestNeverBlocks(t *testing.T) {
	for _, tc := range []struct {
		name   string
		never  Position
		link   Link[*payload]
		stops  bool
		blocks bool // else it fails
	}{
		{"behaviour 6: Before, at In", In, Before("x", block("no")), false, true},
		{"behaviour 6: Before, at Out", Out, Before("x", block("no")), true, true},
		{"behaviour 6: After, at Out", Out, After("x", block("no")), false, true},
		{"behaviour 6: After, at In", In, After("x", block("no")), true, true},
		{"behaviour 6: Concurrent", In, Before("x", block("no"), InMode(Concurrent)), false, true},
		{"behaviour 6: Around", Out, Around("x", answer(block("no"))), false, true},
		{"behaviour 6: Outer after next", In | Out, Around("x", afterNext(block("no")), Outer()), false, true},
		{"Fail acts as Ignore", In, Before("x", fail(errOwn), OnFailure(Fail)), false, false},
		{"Fail acts as Ignore for an Around", In | Out, Around("x", answer(panics)), false, false},
		{"and for Concurrent", In, Before("x", panics, InMode(Concurrent)), false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newChainWith(t, Config[*payload]{Policy: Policy[*payload]{NeverBlocks: tc.never}}, tc.link)
			calls := 0
			in := &payload{}
			out, err := c.Then(func(_ context.Context, p *payload) (*payload, error) { calls++; return p, nil })(bg, in)
			s, _ := c.Stats().Link("x")
			if tc.stops {
				blockedBy(t, err, "x")
				eq(t, "blocks", s.Blocks, 1)
				return
			}
			must(t, err)
			eq(t, "result", out, in)
			eq(t, "handler calls", calls, 1)
			eq(t, "would-blocks", s.WouldBlocks == 1, tc.blocks)
			eq(t, "ignored", s.Ignored == 1, !tc.blocks)
			if notes := c.Explain().Links[0].Notes; len(notes) != 1 || notes[0] != "never blocks here" {
				t.Errorf("notes %q", notes)
			}
		})
	}
}

func TestPolicyHoldsInScopes(t *testing.T) {
	c := newChainWith(t, Config[*payload]{Policy: Policy[*payload]{Rewrite: onlyText, NeverBlocks: In}})
	s, err := c.Scope(Before("x", block("no")), Before("y", func(_ context.Context, p *payload) (*payload, error) { return &payload{text: "y", n: 9}, nil }))
	must(t, err)
	out, err := s.Then(nop)(bg, &payload{})
	must(t, err)
	eq(t, "result", *out, payload{text: "y"})
}
