package debug_test

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/maillon-go/maillon/contrib/debug"
	"github.com/maillon-go/maillon/contrib/ngram"
	"github.com/maillon-go/maillon/stages"
)

// Outside of a session there are neither ids nor numbers. Here lines lose what differs from run to run, their times.
func Example() {
	ctx := context.Background()
	trace, err := debug.New(debug.Settings{
		Writer: timeless{},
		Redact: func(text string) string { return strings.ReplaceAll(text, "berth 9", "berth [redacted]") },
	})
	if err != nil {
		panic(err)
	}
	p := stages.NewPipeline(stages.PipelineConfig{})
	defer func() { _ = p.Close(ctx) }()
	if _, err := p.Register(ctx, trace); err != nil {
		panic(err)
	}
	generate := p.Generation.Then(ngram.NewBackend().Generate)
	g := stages.NewGeneration(stages.Meta{CorrelationID: "request.1"}, stages.GenerationFields{
		Messages: stages.ListOf(stages.Message{Role: stages.RoleUser, Text: "Who looks after the crane of berth 9?"}),
		ModelOptions: stages.ModelOptions{
			Temperature: stages.Some(0.0), MaxTokens: stages.Some(9),
		},
		Backend: ngram.NewBackend().Describe(),
	})
	if _, err := generate(ctx, g); err != nil {
		panic(err)
	}
	if err := trace.Close(ctx); err != nil { // all lines are written
		panic(err)
	}
	// Output:
	// ---- #-     > generation 1 by harbour-ngram of 1 messages, the last by user: "Who looks after the crane of berth [redacted]?", 0 tools
	// ---- #-     ok generation 1 "The crane at berth [redacted] is under repair.", length, 9+9 tokens
}

type timeless struct{}

func (timeless) Write(line []byte) (int, error) {
	text, _, _ := strings.Cut(strings.TrimSuffix(string(line), "\n"), " in ")
	fmt.Fprintln(os.Stdout, text)
	return len(line), nil
}
