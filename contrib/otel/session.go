package otel

import (
	"context"

	"go.opentelemetry.io/otel/trace"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

// sessionSpan is the span of a session that is open.
type sessionSpan struct {
	span   trace.Span
	caller trace.SpanContext // the span under which the session was started, if any
}

// ObserveSession begins the session's span, at the time when the session began to start. That of a session which does not
// start ends at once.
func (p *Plugin) ObserveSession(ctx context.Context, o chain.Outcome[*stages.Session]) {
	if p.off() || o.Payload == nil {
		return
	}
	caller := trace.SpanContextFromContext(ctx)
	m := o.Payload.Meta()
	b := o.Payload.Backend()
	_, span := p.tracer.Start(ctx, "session", trace.WithTimestamp(m.Time), trace.WithAttributes(append(p.model(b), identity(m)...)...))
	if o.Err != nil {
		failed(span, o.Err)
		span.End()
		return
	}
	if span.SpanContext().IsValid() {
		p.sessions.Store(m.SessionID, &sessionSpan{span, caller})
	}
}

// ObserveCleanup ends the session's span.
func (p *Plugin) ObserveCleanup(_ context.Context, o chain.Outcome[*stages.Cleanup]) {
	if p.off() || o.Payload == nil {
		return
	}
	c := o.Payload
	s := p.forget(c.Meta().SessionID)
	if s == nil {
		return
	}
	u := c.Usage()
	s.span.SetAttributes(keyInteractions.Int(c.Interactions()), keyGenerations.Int(c.Generations()),
		keyInputTotal.Int(u.InputTokens), keyOutputTotal.Int(u.OutputTokens))
	if err := c.Err(); err != nil {
		failed(s.span, err)
	}
	s.span.End()
}

// forget takes a session's span out of the books: who gets it ends it.
func (p *Plugin) forget(id string) *sessionSpan {
	v, ok := p.sessions.LoadAndDelete(id)
	if !ok {
		return nil
	}
	return v.(*sessionSpan)
}

// parent is ctx with the span that the next one belongs under: the one that it has, unless it has none or the one that the
// session was started under, for then the session's span comes between. A trace of the caller's own is told of the
// session's by a link, where that is asked for.
func (p *Plugin) parent(ctx context.Context, id string, link bool) (context.Context, []trace.Link) {
	v, ok := p.sessions.Load(id)
	if !ok {
		return ctx, nil
	}
	s := v.(*sessionSpan)
	now, own := trace.SpanContextFromContext(ctx), s.span.SpanContext()
	switch {
	case !now.IsValid(), now.SpanID() == s.caller.SpanID() && now.TraceID() == s.caller.TraceID():
		return trace.ContextWithSpan(ctx, s.span), nil
	case link && now.TraceID() != own.TraceID():
		return ctx, []trace.Link{{SpanContext: own}}
	}
	return ctx, nil
}
