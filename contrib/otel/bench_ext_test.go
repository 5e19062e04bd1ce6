package otel_test

import (
	"context"
	"testing"

	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/maillon-go/maillon/contrib/otel"
	"github.com/maillon-go/maillon/stages"
)

// What the chat span and its metrics cost a generation, beside one without the plugin.
func BenchmarkContrib(b *testing.B) {
	b.Run("otel", func(b *testing.B) {
		for _, row := range []struct {
			name string
			s    *otel.Settings
		}{
			{"without", nil},
			{"to=nothing", &otel.Settings{TracerProvider: tracenoop.NewTracerProvider(), MeterProvider: metricnoop.NewMeterProvider()}},
			{"to=no_SDK", &otel.Settings{}},
			{"to=unsampled", &otel.Settings{TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample())), MeterProvider: metricnoop.NewMeterProvider()}},
			{"to=SDK", &otel.Settings{TracerProvider: sdktrace.NewTracerProvider(), MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))}},
			{"to=SDK,contents", &otel.Settings{TracerProvider: sdktrace.NewTracerProvider(), MeterProvider: metricnoop.NewMeterProvider(), Contents: true, Redact: func(s string) string { return s }}},
		} {
			b.Run(row.name, func(b *testing.B) {
				ctx := context.Background()
				p := stages.NewPipeline(stages.PipelineConfig{})
				if row.s != nil {
					plugin, err := otel.New(*row.s)
					if err != nil {
						b.Fatal(err)
					}
					if _, err := p.Register(ctx, plugin); err != nil {
						b.Fatal(err)
					}
				}
				g := stages.NewGeneration(stages.Meta{SessionID: "s", RequestID: "r", ComponentKind: "Instruction", Strategy: "rejection_sampling"}, stages.GenerationFields{
					Backend:  stages.Backend{Name: "test", Provider: "api.openai.com", Model: "m-1"},
					Messages: stages.ListOf(stages.Message{Role: stages.RoleUser, Text: "When is high water?"}),
				})
				call := p.Generation.Then(func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
					return g.Done(stages.GenerationResult{Source: stages.SourceBackend, Output: stages.Output{Text: "At noon.", Model: "m-1", FinishReason: stages.FinishStop, Usage: stages.Usage{InputTokens: 8, OutputTokens: 3}}}), nil
				})
				b.ReportAllocs()
				for b.Loop() {
					if _, err := call(ctx, g); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	})
}
