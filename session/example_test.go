package session_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// shouting answers in capitals from its second answer on.
func shouting() session.Backend {
	n := 0
	return session.BackendFunc(func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
		text := "high water is at 06:40"
		if n++; n > 1 {
			text = strings.ToUpper(text)
		}
		return g.Done(stages.GenerationResult{Output: stages.Output{Text: text}}), nil
	})
}

func Example() {
	ctx := context.Background()
	s, err := session.Start(ctx, session.WithBackend(shouting()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = s.Close(ctx) }()

	res, err := s.Instruct(ctx, "Say when high water is.",
		session.Require(session.Check("Shout.", func(text string) (bool, string) {
			return text == strings.ToUpper(text), "it is not in capitals"
		})))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(res, res.Success)
	for i, a := range res.Attempts.All() {
		fmt.Println(i+1, a.Result.Text, a.Findings.At(0).Verdict.Ruling, a.Findings.At(0).Verdict.Reason)
	}
	// Output:
	// HIGH WATER IS AT 06:40 true
	// 1 high water is at 06:40 fail it is not in capitals
	// 2 HIGH WATER IS AT 06:40 pass
}

// Plugins see, rewrite and stop what happens, without a change to the code that gives the instruction.
func ExampleSession_Pipeline() {
	ctx := context.Background()
	s, err := session.Start(ctx, session.WithBackend(shouting()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = s.Close(ctx) }()

	_, err = s.Pipeline().Generation.Use(
		chain.Before("no secrets", func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			for _, m := range g.Messages().All() {
				if strings.Contains(m.Text, "password") {
					return nil, chain.Block("a prompt must not hold a password", chain.Code("secrets"))
				}
			}
			return g, nil
		}),
		chain.After("redact", func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			return g.WithText(strings.ReplaceAll(g.Output().Text, "06:40", "[time]")), nil
		}))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.Instruct(ctx, "Say when high water is."))
	fmt.Println(s.Instruct(ctx, "My password is tide."))
	// Output:
	// high water is at [time] <nil>
	// <nil> generation/no secrets: blocked [secrets] (error): a prompt must not hold a password
}

// A tool is a function that the model may ask for. What it returns goes back to the model, which is asked again.
func ExampleTools() {
	ctx := context.Background()
	backend := session.BackendFunc(func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
		m := g.Messages().At(g.Messages().Len() - 1)
		if m.Role == stages.RoleTool {
			return g.Done(stages.GenerationResult{Output: stages.Output{Text: "High water is at " + m.Text + "."}}), nil
		}
		return g.Done(stages.GenerationResult{Output: stages.Output{
			ToolCalls: stages.ListOf(stages.ToolCall{ID: "1", Name: g.Tools().At(0).Name, Arguments: `{"harbour":"north"}`}),
		}}), nil
	})
	s, err := session.Start(ctx, session.WithBackend(backend))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = s.Close(ctx) }()

	res, err := s.Instruct(ctx, "When is high water?", session.Tools(stages.Callable{
		Name: "tide", Description: "Time of the next high water.",
		Call: func(_ context.Context, arguments json.RawMessage) (any, error) {
			var a struct{ Harbour string }
			if err := json.Unmarshal(arguments, &a); err != nil {
				return nil, err
			}
			return map[string]string{"north": "06:40"}[a.Harbour], nil
		},
	}))
	fmt.Println(res, err)
	for _, m := range s.History().All() {
		fmt.Printf("%s: %q\n", m.Role, m.Text)
	}
	// Output:
	// High water is at 06:40. <nil>
	// user: "When is high water?"
	// assistant: ""
	// tool: "06:40"
	// assistant: "High water is at 06:40."
}
