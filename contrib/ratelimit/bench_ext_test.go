package ratelimit_test

import (
	"context"
	"testing"

	"github.com/maillon-go/maillon/contrib/ratelimit"
	"github.com/maillon-go/maillon/stages"
)

// BenchmarkContrib says what a call through the generation stage costs with the limit and without it.
func BenchmarkContrib(b *testing.B) {
	g, ctx := user("u"), context.Background()
	run := func(plugins ...any) func(*testing.B) {
		return func(b *testing.B) {
			b.Helper()
			pl := stages.NewPipeline(stages.PipelineConfig{})
			if _, err := pl.Register(ctx, plugins...); err != nil {
				b.Fatal(err)
			}
			call := pl.Generation.Then(stages.Unchanged[*stages.Generation])
			b.ReportAllocs()
			for b.Loop() {
				if _, err := call(ctx, g); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	b.Run("ratelimit", func(b *testing.B) {
		const plenty = 2_000_000_000
		b.Run("without", run())
		b.Run("requests", run(newLimit(b, ratelimit.Settings{Requests: plenty})))
		b.Run("requests_and_tokens", run(newLimit(b, ratelimit.Settings{Requests: plenty, Tokens: plenty})))
	})
}
