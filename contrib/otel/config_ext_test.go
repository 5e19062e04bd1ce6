package otel_test

import (
	"testing"

	"github.com/maillon-go/maillon/contrib/otel"
	"github.com/maillon-go/maillon/internal/plugintest"
	"github.com/maillon-go/maillon/session"
)

// The kind in a file.
func TestConfig(t *testing.T) {
	t.Parallel()
	r := newRig(t, otel.Settings{})
	kinds := plugintest.Kind("otel", func(s otel.Settings) (*otel.Plugin, error) {
		s.Redact, s.TracerProvider = redact, r.tracer
		return otel.New(s)
	})
	p, c, err := plugintest.Open(t, kinds, "plugins:\n  - name: telemetry\n    kind: otel\n"+
		"    config: {semconv: 1.41.0, contents: true, max_content: 100, providers: {harbour: mistral_ai}}\n")
	if err != nil {
		t.Fatal(err)
	}
	s := plugintest.Start(t, says(answer("yes SECRET")), session.WithPipeline(p))
	if _, err := s.Chat(t.Context(), "well?"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if l, ok := p.Generation.Stats().Link("telemetry.wrap_generation"); !ok || l.Failures != 0 {
		t.Errorf("stats %+v, %v", l, ok)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	has(t, r.span(t, "chat m-1"), map[string]string{
		"gen_ai.provider.name": "mistral_ai", "gen_ai.output.messages": `[{"role":"assistant","parts":[{"type":"text","content":"yes [x]"}],"finish_reason":"stop"}]`,
	})
	plugintest.Faulty(t, kinds, map[string]string{
		"{semconv: 2.0.0}":      `semconv "2.0.0": use "1.41.0" or "1.36.0"`,
		"{content: true}":       "content",
		`{max_content: "many"}`: "max_content",
	})
}
