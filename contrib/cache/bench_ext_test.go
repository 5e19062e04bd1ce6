package cache_test

import (
	"context"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/cache"
	"github.com/maillon-go/maillon/stages"
)

// BenchmarkContrib says what a call through the generation stage costs with the cache and without it.
func BenchmarkContrib(b *testing.B) {
	handler := func(_ context.Context, g *stages.Generation) (*stages.Generation, error) { return noon(g), nil }
	g, ctx := question("u"), context.Background()
	run := func(call chain.Handler[*stages.Generation]) func(*testing.B) {
		return func(b *testing.B) {
			b.Helper()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := call(ctx, g); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	b.Run("cache", func(b *testing.B) {
		b.Run("without", run(stages.NewPipeline(stages.PipelineConfig{}).Generation.Then(handler)))
		b.Run("hit", run(direct(b, newCache(b, cache.Settings{}), handler)))
		b.Run("miss", run(direct(b, newCache(b, cache.Settings{TTL: 1}), handler)))
		b.Run("skipped", run(direct(b, newCache(b, cache.Settings{Scope: "label:x"}), handler)))
	})
}
