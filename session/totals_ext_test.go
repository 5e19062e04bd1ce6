package session_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// What a session says that it did is what its backends were asked, by whomever, unary and streamed. A Result has what its
// tries took, without the judge.
func TestTotals(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name        string
		steps       []step
		setup       func(*stages.Pipeline) error
		opts        func() []session.InstructOption
		generations int // of the session, each answered one is 2 tokens in and 1 out
		answered    int
		tries       int // of the result; -1: there is none
	}{
		{name: "one answer", steps: steps("yes"), generations: 1, answered: 1, tries: 1},
		{name: "a repair", steps: steps("no", "yes"), generations: 2, answered: 2, tries: 2},
		{name: "none passes", steps: steps("no", "no", "no"), generations: 3, answered: 3, tries: 3},
		{name: "an error between", steps: []step{answer("no"), fails(errDown), answer("yes")}, generations: 3, answered: 2, tries: 2},
		{name: "nothing but errors", steps: []step{fails(errDown), fails(errDown), fails(errDown)}, generations: 3, tries: -1},
		{name: "a tool", steps: []step{call("tide", "{}"), answer("yes")}, generations: 2, answered: 2, tries: 2},
		{name: "a tool, then an error", steps: []step{call("tide", "{}"), fails(errDown)}, generations: 2, answered: 1, tries: -1},
		{name: "votes", steps: steps("yes", "yes", "yes"), opts: using(session.MajorityVoting{Samples: 3}), generations: 3, answered: 3, tries: 3},
		{name: "a strong backend", steps: steps("no", "no"), opts: func() []session.InstructOption {
			return []session.InstructOption{session.Using(session.TwoSolver{Strong: script(answer("yes")), LoopBudget: 2})}
		}, generations: 3, answered: 3, tries: 3},
		{name: "a judge", steps: []step{answer("yes"), answer("no, dull"), answer("yes"), answer("yes")}, opts: func() []session.InstructOption {
			return []session.InstructOption{session.Require(session.Judge("Be kind."))}
		}, generations: 4, answered: 4, tries: 2},
		{name: "a judge of its own", steps: []step{answer("yes"), answer("yes")}, opts: func() []session.InstructOption {
			return []session.InstructOption{session.Require(session.Judge("Be kind.")), session.Using(session.TwoSolver{
				Strong: echo(), LoopBudget: 2, Judge: script(answer("no"), answer("yes")),
			})}
		}, generations: 4, answered: 4, tries: 2},
		{name: "a link's retry", steps: []step{fails(errDown), answer("yes")}, setup: around(ofGeneration,
			func(ctx context.Context, g *stages.Generation, next handler[*stages.Generation]) (*stages.Generation, error) {
				if out, err := next(ctx, g); err == nil {
					return out, nil
				}
				return next(ctx, g)
			}), generations: 2, answered: 1, tries: 1},
		{name: "a link's answer", setup: answering(ofGeneration, func(g *stages.Generation) *stages.Generation {
			return g.Done(stages.GenerationResult{Output: stages.Output{Text: "yes"}, Source: stages.SourceCache})
		})},
		{name: "a block behind the answer", steps: steps("yes"), setup: use1(generationChain, chain.After("no", blocking[*stages.Generation])), generations: 1, answered: 1, tries: -1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			fresh := func() []session.Option {
				opts := []session.Option{session.WithBackend(script(tc.steps...)), session.WithTools(tideTool())}
				if tc.setup != nil {
					opts = append(opts, session.WithSetup(tc.setup))
				}
				return opts
			}
			for _, way := range calls {
				opts := []session.InstructOption{session.Require(mentions("yes"))}
				if tc.opts != nil {
					opts = append(opts, tc.opts()...)
				}
				s := start(t, fresh()...)
				res, err := way.give(t, s, "go", opts...)
				if (err != nil) != (tc.tries < 0) {
					t.Fatalf("%s: got %v, %v", way.name, res, err)
				}
				used := func(n int) stages.Usage { return stages.Usage{InputTokens: 2 * n, OutputTokens: n} }
				if err == nil && res.Usage != used(tc.tries) {
					t.Errorf("%s: the result has %+v", way.name, res.Usage)
				}
				if got := s.Totals(); got != (session.Totals{Interactions: 1, Generations: tc.generations, Usage: used(tc.answered)}) {
					t.Errorf("%s: totals %+v", way.name, got)
				}
			}
		})
	}
}

