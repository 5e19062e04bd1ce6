package plugintest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/contrib/config"
	"github.com/maillon-go/maillon/stages"
)

// Make makes a plugin of settings that are in order.
func Make[S, P any](tb testing.TB, create func(S) (P, error), s S) P {
	tb.Helper()
	p, err := create(s)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// Refused checks that an error says all of what is wrong.
func Refused(tb testing.TB, err error, want ...string) {
	tb.Helper()
	if err == nil {
		tb.Errorf("no error, want %q", want)
		return
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			tb.Errorf("got %v, want %q", err, w)
		}
	}
}

// Kind is the kinds of a file that has one.
func Kind[S, P any](name string, create func(S) (P, error)) *config.Kinds {
	k := config.NewKinds()
	config.Register(k, name, func(s S) (any, error) { return create(s) })
	return k
}

// Open opens a file maillon.yaml with a text, on a pipeline of its own. It is closed with the test at the latest.
func Open(tb testing.TB, kinds *config.Kinds, text string) (*stages.Pipeline, *config.Config, error) {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "maillon.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	p := stages.NewPipeline(stages.PipelineConfig{})
	c, err := config.Open(tb.Context(), path, config.Options{Pipeline: p, Kinds: kinds})
	if err == nil {
		tb.Cleanup(func() {
			if err := c.Close(context.WithoutCancel(tb.Context())); err != nil {
				tb.Error(err)
			}
		})
	}
	return p, c, err
}

// Faulty opens a file with the one kind there is, once for each of some settings, which are in line 4; "" is a plugin without
// any, which ends in line 3. What is wrong with them has to be said, with the line.
func Faulty(tb testing.TB, kinds *config.Kinds, faults map[string]string) {
	tb.Helper()
	for settings, want := range faults {
		text, place := "plugins:\n  - name: a\n    kind: "+kinds.Names()[0]+"\n", "maillon.yaml:3:"
		if settings != "" {
			text, place = text+"    config: "+settings+"\n", "maillon.yaml:4:"
		}
		if _, _, err := Open(tb, kinds, text); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), place) {
			tb.Errorf("%s: got %v, want %q at %s", settings, err, want, place)
		}
	}
}
