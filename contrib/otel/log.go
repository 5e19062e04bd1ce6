package otel

import (
	"context"

	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/maillon-go/maillon/stages"
)

// Field is trace_id, span_id and trace_flags of the span that ctx has, as one field. Without a span it is left out.
//
//	log.Info("sent", otel.Field(ctx))
func Field(ctx context.Context) zap.Field {
	sc := trace.SpanContextFromContext(ctx)
	if !sc.IsValid() {
		return zap.Skip()
	}
	return zap.Inline(ids(sc))
}

// Logger is the logger of the request that ctx belongs to, with Field. It is never nil.
func Logger(ctx context.Context) *zap.Logger { return stages.From(ctx).Logger().With(Field(ctx)) }

// ids are a span's, by the names that OpenTelemetry has for them in logs that are not its own.
type ids trace.SpanContext

// MarshalLogObject writes them.
func (i ids) MarshalLogObject(e zapcore.ObjectEncoder) error {
	sc := trace.SpanContext(i)
	e.AddString("trace_id", sc.TraceID().String())
	e.AddString("span_id", sc.SpanID().String())
	e.AddString("trace_flags", sc.TraceFlags().String())
	return nil
}
