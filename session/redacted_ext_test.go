package session_test

import (
	"context"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// What links took out of the input and the answer is not in other fields of the payloads either.
func TestRedactedTextIsGone(t *testing.T) {
	s := start(t, session.WithBackend(session.BackendFunc(func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
		return g.Done(stages.GenerationResult{Output: stages.Output{Text: "say hunter2", Raw: `{"text": "say hunter2"}`}}), nil
	})))
	p := s.Pipeline()
	use := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	use(p.Create.Use(chain.Before("in", func(_ context.Context, c *stages.Create) (*stages.Create, error) {
		return c.WithDescription(strings.ReplaceAll(c.Description(), "hunter2", "[x]")), nil
	})))
	use(p.Chunk.Use(chain.Before("out", func(_ context.Context, c *stages.Chunk) (*stages.Chunk, error) {
		return c.WithText(strings.ReplaceAll(c.Text(), "hunter2", "[x]")), nil
	})))
	var input, raw string
	use(p.Component.Use(chain.Observe("input", func(_ context.Context, o chain.Outcome[*stages.Component]) { input = o.Payload.Input() })))
	use(p.Generation.Use(chain.Observe("raw", func(_ context.Context, o chain.Outcome[*stages.Generation]) { raw = string(o.Payload.Output().Raw) })))
	res, err := s.Instruct(t.Context(), "it is hunter2")
	if err != nil {
		t.Fatal(err)
	}
	if input != "it is [x]" || raw != "" || res.Text() != "say [x]" || res.Output.Raw != "" {
		t.Errorf("input %q, raw %q, result %+v", input, raw, res.Output)
	}
}
