package stages_test

import (
	"context"
	"fmt"
	"regexp"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

// backend stands for a model.
func backend(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
	fmt.Println("asked:", g.Messages().At(0).Text)
	return g.Done(stages.GenerationResult{
		Output: stages.Output{Text: "Write to jane@example.org."},
		Source: stages.SourceBackend,
	}), nil
}

func ExamplePipeline() {
	mail := regexp.MustCompile(`\S+@\S+\w`)
	redact := func(s string) string { return mail.ReplaceAllString(s, "[mail]") }

	p := stages.NewPipeline(stages.PipelineConfig{})
	_, err := p.Generation.Use(
		chain.Before("redact-in", func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			return g.WithMessages(g.Messages().Map(func(m stages.Message) stages.Message {
				m.Text = redact(m.Text)
				return m
			})), nil
		}),
		chain.After("redact-out", func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			return g.WithText(redact(g.Output().Text)), nil
		}),
	)
	if err != nil {
		panic(err)
	}

	call := p.Generation.Then(backend)
	g, err := call(context.Background(), stages.NewGeneration(stages.Meta{RequestID: "r1"}, stages.GenerationFields{
		Messages: stages.ListOf(stages.Message{Role: stages.RoleUser, Text: "I am joe@example.org, who are you?"}),
	}))
	fmt.Println("answer:", g.Output().Text, err)
	// Output:
	// asked: I am [mail], who are you?
	// answer: Write to [mail]. <nil>
}

// A link that answers in the backend's place gives the payload its result. Hooks still see it.
func ExampleGeneration_Done() {
	p := stages.NewPipeline(stages.PipelineConfig{})
	_, err := p.Generation.Use(
		chain.Around("cache", func(chain.Handler[*stages.Generation]) chain.Handler[*stages.Generation] {
			return func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
				return g.Done(stages.GenerationResult{Output: stages.Output{Text: "from memory"}, Source: stages.SourceCache}), nil
			}
		}),
		chain.After("look", func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			fmt.Println("after:", g.Source())
			return g, nil
		}),
	)
	if err != nil {
		panic(err)
	}
	g, err := p.Generation.Then(backend)(context.Background(), stages.NewGeneration(stages.Meta{}, stages.GenerationFields{}))
	fmt.Println(g.Output().Text, err)
	// Output:
	// after: cache
	// from memory <nil>
}

func ExampleLookupHook() {
	h, _ := stages.LookupHook("tool_pre_invoke")
	fmt.Println(h.Chain, h.Position, h.Writable)
	fmt.Println("a block:", h.Block)
	// Output:
	// tool before [name arguments]
	// a block: the tool does not run; the model is told that it failed
}

// Hooks of one request share state, whatever stage they belong to.
func ExampleFrom() {
	type refusals struct{}
	ctx, err := stages.NewContext(context.Background(), stages.Info{RequestID: "r1"})
	if err != nil {
		panic(err)
	}
	for range 2 { // as a hook would
		stages.From(ctx).State().Update(refusals{}, func(old any) any {
			n, _ := old.(int)
			return n + 1
		})
	}
	n, _ := stages.From(ctx).State().Load(refusals{})
	fmt.Println(stages.From(ctx).ID(), n)
	// Output: r1 2
}
