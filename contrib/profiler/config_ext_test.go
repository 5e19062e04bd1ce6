package profiler_test

import (
	"strings"
	"testing"

	"github.com/maillon-go/maillon/contrib/config"
	"github.com/maillon-go/maillon/contrib/profiler"
	"github.com/maillon-go/maillon/internal/plugintest"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	kinds := plugintest.Kind("slot_profiler", profiler.New)
	plans, err := config.PreviewBytes("maillon.yaml", []byte(
		"plugins:\n  - name: times\n    kind: slot_profiler\n    config: {sample_every: 1, max_keys: 100, sessions: 4}\n"), kinds)
	if err != nil {
		t.Fatal(err)
	}
	if text := plans.String(); !strings.Contains(text, "times.observe_generation") {
		t.Error(text)
	}
	plugintest.Faulty(t, kinds, map[string]string{
		"{sample_every: -1}": "sample_every is -1, it must be from 1",
		"{max_keys: many}":   "maillon.yaml:4:24: ",
		"{every: 2}":         "maillon.yaml:4:14: ",
	})
}

// The profiler only looks: it is in no stream's way.
func TestStreaming(t *testing.T) {
	t.Parallel()
	plugintest.Unbuffered(t, newProfiler(t, profiler.Settings{}))
}
