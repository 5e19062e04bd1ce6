package bench

import (
	"context"
	"fmt"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// Direct is a call of a model without a runtime, Instruct the same call as an instruction of a session, with that many
// hooks in each of its stages. The model answers at once, so that the difference is what the runtime costs.
var (
	Direct   = Variant{"direct", "a model, called directly", direct}
	Instruct = Variant{"instruct", "one instruction of a session", instruct}
)

// HooksPerStage are the numbers of hooks that the benchmarks of sessions run with.
var HooksPerStage = []int{0, 1, 10}

// Model is a backend that answers at once.
func Model() session.Backend {
	return session.BackendFunc(func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
		return g.Done(stages.GenerationResult{Output: stages.Output{Text: "At 06:40.", FinishReason: stages.FinishStop}}), nil
	})
}

func direct(int) Handler {
	m := Model()
	g := stages.NewGeneration(stages.Meta{}, stages.GenerationFields{
		Messages: stages.ListOf(stages.Message{Role: stages.RoleUser, Text: Question}),
	})
	return func(ctx context.Context, p *Payload) (*Payload, error) {
		_, err := m.Generate(ctx, g)
		return p, err
	}
}

// Question is what the model is asked.
const Question = "When is high water?"

// forgetting is how many instructions a session gets before it forgets them, so that what is measured does not grow.
const forgetting = 256

// Watched is a pipeline with that many hooks in each of its stages, which do nothing.
func Watched(hooks int) *stages.Pipeline {
	p := stages.NewPipeline(stages.PipelineConfig{})
	for i := range hooks {
		must(p.Create.Use(watching[*stages.Create](i)...))
		must(p.Component.Use(watching[*stages.Component](i)...))
		must(p.Sampling.Use(watching[*stages.Sampling](i)...))
		must(p.Generation.Use(watching[*stages.Generation](i)...))
		must(p.Validation.Use(watching[*stages.Validation](i)...))
		must(p.Iteration.Use(watching[*stages.Iteration](i)...))
		must(p.HistoryChange.Use(watching[*stages.HistoryChange](i)...))
	}
	return p
}

func instruct(hooks int) Handler {
	s := must(session.Start(context.Background(), session.WithPipeline(Watched(hooks)), session.WithBackend(Model()), session.WithHistoryKind(stages.HistorySingle)))
	n := make(chan int, 1) // the handler may be called concurrently
	n <- 0
	return func(ctx context.Context, p *Payload) (*Payload, error) {
		if _, err := s.Instruct(ctx, Question); err != nil {
			return nil, err
		}
		count := <-n + 1
		n <- count
		if count%forgetting == 0 {
			return p, s.Reset(ctx, "a long run")
		}
		return p, nil
	}
}

// watching is a hook that does nothing, on the way in.
func watching[P any](i int) []chain.Link[P] {
	return []chain.Link[P]{chain.Before(fmt.Sprint("watch", i), func(_ context.Context, p P) (P, error) { return p, nil })}
}
