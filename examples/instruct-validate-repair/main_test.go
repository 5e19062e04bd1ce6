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

func output(t *testing.T, seed uint64) string {
	t.Helper()
	var b strings.Builder
	if err := run(t.Context(), &b, func() session.Backend { return ngram.NewBackend(ngram.WithSeed(seed)) }); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestOutput(t *testing.T) {
	got := output(t, defaultSeed)
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
}

// The default seed has to show something of everything, whatever the golden file says.
func TestTheDefaultSeedShowsEverything(t *testing.T) {
	got := output(t, defaultSeed)
	for _, what := range []string{
		"✗ it has", "✗ it gives no time", "success after", "repair by identity", "repair by template_repair", "repair by multi_turn_message",
	} {
		if !strings.Contains(got, what) {
			t.Errorf("does not show %q:\n%s", what, got)
		}
	}
}
