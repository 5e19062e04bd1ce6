package otel

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
)

// metrics are the instruments of the conventions.
type metrics struct {
	duration metric.Float64Histogram // of chat and execute_tool
	tokens   metric.Int64Histogram
	first    metric.Float64Histogram // nil in conventions that do not have it
}

// The boundaries that the conventions recommend, in seconds and tokens.
var (
	durations = metric.WithExplicitBucketBoundaries(0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
	counts    = metric.WithExplicitBucketBoundaries(1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
	firsts    = metric.WithExplicitBucketBoundaries(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
)

func newMetrics(m metric.Meter, conv conventions) (out metrics, err error) {
	errs := make([]error, 3)
	out.duration, errs[0] = m.Float64Histogram("gen_ai.client.operation.duration", durations,
		metric.WithUnit("s"), metric.WithDescription("GenAI operation duration."))
	out.tokens, errs[1] = m.Int64Histogram("gen_ai.client.token.usage", counts,
		metric.WithUnit("{token}"), metric.WithDescription("Number of input and output tokens used."))
	if !conv.old {
		out.first, errs[2] = m.Float64Histogram("gen_ai.client.operation.time_to_first_chunk", firsts,
			metric.WithUnit("s"), metric.WithDescription("Time to receive the first chunk of a streamed answer."))
	}
	return out, errors.Join(errs...)
}

// enabled says whether anybody collects what would be recorded.
func (m metrics) enabled(ctx context.Context) bool {
	return m.duration.Enabled(ctx) || m.tokens.Enabled(ctx)
}

// took records how long an operation took.
func (m metrics) took(ctx context.Context, d time.Duration, attrs []attribute.KeyValue, err error) {
	if err != nil {
		attrs = append(attrs[:len(attrs):len(attrs)], semconv.ErrorTypeKey.String(errorType(err)))
	}
	m.duration.Record(ctx, d.Seconds(), metric.WithAttributes(attrs...))
}

// used records tokens of one type, unless the backend has not said how many.
func (m metrics) used(ctx context.Context, n int, kind attribute.KeyValue, attrs []attribute.KeyValue) {
	if n > 0 {
		m.tokens.Record(ctx, int64(n), metric.WithAttributes(append(attrs[:len(attrs):len(attrs)], kind)...))
	}
}

// streamed records when the first piece of an answer came.
func (m metrics) streamed(ctx context.Context, after time.Duration, attrs []attribute.KeyValue) {
	m.first.Record(ctx, after.Seconds(), metric.WithAttributes(attrs...))
}
