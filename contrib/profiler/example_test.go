package profiler_test

import (
	"context"
	"fmt"
	"io"

	"github.com/maillon-go/maillon/contrib/ngram"
	"github.com/maillon-go/maillon/contrib/profiler"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

func Example() {
	ctx := context.Background()
	p, err := profiler.New(profiler.Settings{SampleEvery: 1})
	if err != nil {
		panic(err)
	}
	pipeline := stages.NewPipeline(stages.PipelineConfig{Tracer: p})
	if _, err := pipeline.Register(ctx, p); err != nil {
		panic(err)
	}
	err = session.Run(ctx, func(ctx context.Context, s *session.Session) error {
		_, err := s.Instruct(ctx, "Who looks after the crane?", session.Name("crane"),
			session.ModelOptions(stages.ModelOptions{Temperature: stages.Some(0.0), MaxTokens: stages.Some(9)}))
		return err
	}, session.WithPipeline(pipeline), session.WithBackend(ngram.NewBackend()))
	if err != nil {
		panic(err)
	}

	report := p.Snapshot()
	for _, r := range report.Slots {
		if r.Name != "" {
			fmt.Println(r.Kind, r.Name, r.Stage, r.Calls, "calls", r.OutputTokens, "tokens", r.Latency.Count, "times")
		}
	}
	if err := report.Sessions[0].WriteSVG(io.Discard); err != nil { // or a file, or an http.ResponseWriter
		panic(err)
	}
	// Output:
	// Instruction crane create 1 calls 0 tokens 1 times
	// Instruction crane component 1 calls 9 tokens 1 times
	// Instruction crane sampling 1 calls 9 tokens 1 times
	// Instruction crane generation 1 calls 9 tokens 1 times
	// Instruction crane validation 1 calls 0 tokens 1 times
}
