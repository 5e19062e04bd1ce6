package exampletest

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"

	"go.uber.org/zap/zapcore"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

// failing is the name of the links that fail.
const failing = "exampletest fails"

// reader reads the texts of calls.
type reader struct {
	core zapcore.Core // of the logger

	mu        sync.Mutex
	texts     map[string]bool
	failed    int  // calls of failing links
	elsewhere bool // some session has another logger
}

func (r *reader) all() []string { return slices.Sorted(maps.Keys(r.texts)) }

func (r *reader) note(texts ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range texts {
		r.texts[t] = true
	}
}

// fail is what a plugin might do that does not know better.
func (r *reader) fail(text string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed++; r.failed%2 == 0 {
		panic("cannot use " + text)
	}
	return fmt.Errorf("cannot use %q", text)
}

// links see texts before and after all others. Those that fail do nothing to a call, and no breaker stops them.
func (r *reader) links() []any {
	first, ignored := chain.Priority(math.MinInt32), chain.OnFailure(chain.Ignore)
	return []any{
		chain.Before("exampletest component", func(_ context.Context, c *stages.Component) (*stages.Component, error) {
			messages, err := c.Action().Messages()
			if err != nil {
				return nil, err
			}
			for _, m := range messages {
				r.note(m.Text)
			}
			return c, nil
		}, first, ignored),
		chain.Before("exampletest asks", func(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
			r.generation(ctx, g)
			return g, nil
		}, first),
		chain.Before(failing, func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			m := g.Messages()
			return nil, r.fail(m.At(m.Len() - 1).Text)
		}, first, ignored, chain.TripAfter(math.MaxUint32)),
		chain.After("exampletest answers", func(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
			r.generation(ctx, g)
			return g, nil
		}, first, stages.AcceptsChunks()),
		chain.Observe("exampletest is told", func(ctx context.Context, o chain.Outcome[*stages.Generation]) {
			r.generation(ctx, o.Payload)
			panic("cannot write " + o.Payload.Output().Text)
		}, chain.TripAfter(math.MaxUint32)),
		chain.After(failing, func(_ context.Context, t *stages.Tool) (*stages.Tool, error) {
			r.note(string(t.Arguments()), t.Output())
			return nil, r.fail(t.Output())
		}, first, ignored, chain.TripAfter(math.MaxUint32)),
	}
}

func (r *reader) generation(ctx context.Context, g *stages.Generation) {
	for _, m := range g.Messages().All() {
		r.note(m.Text)
	}
	r.note(g.Output().Text)
	if g.Meta().SessionID != "" && stages.From(ctx).Logger().Core() != r.core {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.elsewhere = true
	}
}
