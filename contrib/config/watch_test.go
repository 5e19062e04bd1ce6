package config_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/maillon-go/maillon/contrib/config"
	"github.com/maillon-go/maillon/stages"
)

// A secret that is rotated makes its plugin anew: written in place, replaced, swapped behind links as Kubernetes does, gone
// for a while, and one that the file names only since a reload.
func TestWatchSecrets(t *testing.T) {
	e := newEnv(t)
	var last atomic.Value // the key that was made last
	config.Register(e.kinds, "keyed", func(s tagSettings) (any, error) {
		last.Store(s.Key.Reveal())
		return &tag{tagSettings: s}, nil
	})
	keys := t.TempDir()
	key := func(name string) string { return filepath.Join(keys, name, "key") }
	for _, name := range []string{"first", "second", "volume"} {
		if err := os.MkdirAll(filepath.Join(keys, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if name != "volume" {
			put(t, key(name), name+" one")
		}
	}
	versions := 0
	swapVolume(t, key("volume"), "volume one", &versions)
	file := func(names ...string) string {
		text := "plugins:\n- {name: plain, kind: tag}\n"
		for _, name := range names {
			text += "- {name: " + name + ", kind: keyed, config: {key: {file: " + key(name) + "}}}\n"
		}
		return text
	}
	c := e.open(file("first", "volume"))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Watch(ctx) }()
	has := func(want string) func() bool {
		return func() bool { return last.Load() == want }
	}
	put(t, key("first"), "first two")
	eventually(t, "first two", has("first two"))
	put(t, key("first")+".tmp", "first three")
	if err := os.Rename(key("first")+".tmp", key("first")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "first three", has("first three"))
	swapVolume(t, key("volume"), "volume two", &versions)
	eventually(t, "volume two", has("volume two"))
	e.write(file("first", "second", "volume"))
	eventually(t, "second one", has("second one"))
	put(t, key("second"), "second two")
	eventually(t, "second two", has("second two"))
	if err := os.Remove(key("second")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the missing secret in the log", func() bool { return e.log.FilterMessageSnippet("not taken").Len() > 0 })
	if _, err := e.call(stages.Meta{}); err != nil {
		t.Error(err)
	}
	put(t, key("second"), "second three")
	eventually(t, "second three", has("second three"))
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if plain := e.made[0]; plain.inits.Load() != 1 || plain.closes.Load() != 0 {
		t.Error("the plugin without a secret was made anew")
	}
	for _, entry := range e.log.All() {
		for _, v := range entry.ContextMap() {
			if s, ok := v.(string); ok && strings.Contains(s, " three") {
				t.Errorf("a secret in the log: %s", s)
			}
		}
	}
}

// A file whose Init failed is not tried again until something changes, or by Reload.
func TestWatchDoesNotRetry(t *testing.T) {
	e := newEnv(t)
	down := true
	inits := 0
	config.Register(e.kinds, "remote", func(struct{}) (any, error) {
		return &remote{init: func() error {
			inits++
			if down {
				return errors.New("down")
			}
			return nil
		}}, nil
	})
	c := e.open("plugins: []\n")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Watch(ctx) }()
	failed := func(n int) func() bool {
		return func() bool { return e.log.FilterMessageSnippet("not taken").Len() == n }
	}
	const text = "plugins:\n- {name: r, kind: remote}\n"
	e.write(text)
	eventually(t, "the failure in the log", failed(1))
	other := filepath.Join(filepath.Dir(e.path), "other")
	put(t, other, "an event that changes nothing")
	e.write(text + "# changed\n")
	eventually(t, "the second one", failed(2))
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	down = false
	if err := c.Reload(t.Context()); err != nil || inits != 3 {
		t.Errorf("%v, %d inits", err, inits)
	}
}

// remote is a plugin with an Init.
type remote struct{ init func() error }

func (r *remote) Init(context.Context) error { return r.init() }

func (*remote) OnGenerationPreCall(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
	return g, nil
}
