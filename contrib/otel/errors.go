package otel

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
)

// Values of error.type. A block that has a code has that, and an error of a backend its kind (see session.BackendErrorKind).
const (
	ErrorBlocked   = "blocked"    // a block without a code
	ErrorCanceled  = "canceled"   // the caller has gone, or the reader of a stream
	ErrorTimeout   = "timeout"    // a deadline has passed
	ErrorPanic     = "panic"      // of a backend, a tool or a check
	ErrorLink      = "link_error" // a link failed
	ErrorCutShort  = "cut_short"  // a panic or runtime.Goexit that nobody caught
	ErrorOther     = "_OTHER"     // anything else
	outcomeBlocked = "blocked"
)

// errorType is the class of an error, never its text.
func errorType(err error) string {
	var (
		v        *chain.Violation
		b        *session.BackendError
		panicked *chain.PanicError
		link     *chain.LinkError
	)
	switch {
	case errors.As(err, &v):
		if v.Code != "" {
			return v.Code
		}
		return ErrorBlocked
	case errors.Is(err, context.Canceled), errors.Is(err, session.ErrStreamClosed), errors.Is(err, session.ErrClosed):
		return ErrorCanceled // whatever a backend has made of it
	case errors.As(err, &b):
		return string(b.Kind)
	case errors.As(err, &panicked):
		return ErrorPanic
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, chain.ErrTimeout):
		return ErrorTimeout
	case errors.As(err, &link):
		return ErrorLink
	}
	return ErrorOther
}

// failed writes the outcome of a call that ended in an error.
func failed(span trace.Span, err error) {
	span.SetStatus(codes.Error, "")
	span.SetAttributes(semconv.ErrorTypeKey.String(errorType(err)))
	var v *chain.Violation
	var l *chain.LinkError
	switch {
	case errors.As(err, &v):
		span.SetAttributes(append(decidedBy(v.Chain, v.Link), keyOutcome.String(outcomeBlocked))...)
	case errors.As(err, &l):
		span.SetAttributes(decidedBy(l.Chain, l.Link)...)
	}
}

func decidedBy(stage, link string) []attribute.KeyValue {
	return []attribute.KeyValue{keyLinkChain.String(stage), keyLink.String(link)}
}
