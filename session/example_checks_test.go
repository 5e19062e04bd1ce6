package session_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// tryAnswers instructs a session whose model gives these answers, one after the other, and prints what was found about each.
func tryAnswers(answers []string, opts ...session.InstructOption) {
	ctx := context.Background()
	backend := session.BackendFunc(func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
		text := answers[0]
		answers = answers[1:]
		return g.Done(stages.GenerationResult{Output: stages.Output{Text: text}}), nil
	})
	s, err := session.Start(ctx, session.WithBackend(backend))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = s.Close(ctx) }()
	res, err := s.Instruct(ctx, "When is high water?", opts...)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, a := range res.Attempts.All() {
		v := a.Findings.At(0).Verdict
		fmt.Println(strings.TrimSpace(fmt.Sprintf("%s: %s %s", a.Result.Text, v.Ruling, v.Reason)))
	}
}

// The model is asked whether its answer fulfils the requirement. Here it answers, judges, answers again and judges again.
func ExampleJudge() {
	tryAnswers([]string{"06:40, landlubber.", "No. It insults the reader.", "At 06:40.", "Yes"},
		session.Require(session.Judge("Be friendly.")))
	// Output:
	// 06:40, landlubber.: fail It insults the reader.
	// At 06:40.: pass
}

func ExampleJSONSchema() {
	tide, err := session.JSONSchema(`{"type": "object", "properties": {"high": {"type": "string"}}, "required": ["high"]}`)
	if err != nil {
		fmt.Println(err)
		return
	}
	tryAnswers([]string{"At 06:40.", `{"low": "12:50"}`, `{"high": "06:40"}`}, session.Require(tide))
	// Output:
	// At 06:40.: fail it is not valid JSON
	// {"low": "12:50"}: fail it does not fit the schema: required: missing properties: ["high"]
	// {"high": "06:40"}: pass
}

func ExampleMaxLength() {
	tryAnswers([]string{"High water is at 06:40, if I remember it well.", "At 06:40."}, session.Require(session.MaxLength(3, session.InWords)))
	// Output:
	// High water is at 06:40, if I remember it well.: fail it has more than 3 words
	// At 06:40.: pass
}

func ExampleMinLength() {
	tryAnswers([]string{"06:40.", "High water is at 06:40. Low water follows."}, session.Require(session.MinLength(2, session.InSentences)))
	// Output:
	// 06:40.: fail it has fewer than 2 sentences
	// High water is at 06:40. Low water follows.: pass
}

func ExampleMatch() {
	tryAnswers([]string{"In the morning.", "At 06:40."}, session.Require(session.Match("Give the time as hh:mm.", regexp.MustCompile(`\b\d\d:\d\d\b`))))
	// Output:
	// In the morning.: fail it lacks what it has to have: Give the time as hh:mm.
	// At 06:40.: pass
}

// A requirement that is only checked is not in the prompt, and the model is not told when it is asked again.
func ExampleCheckOnly() {
	tryAnswers([]string{"As an AI, I say 06:40.", "06:40"}, session.Require(
		session.CheckOnly(session.NoMatch("Do not mention what you are.", regexp.MustCompile(`(?i)\bAI\b`)))))
	// Output:
	// As an AI, I say 06:40.: fail it has what it must not have: Do not mention what you are.
	// 06:40: pass
}

// A tool is a typed function; its arguments are checked before it is called.
func ExampleNewTool() {
	ctx := context.Background()
	type args struct {
		Harbour string `json:"harbour" jsonschema:"which harbour" enum:"north,south"`
	}
	tide, err := session.NewTool("tide", "Time of the next high water.",
		func(_ context.Context, a args) (string, error) {
			if a.Harbour == "south" {
				return "", errors.New("the table of the south harbour is wet")
			}
			return "06:40", nil
		},
		session.ToolTimeout(time.Second))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(tide.Parameters)

	s, err := session.Start(ctx, session.WithBackend(shouting()), session.WithTools(tide))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = s.Close(ctx) }()
	for _, arguments := range []stages.JSON{`{"harbour":"north"}`, `{"harbour":"south"}`, `{"harbour":7}`, `{}`} {
		run, err := s.RunTool(ctx, "tide", arguments) // as if the model had asked for it
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(run.Success, run.Output)
	}
	// Output:
	// {"type":"object","properties":{"harbour":{"type":"string","description":"which harbour","enum":["north","south"]}},"required":["harbour"],"additionalProperties":false}
	// true 06:40
	// false error: the table of the south harbour is wet
	// false error: the arguments are wrong: validating /properties/harbour: type: 7 has type "integer", want "string"
	// false error: the arguments are wrong: required: missing properties: ["harbour"]
}

// What tools an answer took can be required.
func ExampleMustUse() {
	ctx := context.Background()
	n := 0
	backend := session.BackendFunc(func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
		out := stages.Output{Text: "At seven, I guess."}
		switch n++; n {
		case 2:
			out = stages.Output{ToolCalls: stages.ListOf(stages.ToolCall{ID: "1", Name: "tide"})}
		case 3:
			out = stages.Output{Text: "At 06:40."}
		}
		return g.Done(stages.GenerationResult{Output: out}), nil
	})
	tide, err := session.NewTool("tide", "Time of high water.", func(context.Context, struct{}) (string, error) { return "06:40", nil })
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := session.Start(ctx, session.WithBackend(backend), session.WithTools(tide))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = s.Close(ctx) }()
	res, err := s.Instruct(ctx, "When is high water?", session.Require(session.MustUse("tide")))
	fmt.Println(res, err)
	fmt.Println(res.Attempts.At(0).Findings.At(0).Verdict.Reason)
	// Output:
	// At 06:40. <nil>
	// the tool tide was not used
}
