package otel_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/contrib/config"
	"github.com/maillon-go/maillon/contrib/otel"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// The kind in a file.
func TestConfig(t *testing.T) {
	t.Parallel()
	r := newRig(t, otel.Settings{})
	kinds := config.NewKinds()
	config.Register(kinds, "otel", func(s otel.Settings) (any, error) {
		s.Redact, s.TracerProvider = redact, r.tracer
		return otel.New(s)
	})
	path := filepath.Join(t.TempDir(), "maillon.yaml")
	text := "plugins:\n  - name: telemetry\n    kind: otel\n    config: {semconv: 1.41.0, contents: true, max_content: 100, providers: {harbour: mistral_ai}}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := stages.NewPipeline(stages.PipelineConfig{})
	c, err := config.Open(t.Context(), path, config.Options{Pipeline: p, Kinds: kinds})
	if err != nil {
		t.Fatal(err)
	}
	s, err := session.Start(t.Context(), session.WithBackend(says(answer("yes SECRET"))), session.WithPipeline(p))
	if err != nil {
		t.Fatal(err)
	}
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
	for file, want := range map[string]string{
		"plugins:\n  - {name: a, kind: otel, config: {semconv: 2.0.0}}\n":        `semconv "2.0.0": use "1.41.0" or "1.36.0"`,
		"plugins:\n  - {name: a, kind: otel, config: {content: true}}\n":         "content",
		"plugins:\n  - {name: a, kind: otel, config: {max_content: \"many\"}}\n": "MaxContent",
	} {
		if _, err := config.PreviewBytes("maillon.yaml", []byte(file), kinds); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "maillon.yaml:2:") {
			t.Errorf("got %v, want %s with its line", err, want)
		}
	}
}
