package exampletest

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/output.txt")

// Golden compares what an example wrote with testdata/output.txt, which -update writes.
func Golden(tb testing.TB, got string) {
	tb.Helper()
	path := filepath.Join("testdata", "output.txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	if got != string(want) {
		tb.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
