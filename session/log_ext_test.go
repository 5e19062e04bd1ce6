package session_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// What a link took out of an answer does not come back by the logs of generations.
func TestLogsHoldWhatTheLinksLeft(t *testing.T) {
	t.Parallel()
	redact := rewriteOut(ofGeneration, func(g *stages.Generation) *stages.Generation { return g.WithText("[redacted]") })
	for _, tc := range []struct {
		name    string
		setup   func(*stages.Pipeline) error
		backend session.Backend
		want    []string // texts of the log
		err     bool
	}{
		{name: "as it was", backend: script(answer("SECRET")), want: []string{"SECRET"}},
		{name: "rewritten", setup: redact, backend: script(answer("SECRET")), want: []string{"[redacted]"}},
		{name: "with a tool call", setup: redact, backend: script(call("tide", "{}"), answer("SECRET")), want: []string{"[redacted]", "[redacted]"}},
		{name: "blocked", setup: after(ofGeneration), backend: script(answer("SECRET")), want: []string{""}, err: true},
		{name: "a link that fails", setup: rewriteOut(ofGeneration, func(*stages.Generation) *stages.Generation { panic("in the link") }), backend: script(answer("SECRET")), want: []string{""}, err: true},
		{name: "a retry", setup: both(redact, around(ofGeneration, func(ctx context.Context, g *stages.Generation, next handler[*stages.Generation]) (*stages.Generation, error) {
			if out, err := next(ctx, g); err == nil {
				return out, nil
			}
			return next(ctx, g)
		})), backend: script(func() (stages.Output, error) { return stages.Output{Text: "SECRET"}, errDown }, answer("SECRET")), want: []string{"", "[redacted]"}},
		{name: "the first of two answers is thrown away", setup: both(redact, around(ofGeneration, func(ctx context.Context, g *stages.Generation, next handler[*stages.Generation]) (*stages.Generation, error) {
			if _, err := next(ctx, g); err != nil {
				return nil, err
			}
			return next(ctx, g)
		})), backend: script(answer("SECRET"), answer("SECRET")), want: []string{"", "[redacted]"}},
		{name: "an error with a part of the answer", setup: redact, backend: session.BackendFunc(func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			return g.Partial(stages.GenerationResult{Output: stages.Output{Text: "SECRET"}}), errDown
		}), want: []string{""}, err: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			rec := &recorder{}
			setup := tc.setup
			if setup == nil {
				setup = func(*stages.Pipeline) error { return nil }
			}
			s, err := session.Start(t.Context(), session.WithPipeline(stages.NewPipeline(stages.PipelineConfig{})), session.WithTools(tideTool()),
				session.WithBackend(tc.backend), session.WithSetup(setup), session.WithSetup(rec.register))
			if err != nil {
				t.Fatal(err)
			}
			res, err := s.Instruct(t.Context(), "hello", session.LoopBudget(1))
			if (err != nil) != tc.err {
				t.Fatalf("got %v, %v", res, err)
			}
			if !tc.err {
				c := last[*stages.Component](t, rec, "component_post_success")
				wantLog(t, "Component", c.Log(), tc.want)
				if c.Log().Len() > 1 && c.Usage() != s.Totals().Usage {
					t.Errorf("usage %+v and %+v", c.Usage(), s.Totals().Usage)
				}
			}
			if err := s.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			c := last[*stages.Cleanup](t, rec, "session_cleanup")
			wantLog(t, "Cleanup", c.Log(), tc.want)
			if c.Generations() != len(tc.want) {
				t.Errorf("%d generations", c.Generations())
			}
		})
	}
}

func wantLog(tb testing.TB, of string, log stages.List[stages.Exchange], want []string) {
	tb.Helper()
	var got []string
	for _, e := range log.All() {
		got = append(got, e.Output.Text)
		if e.Error == "" && e.Output.Usage.InputTokens != 2 {
			tb.Errorf("%s: the usage is gone: %+v", of, e)
		}
		if e.Output.Text == "" && e.Output.ToolCalls.Len() > 0 {
			tb.Errorf("%s: %+v", of, e)
		}
	}
	if strings.Join(got, "|") != strings.Join(want, "|") || len(got) != len(want) {
		tb.Errorf("the log of %s is %q, want %q", of, got, want)
	}
}

// A hook's own generation is logged in the same way.
func TestLogOfAHooksGeneration(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	s, err := session.Start(t.Context(), session.WithPipeline(stages.NewPipeline(stages.PipelineConfig{})),
		session.WithBackend(script(answer("SECRET"), answer("SECRET"))), session.WithSetup(rec.register),
		session.WithSetup(rewriteOut(ofGeneration, func(g *stages.Generation) *stages.Generation { return g.WithText("[redacted]") })))
	if err != nil {
		t.Fatal(err)
	}
	use(t, s.Pipeline().Create, chain.Before("ask", func(ctx context.Context, c *stages.Create) (*stages.Create, error) {
		_, err := stages.From(ctx).Generate(ctx, []stages.Message{{Role: stages.RoleUser, Text: "?"}}, stages.ModelOptions{})
		return c, err
	}))
	if _, err := s.Instruct(t.Context(), "hello"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantLog(t, "Cleanup", last[*stages.Cleanup](t, rec, "session_cleanup").Log(), []string{"[redacted]", "[redacted]"})
}

func both(setups ...func(*stages.Pipeline) error) func(*stages.Pipeline) error {
	return func(p *stages.Pipeline) (err error) {
		for _, f := range setups {
			err = errors.Join(err, f(p))
		}
		return err
	}
}
