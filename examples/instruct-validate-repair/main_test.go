package main

import (
	"context"
	"io"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/maillon-go/maillon/contrib/ngram"
	"github.com/maillon-go/maillon/internal/exampletest"
	"github.com/maillon-go/maillon/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func output(t *testing.T, seed uint64) string {
	t.Helper()
	return exampletest.Run(t, func(ctx context.Context, w io.Writer) error {
		return run(ctx, w, func() session.Backend { return ngram.NewBackend(ngram.WithSeed(seed)) })
	})
}

func TestOutput(t *testing.T) { exampletest.Golden(t, output(t, defaultSeed)) }

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
