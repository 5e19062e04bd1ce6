package cache_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/cache"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

var spent = stages.Usage{InputTokens: 5, OutputTokens: 3}

// model is a backend that counts its calls. It streams its answer word by word.
type model struct {
	name  string // of the model
	calls atomic.Int64
	// answer makes the nth answer, from 1; nil says so much.
	answer func(ctx context.Context, g *stages.Generation, n int64) (stages.Output, error)
	before func(ctx context.Context, piece int) error
}

func (b *model) Generate(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
	out, err := stages.Output{Text: "high water at noon", FinishReason: stages.FinishStop, Usage: spent, Model: "tide-1"}, error(nil)
	if n := b.calls.Add(1); b.answer != nil {
		out, err = b.answer(ctx, g, n)
	}
	if err != nil {
		return nil, err
	}
	return g.Done(stages.GenerationResult{Output: out}), nil
}

func (b *model) GenerateStream(ctx context.Context, g *stages.Generation, emit func(string) error) (*stages.Generation, error) {
	out, err := b.Generate(ctx, g)
	if err != nil {
		return nil, err
	}
	for i, piece := range strings.SplitAfter(out.Output().Text, " ") {
		if b.before != nil {
			if err := b.before(ctx, i); err != nil {
				return nil, err
			}
		}
		if err := emit(piece); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (b *model) Describe() stages.Backend {
	name := b.name
	if name == "" {
		name = "tide-1"
	}
	return stages.Backend{Name: "harbour", Provider: "test", Model: name, Capabilities: stages.Capabilities{Tools: true, Streaming: true}}
}

func says(text string, why stages.FinishReason) func(context.Context, *stages.Generation, int64) (stages.Output, error) {
	return func(context.Context, *stages.Generation, int64) (stages.Output, error) {
		return stages.Output{Text: text, FinishReason: why, Usage: spent}, nil
	}
}

func newCache(tb testing.TB, s cache.Settings) *cache.Plugin {
	tb.Helper()
	p, err := cache.New(s)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// start starts a session of the user "u" on a pipeline of its own. Each session begins with an empty history, so that the
// same question is the same request.
func start(tb testing.TB, b session.Backend, opts ...session.Option) *session.Session {
	tb.Helper()
	s, err := session.Start(tb.Context(), append([]session.Option{
		session.WithPipeline(stages.NewPipeline(stages.PipelineConfig{})), session.WithBackend(b), session.WithUser("u"),
	}, opts...)...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// asks puts the question in a session of its own.
func asks(tb testing.TB, b session.Backend, opts ...session.Option) (*session.Result, error) {
	tb.Helper()
	return start(tb, b, opts...).Chat(tb.Context(), "When is high water?")
}

// streams is asks with an answer in chunks.
func streams(tb testing.TB, b session.Backend, opts ...session.Option) (chunks []string, err error) {
	tb.Helper()
	st := start(tb, b, opts...).Stream(tb.Context(), "When is high water?")
	for chunk, err := range st.Text() {
		if err != nil {
			return chunks, err
		}
		chunks = append(chunks, chunk)
	}
	_, err = st.Result()
	return chunks, err
}

// hook registers links beside the cache.
func hook(register func(p *stages.Pipeline) error) session.Option { return session.WithSetup(register) }

func wantCalls(tb testing.TB, b *model, want int64) {
	tb.Helper()
	if n := b.calls.Load(); n != want {
		tb.Errorf("the backend was asked %d times, want %d", n, want)
	}
}

// redact takes a word out of what passes the chunk stage.
func redact(word string) session.Option {
	return hook(func(p *stages.Pipeline) error {
		_, err := p.Chunk.Use(chain.Before("redact", func(_ context.Context, c *stages.Chunk) (*stages.Chunk, error) {
			return c.WithText(strings.ReplaceAll(c.Text(), word, "***")), nil
		}, stages.HoldBack(len(word))))
		return err
	})
}
