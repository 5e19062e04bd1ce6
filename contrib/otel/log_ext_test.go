package otel_test

import (
	"context"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/otel"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// What a hook logs has the trace and the span that it ran in.
func TestLogs(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.InfoLevel)
	r := newRig(t, otel.Settings{})
	s := r.start(t, says(answer("yes")), session.WithLogger(zap.New(core)), session.WithSetup(func(p *stages.Pipeline) error {
		_, err := p.Generation.Use(chain.Before("logs", func(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
			otel.Logger(ctx).Info("logger", zap.Int("n", 1))
			stages.From(ctx).Logger().Info("field", otel.Field(ctx), zap.Int("n", 1))
			return g, nil
		}))
		return err
	}))
	if _, err := s.Chat(t.Context(), "well?"); err != nil {
		t.Fatal(err)
	}
	chat := r.span(t, "chat m-1").SpanContext()
	for _, message := range []string{"logger", "field"} {
		lines := logs.FilterMessage(message).All()
		if len(lines) != 1 {
			t.Fatalf("%d lines", len(lines))
		}
		got := lines[0].ContextMap()
		if got["trace_id"] != chat.TraceID().String() || got["span_id"] != chat.SpanID().String() || got["trace_flags"] != "01" || got["n"] != int64(1) {
			t.Errorf("%s: got %v", message, got)
		}
	}
	otel.Logger(t.Context()).Info("nowhere")
	zap.New(core).Info("without", otel.Field(t.Context()))
	if got := logs.FilterMessage("without").All()[0].ContextMap(); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}
