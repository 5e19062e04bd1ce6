package readme

import (
	"context"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

// What the code blocks of the other pages of docs stand in.

func checkBudget(_ context.Context, g *stages.Generation) (*stages.Generation, error) { return g, nil }

func redactOutput(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
	return g.WithText("[redacted]"), nil
}

func alert(context.Context, chain.Outcome[*stages.Generation]) {}

func TestHookPoints(t *testing.T) {
	p := pipeline(t)
	_, err := p.Generation.Use(
		chain.Before("budget", checkBudget), // generation_pre_call
		chain.After("redact", redactOutput), // generation_post_call
		chain.OnError("alert", alert),       // generation_error
	)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := answer(t.Context(), p, "high water"); err != nil || text != "[redacted]" {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestWire(t *testing.T) {
	payload := stages.NewTool(stages.Meta{}, stages.ToolFields{Name: "tide"}).Done(stages.ToolResult{Output: "ask ines@harbour.example"})
	b, err := stages.Encode("tool_post_invoke", payload)
	if err != nil {
		t.Fatal(err)
	}
	tool, err := stages.DecodeAs[*stages.Tool]("tool_post_invoke", b)
	if err != nil || tool.Output() != payload.Output() {
		t.Errorf("decoded %v, %v", tool, err)
	}
	answer := []byte(`{"output": "[e-mail]"}`)
	kept, discarded, err := stages.ApplyPatch("tool_post_invoke", payload, answer)
	if err != nil || len(discarded) > 0 || kept.Output() != "[e-mail]" {
		t.Errorf("got %v, %v, %v", kept, discarded, err)
	}
}
