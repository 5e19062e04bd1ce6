package otel

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

// stage says how the spans of one stage look.
type stage[P any] struct {
	kind trace.SpanKind
	top  bool // the first of a request
	meta func(P) stages.Meta
	// name and what is known before the call, which samplers see and which is there while the backend is asked.
	start func(P) (name string, attrs []attribute.KeyValue)
	// end is given what is there after the call: the result, or where there is none what went in. It writes to the span if
	// that records, to the metrics, and returns the error that the stage ended in if the payload carries it.
	end func(ctx context.Context, p P, took time.Duration, err error) error
	// metered says whether end has something to do even where no span records.
	metered func(ctx context.Context) bool
}

// around is a Middleware that puts a span around the rest of its stage. The span ends once, however the stage does.
func around[P comparable](p *Plugin, s stage[P]) chain.Middleware[P] {
	return func(next chain.Handler[P]) chain.Handler[P] {
		return func(ctx context.Context, in P) (out P, err error) {
			metered := s.metered != nil && s.metered(ctx)
			if p.off() && !metered {
				return next(ctx, in)
			}
			m := s.meta(in)
			name, attrs := s.start(in)
			ctx, span := p.begin(ctx, name, s.kind, s.top, m, attrs)
			cutShort := true
			defer func() {
				if cutShort { // a panic or a Goexit goes on
					span.SetStatus(codes.Error, "")
					span.SetAttributes(semconv.ErrorTypeKey.String(ErrorCutShort))
				}
				span.End()
			}()
			begun := time.Now()
			out, err = next(ctx, in)
			took := time.Since(begun)
			cutShort = false
			if !span.IsRecording() && !metered {
				return out, err
			}
			var none P
			last := out
			if last == none {
				last = in
			}
			if failure := s.end(ctx, last, took, err); failure != nil {
				failed(span, failure)
			}
			return out, err
		}
	}
}

// begin starts a span below the one of ctx or of the session.
func (p *Plugin) begin(
	ctx context.Context, name string, kind trace.SpanKind, top bool, m stages.Meta, attrs []attribute.KeyValue,
) (context.Context, trace.Span) {
	ctx, links := p.parent(ctx, m.SessionID, top)
	return p.tracer.Start(ctx, name, trace.WithSpanKind(kind), trace.WithAttributes(append(attrs, identity(m)...)...), trace.WithLinks(links...))
}

// identity is what all spans of a request have in common.
func identity(m stages.Meta) []attribute.KeyValue {
	attrs := make([]attribute.KeyValue, 0, 6)
	for _, a := range [...]attribute.KeyValue{
		semconv.GenAIConversationID(m.SessionID), keyRequest.String(m.RequestID), keyParentRequest.String(m.ParentRequestID),
		keyKind.String(m.ComponentKind), keyComponent.String(m.ComponentName), keyStrategy.String(m.Strategy),
	} {
		if a.Value.AsString() != "" {
			attrs = append(attrs, a)
		}
	}
	return attrs
}

// named is a span's name: what is done, and to what.
func named(what, to string) string {
	if to == "" {
		return what
	}
	return what + " " + to
}
