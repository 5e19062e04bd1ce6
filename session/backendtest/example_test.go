package backendtest_test

import (
	"context"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/session/backendtest"
	"github.com/maillon-go/maillon/stages"
)

// parrot is a model in this process: it takes no options, and repeats what it is told.
type parrot struct{}

func (parrot) Generate(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
	o, last := g.ModelOptions(), g.Messages().At(g.Messages().Len()-1)
	refuse := func(what string) (*stages.Generation, error) {
		return nil, &session.BackendError{Kind: session.BackendInvalidRequest, Backend: "parrot", Message: "no " + what}
	}
	for what, asked := range map[string]bool{
		"temperature": o.Temperature != stages.Optional[float64]{}, "top_p": o.TopP != stages.Optional[float64]{},
		"max_tokens": o.MaxTokens != stages.Optional[int]{}, "seed": o.Seed != stages.Optional[int64]{}, "stop": o.Stop.Len() > 0,
		"model": g.Backend().Model != "", "format": g.Format() != stages.Format{}, "image": last.Images.Len() > 0,
	} {
		if asked {
			return refuse(what)
		}
	}
	for name := range o.Extra.All() {
		return refuse(name)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	n := len(strings.Fields(last.Text))
	return g.Done(stages.GenerationResult{Output: stages.Output{
		Text: last.Text, FinishReason: stages.FinishStop, Usage: stages.Usage{InputTokens: n, OutputTokens: n},
	}}), nil
}

// A test of a backend is one call. See the package's text for one that asks a server.
func ExampleRun() {
	_ = func(t *testing.T) { // TestConformance
		backendtest.Run(t, backendtest.Subject{
			Start: func(testing.TB, *backendtest.Service) session.Backend { return parrot{} },
			Local: true,
		})
	}
}

func TestParrot(t *testing.T) { //nolint:paralleltest // the suite counts goroutines
	backendtest.Run(t, backendtest.Subject{
		Start: func(testing.TB, *backendtest.Service) session.Backend { return parrot{} },
		Local: true,
	})
}
