package plugintest

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// Turn is an answer. A text beside an error is a part of an answer, after which the backend fails.
type Turn func(ctx context.Context, g *stages.Generation) (stages.Output, error)

// Answer answers with o, whose finish reason is stop where it says none.
func Answer(o stages.Output) Turn {
	if o.FinishReason == "" {
		o.FinishReason = stages.FinishStop
	}
	return func(context.Context, *stages.Generation) (stages.Output, error) { return o, nil }
}

// Says answers with a text, which took as many tokens as Spent says.
func Says(text string) Turn { return Answer(stages.Output{Text: text, Usage: Spent, Model: "tide-1"}) }

// Fails fails.
func Fails(err error) Turn {
	return func(context.Context, *stages.Generation) (stages.Output, error) { return stages.Output{}, err }
}

// Spent is what an answer of Says took.
var Spent = stages.Usage{InputTokens: 5, OutputTokens: 3}

// Model is a backend that answers by a script, and gives an answer in pieces where it is asked for a stream. The zero value
// says "high water at noon" again and again. Safe for concurrent use, as far as its functions are.
type Model struct {
	// Is what it describes itself as; the zero value is the model "tide-1" of the backend "harbour", with tools and streams.
	Is stages.Backend
	// Turns are its answers, one after the other, the last one for ever.
	Turns []Turn
	// Pieces cuts a text for a stream; nil cuts it after each space.
	Pieces func(text string) []string
	// Before is called before each piece of a stream, from 0. Where it fails the stream breaks off with what was sent.
	Before func(ctx context.Context, piece int) error
	// FirstChunk is what it reports as the time to the first piece; 0 leaves that to the session.
	FirstChunk time.Duration

	calls atomic.Int64
}

var _ session.Streamer = (*Model)(nil)

// Calls says how often it was asked.
func (m *Model) Calls() int64 { return m.calls.Load() }

// Describe gives m.Is or its default.
func (m *Model) Describe() stages.Backend {
	if m.Is.Name != "" {
		return m.Is
	}
	return stages.Backend{Name: "harbour", Provider: "test", Model: "tide-1", Capabilities: stages.Capabilities{Tools: true, Streaming: true}}
}

func (m *Model) turn(ctx context.Context, g *stages.Generation) (stages.Output, error) {
	n := int(m.calls.Add(1))
	if len(m.Turns) == 0 {
		return Says("high water at noon")(ctx, g)
	}
	return m.Turns[min(n, len(m.Turns))-1](ctx, g)
}

// Generate answers in one piece.
func (m *Model) Generate(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
	o, err := m.turn(ctx, g)
	if err != nil {
		return g.Partial(stages.GenerationResult{Output: o}), err
	}
	return g.Done(stages.GenerationResult{Output: o}), nil
}

// GenerateStream answers piece by piece.
func (m *Model) GenerateStream(ctx context.Context, g *stages.Generation, emit func(string) error) (*stages.Generation, error) {
	o, failure := m.turn(ctx, g)
	cut := m.Pieces
	if cut == nil {
		cut = func(text string) []string { return strings.SplitAfter(text, " ") }
	}
	var pieces []string
	if o.Text != "" {
		pieces = cut(o.Text)
	}
	var sent strings.Builder
	for i, piece := range pieces {
		var err error
		if m.Before != nil {
			err = m.Before(ctx, i)
		}
		if err == nil {
			err = emit(piece)
		}
		if err != nil {
			return g.Partial(stages.GenerationResult{Output: stages.Output{Text: sent.String()}}), err
		}
		sent.WriteString(piece)
	}
	res := stages.GenerationResult{Output: o}
	if m.FirstChunk > 0 {
		res.Chunks, res.FirstChunk = len(pieces), m.FirstChunk
	}
	if failure != nil {
		return g.Partial(res), failure
	}
	return g.Done(res), nil
}
