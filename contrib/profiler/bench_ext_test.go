package profiler_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/profiler"
	"github.com/maillon-go/maillon/stages"
)

// BenchmarkContrib is the price of the observer: a generation through a chain with it, beside one without.
func BenchmarkContrib(b *testing.B) {
	g := stages.NewGeneration(stages.Meta{SessionID: "s", ComponentKind: stages.KindInstruction}, stages.GenerationFields{}).
		Done(stages.GenerationResult{Source: stages.SourceBackend})
	b.Run("profiler", func(b *testing.B) {
		for _, with := range []bool{false, true} {
			b.Run(fmt.Sprintf("with=%t", with), func(b *testing.B) {
				p := stages.NewPipeline(stages.PipelineConfig{})
				if with {
					if _, err := p.Register(b.Context(), newProfiler(b, profiler.Settings{})); err != nil {
						b.Fatal(err)
					}
				}
				call := p.Generation.Then(stages.Unchanged[*stages.Generation])
				b.ReportAllocs()
				for b.Loop() {
					if _, err := call(b.Context(), g); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	})
}

// BenchmarkTracer is what links pay for being timed in a sample of the calls: two equal chains, one with the tracer and one
// without, called in turns; medians of the differences. It fails where each of ten hooks pays more than 5 ns; a chain of one
// pays more, as the draw is once per call.
func BenchmarkTracer(b *testing.B) {
	nop := stages.Unchanged[*stages.Generation]
	around := func(next chain.Handler[*stages.Generation]) chain.Handler[*stages.Generation] { return next }
	for _, kind := range []string{"before", "around"} {
		for _, links := range []int{1, 2, 3, 10, 30} {
			b.Run(fmt.Sprintf("%s/links=%d", kind, links), func(b *testing.B) {
				handler := func(t chain.Tracer) chain.Handler[*stages.Generation] {
					c := chain.New("generation", chain.Config[*stages.Generation]{Tracer: t})
					for i := range links {
						l := chain.Before(strconv.Itoa(i), nop)
						if kind == "around" {
							l = chain.Around(strconv.Itoa(i), around)
						}
						if _, err := c.Use(l); err != nil {
							b.Fatal(err)
						}
					}
					return c.Then(nop)
				}
				plain, traced := handler(nil), handler(newProfiler(b, profiler.Settings{}))
				g := stages.NewGeneration(stages.Meta{}, stages.GenerationFields{})
				const calls = 20 * profiler.DefaultSampleEvery // so that some are sampled in each turn
				turn := func(h chain.Handler[*stages.Generation]) float64 {
					ctx, begun := context.Background(), time.Now()
					for range calls {
						_, _ = h(ctx, g)
					}
					return float64(time.Since(begun).Nanoseconds()) / calls
				}
				var without, ratio, more []float64
				for b.Loop() {
					x, y := turn(plain), turn(traced)
					without, ratio, more = append(without, x), append(ratio, y/x), append(more, y-x)
				}
				median := func(of []float64) float64 {
					slices.Sort(of)
					return of[len(of)/2]
				}
				perLink := median(more) / float64(links)
				b.ReportMetric(median(without), "ns/call-without")
				b.ReportMetric(median(ratio), "ratio")
				b.ReportMetric(median(more), "ns/call-more")
				b.ReportMetric(perLink, "ns/link")
				if kind == "before" && links == 10 && len(more) >= 20 && perLink > 5 {
					b.Errorf("%.1f ns per link, want at most 5", perLink)
				}
			})
		}
	}
}
