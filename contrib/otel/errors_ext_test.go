package otel_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/otel"
	"github.com/maillon-go/maillon/internal/plugintest"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

type generation = func(context.Context, *stages.Generation) (*stages.Generation, error)

// What goes wrong is told by its class alone, on every span that it ends.
func TestErrorTypes(t *testing.T) {
	t.Parallel()
	before := func(f generation) session.Option {
		return session.WithSetup(func(p *stages.Pipeline) error {
			_, err := p.Generation.Use(chain.Before("guard", f))
			return err
		})
	}
	for name, tc := range map[string]struct {
		backend *plugintest.Model
		opt     session.Option
		within  time.Duration
		want    string
		outcome string
		link    string
	}{
		"block with a code": {opt: before(func(context.Context, *stages.Generation) (*stages.Generation, error) {
			return nil, chain.Block("SECRET", chain.Code("topic_denied"), chain.Details(map[string]any{"text": "SECRET"}))
		}), want: "topic_denied", outcome: "blocked", link: "guard"},
		"block without a code": {opt: before(func(context.Context, *stages.Generation) (*stages.Generation, error) {
			return nil, chain.Block("SECRET")
		}), want: "blocked", outcome: "blocked", link: "guard"},
		"link fails": {opt: before(func(context.Context, *stages.Generation) (*stages.Generation, error) {
			return nil, errors.New("SECRET")
		}), want: "link_error", outcome: "-", link: "guard"},
		"link panics": {opt: before(func(context.Context, *stages.Generation) (*stages.Generation, error) {
			panic("SECRET")
		}), want: "panic", outcome: "-", link: "guard"},
		"backend fails":  {backend: says(plugintest.Fails(errDown)), want: "_OTHER", outcome: "-", link: "-"},
		"backend's kind": {backend: says(plugintest.Fails(fmt.Errorf("SECRET: %w", &session.BackendError{Kind: session.BackendRateLimit, Message: "SECRET"}))), want: "rate_limit", outcome: "-", link: "-"},
		"backend panics": {backend: says(func(context.Context, *stages.Generation) (stages.Output, error) { panic("SECRET") }), want: "panic", outcome: "-", link: "-"},
		"cancelled":      {backend: says(plugintest.Fails(&session.BackendError{Kind: session.BackendTransportError, Err: context.Canceled})), want: "canceled", outcome: "-", link: "-"},
		"deadline": {backend: says(func(ctx context.Context, g *stages.Generation) (stages.Output, error) {
			<-ctx.Done()
			return stages.Output{}, ctx.Err()
		}), within: time.Millisecond, want: "timeout", outcome: "-", link: "-"},
		"unknown tool is no error of the call": {backend: says(asks("SECRET", "{}"), answer("yes")), want: "-", outcome: "-", link: "-"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, otel.Settings{})
			if tc.backend == nil {
				tc.backend = says(answer("yes"))
			}
			s := r.start(t, tc.backend, tc.opt, session.WithTools(tide(atNoon)))
			ctx := t.Context()
			if tc.within > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, tc.within)
				defer cancel()
			}
			if _, err := s.Chat(ctx, "SECRET"); (err == nil) != (tc.want == "-") {
				t.Fatal(err)
			}
			code := codes.Error
			if tc.want == "-" {
				code = codes.Unset
			}
			for _, span := range r.spans.Ended() {
				if span.Name() == "execute_tool" { // of a name that no tool has
					has(t, span, map[string]string{"error.type": "_OTHER", "gen_ai.tool.name": "-"})
					continue
				}
				has(t, span, map[string]string{"error.type": tc.want, "maillon.outcome": tc.outcome, "maillon.link.name": tc.link})
				if span.Status().Code != code || span.Status().Description != "" {
					t.Errorf("%s: status %+v, want %v", span.Name(), span.Status(), code)
				}
			}
			if n := len(r.spans.Ended()); n < 3 {
				t.Errorf("%d spans: %s", n, r.tree())
			}
			noSecret(t, r)
		})
	}
}

// A tool that fails, and one that is blocked, fail their own span only.
func TestToolErrors(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		tool  func(context.Context) (string, error)
		block bool
		want  string
	}{
		"fails":   {tool: func(context.Context) (string, error) { return "", errors.New("SECRET") }, want: "_OTHER"},
		"panics":  {tool: func(context.Context) (string, error) { panic("SECRET") }, want: "panic"},
		"blocked": {tool: atNoon, block: true, want: "tool_denied"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, otel.Settings{})
			s := r.start(t, says(asks("tide", `{"harbour":"SECRET"}`), answer("yes")), session.WithTools(tide(tc.tool)), session.WithSetup(func(p *stages.Pipeline) error {
				_, err := p.Tool.Use(chain.Before("guard", func(_ context.Context, g *stages.Tool) (*stages.Tool, error) {
					if tc.block {
						return nil, chain.Block("SECRET", chain.Code("tool_denied"))
					}
					return g, nil
				}))
				return err
			}))
			if _, err := s.Chat(t.Context(), "well?"); err != nil {
				t.Fatal(err)
			}
			has(t, r.span(t, "execute_tool tide"), map[string]string{"error.type": tc.want})
			has(t, r.span(t, "component Message"), map[string]string{"error.type": "-"})
			noSecret(t, r)
		})
	}
}
