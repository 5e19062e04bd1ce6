package profiler_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/maillon-go/maillon/contrib/profiler"
	"github.com/maillon-go/maillon/stages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newProfiler(tb testing.TB, s profiler.Settings) *profiler.Plugin {
	tb.Helper()
	p, err := profiler.New(s)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// chunks gives its first chunk after two seconds and the other one three seconds later.
type chunks struct{}

func (chunks) Generate(context.Context, *stages.Generation) (*stages.Generation, error) {
	return nil, errors.New("a stream was asked for")
}

func (chunks) GenerateStream(ctx context.Context, g *stages.Generation, emit func(string) error) (*stages.Generation, error) {
	for i, text := range []string{"high ", "water"} {
		select {
		case <-time.After(time.Duration(2+i) * time.Second):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if err := emit(text); err != nil {
			return nil, err
		}
	}
	return g.Done(stages.GenerationResult{Output: stages.Output{Text: "high water", FinishReason: stages.FinishStop}}), nil
}
