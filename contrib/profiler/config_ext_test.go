package profiler_test

import (
	"strings"
	"testing"

	"github.com/maillon-go/maillon/contrib/config"
	"github.com/maillon-go/maillon/contrib/profiler"
	"github.com/maillon-go/maillon/stages"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	kinds := config.NewKinds()
	config.Register(kinds, "slot_profiler", func(s profiler.Settings) (any, error) { return profiler.New(s) })
	head := "plugins:\n  - name: times\n    kind: slot_profiler\n    "
	plans, err := config.PreviewBytes("maillon.yaml", []byte(head+"config: {sample_every: 1, max_keys: 100, sessions: 4}\n"), kinds)
	if err != nil {
		t.Fatal(err)
	}
	if text := plans.String(); !strings.Contains(text, "times.observe_generation") {
		t.Error(text)
	}
	for text, want := range map[string]string{
		"config: {sample_every: -1}": "sample_every is -1, it must be from 1",
		"config: {max_keys: many}":   "maillon.yaml:4:24: ",
		"config: {every: 2}":         "maillon.yaml:4:14: ",
	} {
		_, err := config.PreviewBytes("maillon.yaml", []byte(head+text+"\n"), kinds)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// The profiler only looks: it is in no stream's way.
func TestStreaming(t *testing.T) {
	t.Parallel()
	p := stages.NewPipeline(stages.PipelineConfig{})
	if _, err := p.Register(t.Context(), newProfiler(t, profiler.Settings{})); err != nil {
		t.Fatal(err)
	}
	if got := p.Streaming(t.Context()).Buffered(); len(got) != 0 {
		t.Errorf("buffered because of %v", got)
	}
}
