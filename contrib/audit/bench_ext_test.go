package audit_test

import (
	"io"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/audit"
	"github.com/maillon-go/maillon/stages"
)

// BenchmarkContrib is the price of a record of a generation, beside the same call without.
func BenchmarkContrib(b *testing.B) {
	b.Run("audit", func(b *testing.B) {
		for _, tc := range []struct {
			name string
			s    *audit.Settings
		}{
			{"none", nil},
			{"discard", &audit.Settings{Sink: audit.ToWriter(io.Discard)}},
			{"contents", &audit.Settings{Sink: audit.ToWriter(io.Discard), Redact: redact}},
			{"file=never", &audit.Settings{Path: "audit.jsonl", Fsync: audit.FsyncNever}},
			{"file=interval", &audit.Settings{Path: "audit.jsonl", Fsync: audit.FsyncInterval}},
			{"file=always", &audit.Settings{Path: "audit.jsonl"}},
		} {
			b.Run(tc.name, func(b *testing.B) {
				b.Chdir(b.TempDir())
				c := chain.New[*stages.Generation]("generation", chain.Config[*stages.Generation]{})
				if tc.s != nil {
					p, err := audit.New(*tc.s)
					if err != nil {
						b.Fatal(err)
					}
					defer func() { _ = p.Close(b.Context()) }()
					if _, err := c.Use(chain.Observe("audit_log", p.ObserveGeneration, chain.Timed())); err != nil {
						b.Fatal(err)
					}
				}
				call := c.Then(stages.Unchanged[*stages.Generation])
				g := stages.NewGeneration(stages.Meta{RequestID: "r"}, stages.GenerationFields{
					Messages: stages.ListOf(stages.Message{Role: stages.RoleUser, Text: "When is high water?"}),
				}).Done(stages.GenerationResult{Output: stages.Output{Text: "At 06:40."}})
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
