package otel_test

import (
	"context"
	"fmt"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/maillon-go/maillon/contrib/ngram"
	"github.com/maillon-go/maillon/contrib/otel"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// The spans of a call of the model that is built in, as an exporter gets them: those that end first come first.
func Example() {
	ctx := context.Background()
	spans := tracetest.NewInMemoryExporter() // a program has otlptracehttp here
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	p, err := otel.New(otel.Settings{TracerProvider: provider})
	if err != nil {
		panic(err)
	}
	s, err := session.Start(ctx, session.WithBackend(ngram.NewBackend()), session.WithPlugins(p))
	if err != nil {
		panic(err)
	}
	short := session.Check("is there", func(text string) (bool, string) { return text != "", "it is empty" })
	if _, err := s.Instruct(ctx, "Write a note about tonight's tide.", session.Require(short),
		session.ModelOptions(stages.ModelOptions{Seed: stages.Some(int64(7)), MaxTokens: stages.Some(12)})); err != nil {
		panic(err)
	}
	if err := s.Close(ctx); err != nil {
		panic(err)
	}
	for _, span := range spans.GetSpans() {
		fmt.Println(span.Name)
		for _, a := range span.Attributes {
			switch a.Key {
			case "gen_ai.provider.name", "gen_ai.request.max_tokens", "gen_ai.response.finish_reasons", "maillon.strategy", "maillon.validation.passed":
				fmt.Printf("  %s: %s\n", a.Key, a.Value.String())
			}
		}
	}
	// Output:
	// chat harbour-ngram
	//   gen_ai.provider.name: local
	//   maillon.strategy: rejection_sampling
	//   gen_ai.request.max_tokens: 12
	//   gen_ai.response.finish_reasons: ["length"]
	// validation
	//   maillon.strategy: rejection_sampling
	//   maillon.validation.passed: true
	// sampling rejection_sampling
	//   maillon.strategy: rejection_sampling
	// component Instruction
	//   maillon.strategy: rejection_sampling
	// session
	//   gen_ai.provider.name: local
}
