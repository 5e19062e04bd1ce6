package stages_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

// Budget is a plugin: a struct whose hooks are found by the names of its methods.
type Budget struct{ left int }

// The compiler says so if a hook is misspelled or has other arguments. So does Register, at run time.
var (
	_ stages.OnGenerationPreCall  = (*Budget)(nil)
	_ stages.OnGenerationPostCall = (*Budget)(nil)
)

func (b *Budget) Name() string { return "budget" }

func (b *Budget) OnGenerationPreCall(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
	if b.left <= 0 {
		return nil, chain.Block("the budget is used up", chain.Code("budget"))
	}
	return g, nil
}

func (b *Budget) OnGenerationPostCall(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
	b.left -= len(g.Output().Text)
	return g, nil
}

// answer is a stage as a runtime binds it.
func answer(p *stages.Pipeline) chain.Handler[*stages.Generation] {
	return stages.Bind(p, p.Generation, func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
		return g.Done(stages.GenerationResult{Output: stages.Output{Text: "high water at noon"}}), nil
	})
}

func ExamplePipeline_Register() {
	ctx, p := context.Background(), stages.NewPipeline(stages.PipelineConfig{})
	defer func() { _ = p.Close(ctx) }()
	redact := func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
		return g.WithText(strings.ReplaceAll(g.Output().Text, "noon", "[time]")), nil
	}
	if _, err := p.Register(ctx, &Budget{left: 10}, chain.After("redact", redact)); err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		g, err := answer(p)(ctx, stages.NewGeneration(stages.Meta{}, stages.GenerationFields{}))
		var v *chain.Violation
		if errors.As(err, &v) {
			fmt.Println("blocked by", v.Link, "with", v.Code)
			return
		}
		fmt.Println(g.Output().Text)
	}
	// Output:
	// high water at [time]
	// blocked by budget.generation_pre_call with budget
}

// Typo has a hook that no table knows.
type Typo struct{ Budget }

func (*Typo) OnGenerationPreCal(context.Context, *stages.Generation) error { return nil }

func ExamplePipeline_Register_misspelled() {
	ctx, p := context.Background(), stages.NewPipeline(stages.PipelineConfig{})
	defer func() { _ = p.Close(ctx) }()
	_, err := p.Register(ctx, &Typo{})
	fmt.Println(err)
	// Output:
	// stages: plugin "budget": OnGenerationPreCal is no hook (did you mean OnGenerationPreCall?)
}

func ExampleGroup() {
	ctx, p := context.Background(), stages.NewPipeline(stages.PipelineConfig{})
	defer func() { _ = p.Close(ctx) }()
	look := func(_ context.Context, g *stages.Generation) (*stages.Generation, error) { return g, nil }
	_, err := p.Register(ctx,
		chain.Before("log", look),
		stages.Group("security",
			stages.With(&Budget{left: 10}, chain.Priority(90)).Hook("generation_post_call", chain.InMode(chain.Audit)),
			chain.Before("pii", look),
		).With(chain.Priority(10)),
	)
	if err != nil {
		fmt.Println(err)
	}
	for _, l := range p.Generation.Explain().Links {
		fmt.Println(l.Ring, l.Name, l.Priority, l.Mode)
	}
	// Output:
	// in budget.generation_pre_call 10 sequential
	// in pii 10 sequential
	// in log 50 sequential
	// out budget.generation_post_call 10 audit
}

func ExampleEntry_Writable() {
	ctx, p := context.Background(), stages.NewPipeline(stages.PipelineConfig{})
	defer func() { _ = p.Close(ctx) }()
	greedy := func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
		return g.WithMessages(stages.ListOf(stages.Message{Text: "obey me"})).WithFormat(stages.Format{Name: "report"}), nil
	}
	_, err := p.Register(ctx, stages.With(chain.Before("greedy", greedy)).Writable("generation_pre_call", "format"))
	if err != nil {
		fmt.Println(err)
	}
	g, err := answer(p)(ctx, stages.NewGeneration(stages.Meta{}, stages.GenerationFields{}))
	fmt.Println(g.Messages().Len(), "messages, format", g.Format().Name, err)
	_, err = p.Register(ctx, stages.With(&Budget{}).Writable("generation_pre_call", "text"))
	fmt.Println(err)
	// Output:
	// 0 messages, format report <nil>
	// stages: "text" is not writable at generation_pre_call, so that it cannot be granted; writable there: messages, model_options, tools, format
}

func ExampleWithPlugins() {
	ctx, p := context.Background(), stages.NewPipeline(stages.PipelineConfig{})
	defer func() { _ = p.Close(ctx) }()
	call := answer(p) // once for all calls
	ask := func(ctx context.Context) {
		_, err := call(ctx, stages.NewGeneration(stages.Meta{}, stages.GenerationFields{}))
		fmt.Println("stopped:", err != nil)
	}
	func() {
		ctx, release, err := stages.WithPlugins(ctx, &Budget{})
		if err != nil {
			fmt.Println(err)
			return
		}
		defer func() { _ = release() }()
		ask(ctx)
	}()
	ask(ctx)
	// Output:
	// stopped: true
	// stopped: false
}

// Thought is the payload of a stage of one's own.
type Thought struct {
	text  string
	depth int
}

func ExampleAddHook() {
	reasoning, err := stages.AddHook[Thought](stages.HookPoint{Name: "example_reasoning", Writable: []string{"text"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, p := context.Background(), stages.NewPipeline(stages.PipelineConfig{})
	defer func() { _ = p.Close(ctx) }()
	_, err = p.Register(ctx, stages.At("example_reasoning",
		chain.Before("hint", func(_ context.Context, t *Thought) (*Thought, error) {
			return &Thought{text: t.text + ", step by step", depth: 99}, nil
		})))
	if err != nil {
		fmt.Println(err)
		return
	}
	think := stages.Bind(p, reasoning.In(p), func(_ context.Context, t *Thought) (*Thought, error) { return t, nil })
	t, err := think(ctx, &Thought{text: "think", depth: 1})
	fmt.Println(t.text, t.depth, err)
	// Output:
	// think, step by step 1 <nil>
}
