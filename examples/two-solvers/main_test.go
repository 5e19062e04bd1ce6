package main

import (
	"flag"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/maillon-go/maillon/contrib/ngram"
	"github.com/maillon-go/maillon/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write testdata/output.txt")

func TestOutput(t *testing.T) {
	var b strings.Builder
	if err := run(t.Context(), &b, func() session.Backend { return ngram.NewBackend(ngram.WithSeed(1)) }, strong{}); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	if *update {
		if err := os.WriteFile("testdata/output.txt", []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/output.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	// Whatever the golden file says: the strong model is asked once in each run, and finds what the fast one does not.
	const runs = 4
	if n := strings.Count(got, "strong> "); n != runs || strings.Count(got, "success: true") != runs {
		t.Errorf("the strong model was asked %d times in %d runs:\n%s", n, runs, got)
	}
}
