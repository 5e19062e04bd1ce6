package stages_test

import (
	"context"
	"slices"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

// What makes streams buffered, and for how long.
func TestStreamingOfLinks(t *testing.T) {
	t.Parallel()
	pass := func(next chain.Handler[*stages.Generation]) chain.Handler[*stages.Generation] { return next }
	blind := func(ctx context.Context, next func(context.Context) error) error { return next(ctx) }
	gen, val := stages.Unchanged[*stages.Generation], stages.Unchanged[*stages.Validation]
	for _, tc := range []struct {
		name             string
		link             any
		generation, call []string
	}{
		{"a Before", chain.Before("x", gen), nil, nil},
		{"an After", chain.After("x", gen), []string{"generation/x"}, nil},
		{"one that accepts chunks", chain.After("x", gen, stages.AcceptsChunks()), nil, nil},
		{"an auditor", chain.After("x", gen, chain.InMode(chain.Audit)), nil, nil},
		{"a background link", chain.After("x", gen, chain.InMode(chain.FireAndForget)), nil, nil},
		{"one that is disabled", chain.After("x", gen, chain.InMode(chain.Disabled)), nil, nil},
		{"one that transforms", chain.After("x", gen, chain.InMode(chain.Transform)), []string{"generation/x"}, nil},
		{"an Around", chain.Around("x", pass), []string{"generation/x"}, nil},
		{"a shadow", chain.Around("x", pass, chain.InMode(chain.Audit)), nil, nil},
		{"an Interceptor", chain.Intercept[*stages.Generation]("x", blind), nil, nil},
		{"an observer", chain.Observe("x", func(context.Context, chain.Outcome[*stages.Generation]) {}), nil, nil},
		{"behind the sampling", chain.After("x", stages.Unchanged[*stages.Sampling]), nil, []string{"sampling/x"}},
		{"behind the component", chain.After("x", stages.Unchanged[*stages.Component]), nil, []string{"component/x"}},
		{"before the sampling", chain.Before("x", stages.Unchanged[*stages.Sampling]), nil, nil},
		{"before the validation", chain.Before("x", val), nil, []string{"validation/x"}},
		{"behind an iteration", chain.After("x", stages.Unchanged[*stages.Iteration]), nil, []string{"iteration/x"}},
		{"behind a tool", chain.After("x", stages.Unchanged[*stages.Tool]), nil, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := stages.NewPipeline(stages.PipelineConfig{})
			if _, err := p.Register(t.Context(), tc.link); err != nil {
				t.Fatal(err)
			}
			got := p.Streaming(t.Context())
			if !slices.Equal(got.Generation, tc.generation) || !slices.Equal(got.Call, tc.call) {
				t.Errorf("got %+v, want %v, %v", got, tc.generation, tc.call)
			}
		})
	}
}

// The windows of all links that run add up, those of a scope and of an override too.
func TestStreamingHoldBack(t *testing.T) {
	t.Parallel()
	p := stages.NewPipeline(stages.PipelineConfig{})
	nop := stages.Unchanged[*stages.Chunk]
	if _, err := p.Register(t.Context(), chain.Before("a", nop, stages.HoldBack(3)), chain.Before("off", nop, stages.HoldBack(50), chain.InMode(chain.Disabled)),
		chain.Before("less", nop, stages.HoldBack(-3)), chain.Before("b", nop), stages.Override("chunk/b", stages.HoldBack(4))); err != nil {
		t.Fatal(err)
	}
	s, err := p.Scope()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Chunk.Use(chain.Before("c", nop, stages.HoldBack(5))); err != nil {
		t.Fatal(err)
	}
	if got := s.Streaming(t.Context()).HoldBack; got != 12 {
		t.Errorf("got %d, want 12", got)
	}
}
