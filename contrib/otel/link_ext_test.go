package otel_test

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/otel"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

func pass(_ context.Context, g *stages.Generation) (*stages.Generation, error) { return g, nil }

// Links have spans on request: hooks beside the backend's call, an Around around it, none of them for the plugin itself.
func TestLinks(t *testing.T) {
	t.Parallel()
	count := &counting{ended: newCounts()}
	r := newRig(t, otel.Settings{TracerProvider: count})
	s := r.start(t, says(func(ctx context.Context, g *stages.Generation) (stages.Output, error) {
		_, span := r.tracer.Tracer("client").Start(ctx, "wire")
		span.End()
		return answer("yes")(ctx, g)
	}), session.WithPipeline(stages.NewPipeline(stages.PipelineConfig{Tracer: r.LinkTracer()})), session.WithSetup(func(p *stages.Pipeline) error {
		if _, err := p.Component.Use(chain.Before("early", func(_ context.Context, c *stages.Component) (*stages.Component, error) { return c, nil })); err != nil {
			return err
		}
		_, err := p.Generation.Use(chain.Before("in", pass), chain.After("out", pass), chain.Before("beside", pass, chain.InMode(chain.Concurrent)),
			chain.Around("first", func(next chain.Handler[*stages.Generation]) chain.Handler[*stages.Generation] { return next }, chain.Outer(), chain.Priority(1)),
			chain.Around("cache", func(next chain.Handler[*stages.Generation]) chain.Handler[*stages.Generation] { return next }))
		return err
	}))
	if _, err := s.Chat(t.Context(), "well?"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := `session
  component Message
    maillon.link early maillon.link.kind=before maillon.link.mode=sequential
    sampling rejection_sampling
      maillon.link first maillon.link.kind=around maillon.link.mode=sequential
        chat m-1
          maillon.link in maillon.link.kind=before maillon.link.mode=sequential
          maillon.link beside maillon.link.kind=before maillon.link.mode=concurrent
          maillon.link cache maillon.link.kind=around maillon.link.mode=sequential
            wire
          maillon.link out maillon.link.kind=after maillon.link.mode=sequential
`
	if got := r.tree("maillon.link.kind", "maillon.link.mode"); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	count.once(t, len(r.spans.Started())-1) // the backend's own
}

// A link that blocks and one that panics end their spans, with the class of what they did.
func TestLinkErrors(t *testing.T) {
	t.Parallel()
	for want, link := range map[string]func(context.Context, *stages.Generation) (*stages.Generation, error){
		"topic_denied": func(context.Context, *stages.Generation) (*stages.Generation, error) {
			return nil, chain.Block("SECRET", chain.Code("topic_denied"))
		},
		"panic": func(context.Context, *stages.Generation) (*stages.Generation, error) { panic("SECRET") },
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, otel.Settings{})
			s := r.start(t, says(answer("yes")), session.WithPipeline(stages.NewPipeline(stages.PipelineConfig{Tracer: r.LinkTracer()})), session.WithSetup(func(p *stages.Pipeline) error {
				_, err := p.Generation.Use(chain.Before("guard", link))
				return err
			}))
			if _, err := s.Chat(t.Context(), "well?"); err == nil {
				t.Fatal("no error")
			}
			span := r.span(t, "maillon.link guard")
			has(t, span, map[string]string{"error.type": want})
			if span.Status().Code != codes.Error {
				t.Errorf("status %v", span.Status())
			}
			noSecret(t, r)
		})
	}
}

// A trace that is not sampled has no spans of links either, and nothing is ended that others have begun.
func TestLinksOfUnsampled(t *testing.T) {
	t.Parallel()
	count := &counting{ended: newCounts()}
	r := newRig(t, otel.Settings{TracerProvider: count}, sdktrace.WithSampler(sdktrace.NeverSample()))
	s := r.start(t, says(answer("yes")), session.WithPipeline(stages.NewPipeline(stages.PipelineConfig{Tracer: r.LinkTracer()})), session.WithSetup(func(p *stages.Pipeline) error {
		_, err := p.Generation.Use(chain.Before("in", pass))
		return err
	}))
	if _, err := s.Chat(t.Context(), "well?"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	count.once(t, 4) // session, component, sampling, chat
	if got := r.points(t, "gen_ai.client.operation.duration"); len(got) != 1 {
		t.Errorf("measured %v", got)
	}
}
