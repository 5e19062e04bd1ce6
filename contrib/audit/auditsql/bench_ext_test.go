package auditsql_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/audit"
	"github.com/maillon-go/maillon/contrib/audit/auditsql"
)

// BenchmarkContrib is a batch of records into a SQLite file: one transaction.
func BenchmarkContrib(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprintf("auditsql/records=%d", n), func(b *testing.B) {
			s, err := auditsql.OpenSQLite(b.Context(), filepath.Join(b.TempDir(), "audit.db"), auditsql.Options{})
			if err != nil {
				b.Fatal(err)
			}
			batch := make([]*audit.Record, n)
			for i := range batch {
				batch[i] = &audit.Record{Time: time.Unix(0, 0).UTC(), Chain: "generation", Hook: "generation_post_call", Verdict: chain.Allowed, RequestID: "r_1"}
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := s.Write(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
