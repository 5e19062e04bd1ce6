package main

import (
	"context"
	"strings"

	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// strong stands for a model that reads what it is asked. Safe for concurrent use.
type strong struct{}

var (
	_ session.Backend   = strong{}
	_ session.Describer = strong{}
)

// Describe is what links see of it.
func (strong) Describe() stages.Backend {
	return stages.Backend{Name: "strong", Provider: "example", Model: "strong-1"}
}

// Generate fulfils the requirements. All that it is shown costs tokens: it counts words.
func (strong) Generate(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
	tokens, text := 0, "High water is at 18:55, low water at 00:40. Keep clear of the bar."
	for _, m := range g.Messages().All() {
		tokens += len(strings.Fields(m.Text))
	}
	return g.Done(stages.GenerationResult{Output: stages.Output{
		Text: text, FinishReason: stages.FinishStop,
		Usage: stages.Usage{InputTokens: tokens, OutputTokens: len(strings.Fields(text))},
	}}), nil
}
