package stages_test

import (
	"context"
	"fmt"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

func ExampleEntry_Fitting() {
	ctx, p := context.Background(), stages.NewPipeline(stages.PipelineConfig{})
	defer func() { _ = p.Close(ctx) }()
	check := chain.Before("check", func(_ context.Context, g *stages.Generation) (*stages.Generation, error) { return g, nil })
	count := chain.Observe("count", func(context.Context, chain.Outcome[*stages.Generation]) {})
	if _, err := p.Register(ctx, stages.Group("new", check, count).Fitting(chain.InMode(chain.Audit))); err != nil {
		fmt.Println(err)
	}
	for _, l := range p.Generation.Explain().Links {
		fmt.Println(l.Name, l.Mode)
	}
	_, err := p.Register(ctx, stages.Group("again", count).Fitting(chain.InMode(chain.Audit)))
	fmt.Println(err)
	// Output:
	// check audit
	// count sequential
	// stages: group again: chain: observe link "count": mode audit: an observer takes sequential, fire_and_forget or disabled
}
