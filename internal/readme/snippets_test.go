package readme

import (
	"context"
	"log"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/chain/chaintest"
	"github.com/maillon-go/maillon/middleware"
	"github.com/maillon-go/maillon/stages"
)

// What the code blocks of README.md stand in. Each block is found here, line by line, and so compiles and runs.

type weatherClient struct{}

func (weatherClient) Get(_ context.Context, place string) (string, error) {
	return "light breeze in " + place, nil
}

var email = regexp.MustCompile(`\S+@\S+\w`)

func TestWrap(t *testing.T) {
	var client weatherClient
	get, err := chain.Wrap("weather", client.Get).
		Intercept("timeout", middleware.Timeout(2*time.Second)).
		Intercept("retry", middleware.Retry(3)).Func()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := get(t.Context(), "Brest"); err != nil || got != "light breeze in Brest" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestPlugin(t *testing.T) {
	p := stages.NewPipeline(stages.PipelineConfig{})
	_, err := p.Generation.Use(
		chain.Before("topics", func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			for _, m := range g.Messages().All() {
				if strings.Contains(m.Text, "dynamite") {
					return nil, chain.Block("not a topic for us", chain.Code("topic"))
				}
			}
			return g, nil
		}),
		chain.After("redact", func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			return g.WithText(email.ReplaceAllString(g.Output().Text, "[e-mail]")), nil
		}),
		chain.Observe("audit", func(_ context.Context, o chain.Outcome[*stages.Generation]) {
			log.Printf("%s: %s %s", o.Payload.Meta().RequestID, o.Verdict, o.Link)
		}, chain.InMode(chain.FireAndForget)),
	)
	if err != nil {
		t.Fatal(err)
	}
	answer := p.Generation.Then(func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
		return g.Done(stages.GenerationResult{Output: stages.Output{Text: "write to ines@harbour.example"}}), nil
	})
	ask := func(text string) (*stages.Generation, error) {
		return answer(t.Context(), stages.NewGeneration(stages.Meta{}, stages.GenerationFields{
			Messages: stages.ListOf(stages.Message{Role: stages.RoleUser, Text: text}),
		}))
	}
	if g, err := ask("whom do I write to?"); err != nil || g.Output().Text != "write to [e-mail]" {
		t.Errorf("got %v, %v", g, err)
	}
	if _, err := ask("where is the dynamite?"); err == nil {
		t.Error("not blocked")
	}
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestConformance(t *testing.T) {
	type request struct{ _ string }
	cache := func(next chain.Handler[*request]) chain.Handler[*request] {
		return func(ctx context.Context, r *request) (*request, error) { return next(ctx, r) }
	}
	chaintest.Run(t, chain.Around("cache", cache), chaintest.MaxNext(1))
}
