package audit_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/audit"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(crashEnv); path != "" { // a child of TestCrash
		crashChild(path)
	}
	goleak.VerifyTestMain(m)
}

// rec is a small record.
func rec(n int) *audit.Record {
	return &audit.Record{Chain: "generation", Hook: "generation_pre_call", RequestID: fmt.Sprintf("r_%d", n)}
}

// blocked is a record of a call that was blocked.
func blocked() *audit.Record {
	return &audit.Record{Chain: "generation", Verdict: chain.Blocked, Code: "odd"}
}

// write opens a file, writes records from first to last, one by one, and closes it.
func write(t *testing.T, path string, o audit.FileOptions, first, last int) audit.Head {
	t.Helper()
	f, err := audit.OpenFile(path, o)
	if err != nil {
		t.Fatal(err)
	}
	for n := first; n <= last; n++ {
		if err := f.Write(t.Context(), []*audit.Record{rec(n)}); err != nil {
			t.Fatal(err)
		}
	}
	head := f.Head()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return head
}

// verified fails unless the chain is whole and has so many records.
func verified(t *testing.T, path string, o audit.VerifyOptions, records int) audit.Report {
	t.Helper()
	r, err := audit.Verify(path, o)
	if err != nil {
		t.Fatalf("%v\n%+v", err, r)
	}
	if r.Records != records {
		t.Fatalf("got %d records, want %d", r.Records, records)
	}
	return r
}

func tempPath(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "audit.jsonl")
}
