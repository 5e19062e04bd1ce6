package budget_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/budget"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// model answers in 40 tokens.
func model(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
	return g.Done(stages.GenerationResult{Output: stages.Output{
		Text: "High water is at noon.", Usage: stages.Usage{InputTokens: 20, OutputTokens: 20},
	}}), nil
}

// A user has 300 tokens. A call may take 200 for its answer, and gives back what it does not use.
func Example() {
	b, err := budget.New(budget.Settings{
		Limits:    []budget.Limit{{Name: "user", Per: []budget.Dimension{budget.PerUser}, Tokens: 300}},
		MaxOutput: 200,
	})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	s, err := session.Start(ctx, session.WithPipeline(stages.NewPipeline(stages.PipelineConfig{})),
		session.WithBackend(session.BackendFunc(model)), session.WithPlugins(b), session.WithUser("ada"))
	if err != nil {
		panic(err)
	}
	defer func() { _ = s.Close(ctx) }()
	for {
		_, err := s.Instruct(ctx, "When is high water?")
		var v *chain.Violation
		if errors.As(err, &v) {
			fmt.Println(v.Code, "- left:", v.Details["left"])
			return
		}
		u, err := b.Usage(ctx, budget.Key{Limit: "user", User: "ada"})
		fmt.Println(u, err)
	}
	// Output:
	// user: 40 of 300 tokens used, 0 reserved <nil>
	// user: 80 of 300 tokens used, 0 reserved <nil>
	// budget_exceeded - left: 220
}
