//go:build !race

package stages

import (
	"context"
	"testing"

	"github.com/maillon-go/maillon/chain"
)

func TestAllocations(t *testing.T) {
	for _, s := range allStages {
		t.Run("behaviour 36: nothing is allocated in "+s.name(), s.(interface{ testAllocs(t *testing.T) }).testAllocs)
	}
	p := NewPipeline(PipelineConfig{})
	s, err := p.Scope()
	if err != nil {
		t.Fatal(err)
	}
	ctx, err := NewContext(t.Context(), Info{})
	if err != nil {
		t.Fatal(err)
	}
	background := context.Background()
	for _, tc := range []struct {
		name string
		want float64
		f    func()
	}{
		{"asking whether a pipeline is active", 0, func() { p.Active(); s.Generation.Active() }},
		{"looking up the request", 0, func() { _ = From(ctx).ID() }},
		{"beginning a request", 1, func() { _, _ = NewContext(background, Info{}) }},
		{"getters", 0, func() {
			for _, m := range ask.Messages().All() {
				_ = m.Text
			}
			_ = ask.Meta().RequestID
			_ = ask.Output().Text
		}},
		{"a rewrite", 1, func() { _ = ask.WithText("x") }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if n := testing.AllocsPerRun(200, tc.f); n > tc.want {
				t.Errorf("%v allocations, want at most %v", n, tc.want)
			}
		})
	}
}

func (s stageOf[S, F, R]) testAllocs(t *testing.T) {
	t.Helper()
	p := NewPipeline(PipelineConfig{})
	scope, err := p.Scope()
	if err != nil {
		t.Fatal(err)
	}
	c, in, ctx := s.chain(scope), new(S), t.Context()
	call := c.Then(Unchanged[*S])
	check := func(name string) {
		if n := testing.AllocsPerRun(200, func() { _, _ = call(ctx, in) }); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	check("no links")
	if _, err := c.Use(chain.Before("look", Unchanged[*S]), chain.After("look too", Unchanged[*S])); err != nil {
		t.Fatal(err)
	}
	check("links that change nothing")
}
