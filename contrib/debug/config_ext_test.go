package debug_test

import (
	"strings"
	"testing"

	"github.com/maillon-go/maillon/contrib/config"
	"github.com/maillon-go/maillon/contrib/debug"
	"github.com/maillon-go/maillon/stages"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	kinds := config.NewKinds()
	config.Register(kinds, "debug", func(s debug.Settings) (any, error) { return debug.New(s) })
	plans, err := config.PreviewBytes("maillon.yaml", []byte("plugins:\n  - name: trace\n    kind: debug\n    config: {color: never, preview: 80}\n"), kinds)
	if err != nil {
		t.Fatal(err)
	}
	has(t, plans.String(), "trace.generation_pre_call", "trace.observe_generation")
	for text, want := range map[string]string{
		"config: {color: blue}":  `maillon.yaml:4:14: `,
		"config: {preview: -3}":  "preview is -3, it must be from 1",
		"config: {redact: none}": `maillon.yaml:4:14: `,
	} {
		_, err := config.PreviewBytes("maillon.yaml", []byte("plugins:\n  - name: trace\n    kind: debug\n    "+text+"\n"), kinds)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// The plugin's own options are those of an onlooker: it is in no stream's way.
func TestStreaming(t *testing.T) {
	t.Parallel()
	p := stages.NewPipeline(stages.PipelineConfig{})
	if _, err := p.Register(t.Context(), trace(t, debug.Settings{Writer: &buffer{}})); err != nil {
		t.Fatal(err)
	}
	if got := p.Streaming(t.Context()).Buffered(); len(got) != 0 {
		t.Errorf("buffered because of %v", got)
	}
}
