package otel

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/trace"

	"github.com/maillon-go/maillon/chain"
)

// LinkTracer gives every hook and Around its own span, maillon.link and its name, below that of the stage it runs in:
//
//	pipeline.WithTracer(p.LinkTracer())
//
// The plugin's own links have none. They are known by its name: registered under another one, they have spans too.
func (p *Plugin) LinkTracer() chain.Tracer { return linkTracer{p} }

type linkTracer struct{ p *Plugin }

// linkSpan is the span that LinkEnd has to end.
type linkSpan struct {
	link chain.Traced
	span trace.Span
}

type linkKey struct{}

// Sample says yes: whether the call is sampled is known when its stage has a span, which comes after.
func (t linkTracer) Sample(context.Context) bool { return !t.p.off() }

func (t linkTracer) LinkStart(ctx context.Context, l chain.Traced) context.Context {
	if strings.HasPrefix(l.Link, t.p.Name()+".") || !trace.SpanFromContext(ctx).IsRecording() {
		return ctx
	}
	ctx, span := t.p.tracer.Start(ctx, "maillon.link "+l.Link, trace.WithAttributes(
		keyLink.String(l.Link), keyLinkChain.String(l.Chain), keyLinkKind.String(l.Kind.String()),
		keyLinkMode.String(l.Mode.String()), keyLinkScope.String(l.Scope),
	))
	return context.WithValue(ctx, linkKey{}, linkSpan{l, span})
}

func (t linkTracer) LinkEnd(ctx context.Context, l chain.Traced, err error) {
	s, ok := ctx.Value(linkKey{}).(linkSpan)
	if !ok || s.link != l { // it has no span
		return
	}
	if err != nil {
		failed(s.span, err)
	}
	s.span.End()
}
