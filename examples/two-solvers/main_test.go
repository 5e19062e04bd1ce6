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

func TestOutput(t *testing.T) {
	got := exampletest.Run(t, func(ctx context.Context, w io.Writer) error {
		return run(ctx, w, func() session.Backend { return ngram.NewBackend(ngram.WithSeed(1)) }, strong{})
	})
	exampletest.Golden(t, got)
	// Whatever the golden file says: the strong model is asked once in each run, and finds what the fast one does not.
	const runs = 4
	if n := strings.Count(got, "strong> "); n != runs || strings.Count(got, "success: true") != runs {
		t.Errorf("the strong model was asked %d times in %d runs:\n%s", n, runs, got)
	}
}
