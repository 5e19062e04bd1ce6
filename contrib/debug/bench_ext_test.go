package debug_test

import (
	"fmt"
	"io"
	"testing"

	"github.com/maillon-go/maillon/contrib/debug"
	"github.com/maillon-go/maillon/stages"
)

// BenchmarkContrib is the price of the trace: a generation through a chain with it, beside one without.
func BenchmarkContrib(b *testing.B) {
	g := stages.NewGeneration(stages.Meta{SessionID: "session", CorrelationID: "request.1"}, stages.GenerationFields{
		Messages: stages.ListOf(stages.Message{Role: stages.RoleUser, Text: "Who looks after the crane?"}),
	}).Done(stages.GenerationResult{Source: stages.SourceBackend, Output: stages.Output{Text: "The crane is under repair."}})
	b.Run("debug", func(b *testing.B) {
		for _, with := range []bool{false, true} {
			b.Run(fmt.Sprintf("with=%t", with), func(b *testing.B) {
				p := stages.NewPipeline(stages.PipelineConfig{})
				if with {
					t, err := debug.New(debug.Settings{Writer: io.Discard})
					if err != nil {
						b.Fatal(err)
					}
					if _, err := p.Register(b.Context(), t); err != nil {
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
