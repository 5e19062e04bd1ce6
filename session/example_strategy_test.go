package session_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// hints is a strategy of one's own: with every failed answer the model gets one hint more.
type hints []string

func (hints) Name() string              { return "hints" }
func (hints) Settings() stages.Map[any] { return stages.Map[any]{} }
func (h hints) Budget() int             { return len(h) + 1 }

func (h hints) Repair(_ context.Context, f session.Failed) (stages.Action, stages.History, error) {
	return session.Reply("No. A hint: " + h[f.Number-1]), f.FailedHistory, nil
}

// A strategy says how to go on after an answer that failed. The loop, its budget, its hooks and the validation are the
// session's.
func ExampleStrategy() {
	ctx := context.Background()
	guesser := session.BackendFunc(func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
		asked, text := g.Messages().At(g.Messages().Len()-1).Text, "a gull"
		if strings.Contains(asked, "comes twice a day") {
			text = "the tide"
		}
		return g.Done(stages.GenerationResult{Output: stages.Output{Text: text}}), nil
	})
	s, err := session.Start(ctx, session.WithBackend(guesser))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = s.Close(ctx) }()

	res, err := s.Instruct(ctx, "What am I?", session.Using(hints{"it is wet", "it comes twice a day"}), session.Require(stages.Requirement{
		CheckOnly: true,
		Check: func(_ context.Context, t stages.Target) (stages.Verdict, error) {
			if t.Output.Text == "the tide" {
				return stages.Verdict{Ruling: stages.Pass}, nil
			}
			return stages.Verdict{Ruling: stages.Fail}, nil
		},
	}))
	fmt.Println(res, err)
	for _, m := range s.History().All() {
		fmt.Printf("%s: %s\n", m.Role, m.Text)
	}
	// Output:
	// the tide <nil>
	// user: What am I?
	// assistant: a gull
	// user: No. A hint: it is wet
	// assistant: a gull
	// user: No. A hint: it comes twice a day
	// assistant: the tide
}

// Of five answers, asked for at once, the one that most of them give.
func ExampleMajorityVoting() {
	ctx := context.Background()
	answers := make(chan string, 5)
	for _, text := range []string{"06:40", "06:40.", "18:55", "about noon", "06:40"} {
		answers <- text
	}
	s, err := session.Start(ctx, session.WithBackend(session.BackendFunc(
		func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			return g.Done(stages.GenerationResult{Output: stages.Output{Text: <-answers}}), nil
		})))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = s.Close(ctx) }()

	res, err := s.Instruct(ctx, "When is high water?", session.Using(session.MajorityVoting{Samples: 5}))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(strings.TrimSuffix(res.Text(), "."), res.Attempts.Len())
	// Output:
	// 06:40 5
}

// A fast backend tries twice; what it cannot do a strong one is asked once.
func ExampleTwoSolver() {
	ctx := context.Background()
	named := func(text string) session.Backend {
		return session.BackendFunc(func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			fmt.Println("asked for", text)
			return g.Done(stages.GenerationResult{Output: stages.Output{Text: text}}), nil
		})
	}
	s, err := session.Start(ctx, session.WithBackend(named("in the morning")))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = s.Close(ctx) }()

	res, err := s.Instruct(ctx, "When is high water?",
		session.Using(session.TwoSolver{Strong: named("at 06:40"), LoopBudget: 2, Mode: session.ContinueChat}),
		session.Require(session.Check("Give the minute.", func(text string) (bool, string) {
			return strings.Contains(text, ":"), "it has no minute"
		})))
	fmt.Println(res, err)
	// Output:
	// asked for in the morning
	// asked for in the morning
	// asked for at 06:40
	// at 06:40 <nil>
}