func using(st session.Strategy) func() []session.InstructOption {
	return func() []session.InstructOption { return []session.InstructOption{session.Using(st)} }
}

// A strong backend gets what it can take, whatever the fast one can: it is refused images by name, and told of a format that
// it does not know.
func TestFitOfTheStrongBackend(t *testing.T) {
	t.Parallel()
	all := stages.Capabilities{Tools: true, Formats: true, Images: true}
	for _, way := range calls {
		t.Run("images "+way.name, func(t *testing.T) {
			t.Parallel()
			fast, strong := script(answer("no")), able{script(answer("yes")), stages.Capabilities{Tools: true}}
			s := start(t, session.WithBackend(fast))
			res, err := way.give(t, s, "go", session.Images(stages.Image{URL: "https://harbour.example/a.png"}), session.Require(mentions("yes")),
				session.Using(session.TwoSolver{Strong: strong, LoopBudget: 1}))
			if err != nil || res.Success || res.Text() != "no" || !strings.Contains(res.FailureReason, "able: invalid_request: the backend takes no images") {
				t.Errorf("got %+v, %v", res, err)
			}
			if len(strong.requests()) != 0 {
				t.Error("it was sent all the same")
			}
		})
	}
	t.Run("a format", func(t *testing.T) {
		t.Parallel()
		fast, strong := able{script(answer("no")), all}, strongly{script(answer(`{"time":"06:40","high":true}`))}
		s := start(t, session.WithBackend(fast))
		out, err := tideSlot.Call(t.Context(), s, tideIn{}, session.Using(session.TwoSolver{Strong: strong, LoopBudget: 1}))
		if err != nil || out.Time != "06:40" {
			t.Errorf("got %+v, %v", out, err)
		}
		asked, told := fast.requests()[0], strong.requests()[0]
		if asked.Format().Schema == "" || strings.Contains(fmt.Sprint(asked.Messages()), "JSON schema") {
			t.Error("the fast backend was told of the format that it takes")
		}
		if told.Format() != (stages.Format{}) || !strings.Contains(told.Messages().At(0).Text, "fits this JSON schema") {
			t.Error("the strong backend was not told of the format")
		}
	})
}

// Calls without a session leave nothing behind, whatever becomes of them.
func TestNothingIsKeptWithoutASession(t *testing.T) { //nolint:paralleltest // it measures
	const text = 64 << 10 // what each call would leave
	b := session.BackendFunc(func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
		return g.Done(stages.GenerationResult{Output: stages.Output{Text: strings.Repeat("no ", text/3)}}), nil
	})
	p := stages.NewPipeline(stages.PipelineConfig{})
	on := session.On(b, stages.History{}, session.WithPipeline(p), session.WithTools(tideTool()))
	ctx := context.Background()
	once := func() {
		q := session.Require(mentions("yes"))
		if res, err := on.Instruct(ctx, strings.Repeat("go ", text/3), q, session.Using(session.MajorityVoting{Samples: 2})); err != nil || res.Success {
			t.Fatalf("got %v", err)
		}
		if _, err := session.Chat(ctx, b, stages.History{}, "go"); err != nil {
			t.Fatal(err)
		}
		for _, err := range on.StreamChat(ctx, "go").Text() {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
		if _, err := tideSlot.Call(ctx, on, tideIn{}, session.Using(session.TwoSolver{Strong: b, Judge: b, LoopBudget: 1})); err == nil {
			t.Fatal("that is no tide")
		}
	}
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for range 5 {
		once()
	}
	before := heap()
	const calls = 200
	for range calls {
		once()
	}
	if after := heap(); after > before+calls*text/20 {
		t.Errorf("%d calls left %d bytes", calls, after-before)
	}
}
