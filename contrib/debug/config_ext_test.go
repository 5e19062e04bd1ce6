package debug_test

import (
	"testing"

	"github.com/maillon-go/maillon/contrib/config"
	"github.com/maillon-go/maillon/contrib/debug"
	"github.com/maillon-go/maillon/internal/plugintest"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	kinds := plugintest.Kind("debug", debug.New)
	plans, err := config.PreviewBytes("maillon.yaml", []byte("plugins:\n  - name: trace\n    kind: debug\n    config: {color: never, preview: 80}\n"), kinds)
	if err != nil {
		t.Fatal(err)
	}
	has(t, plans.String(), "trace.generation_pre_call", "trace.observe_generation")
	plugintest.Faulty(t, kinds, map[string]string{
		"{color: blue}":  "maillon.yaml:4:14: ",
		"{preview: -3}":  "preview is -3, it must be from 1",
		"{redact: none}": "maillon.yaml:4:14: ",
	})
}

// The plugin's own options are those of an onlooker: it is in no stream's way.
func TestStreaming(t *testing.T) {
	t.Parallel()
	plugintest.Unbuffered(t, trace(t, debug.Settings{Writer: &buffer{}}))
}
