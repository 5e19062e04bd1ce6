package main

import (
	"context"
	"strings"

	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// model is a Streamer with one answer, in pieces that cut its words as tokens do.
type model struct {
	given int // pieces of the last answer
}

var _ session.Streamer = (*model)(nil)

var pieces = []string{
	"The harb", "our opens at six", ". Ask for Cap", "tain Ma", "ru at the", " gate. The spare k",
	"ey is under the red", " buoy. Mind the ", "tide!",
}

func (*model) Describe() stages.Backend {
	return stages.Backend{Name: "script", Provider: "local", Model: "harbour"}
}

func (m *model) Generate(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
	return m.GenerateStream(ctx, g, func(string) error { return nil })
}

func (m *model) GenerateStream(_ context.Context, g *stages.Generation, emit func(text string) error) (*stages.Generation, error) {
	m.given = 0
	for _, p := range pieces {
		m.given++
		if err := emit(p); err != nil {
			return nil, err // nobody wants the rest
		}
	}
	return g.Done(stages.GenerationResult{Output: stages.Output{
		Text: strings.Join(pieces, ""), FinishReason: stages.FinishStop,
	}}), nil
}
