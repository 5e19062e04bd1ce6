package config_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/config"
	"github.com/maillon-go/maillon/stages"
)

// 1000 reloads while 8 goroutines call: each call runs on one plan, none fails, none is lost, and the breaker of a link
// that stays is the same one.
func TestReloadsWhileCallsRun(t *testing.T) {
	e := newEnv(t)
	var down atomic.Bool
	config.Register(e.kinds, "flaky", func(struct{}) (any, error) {
		return chain.Before("flaky", func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			if down.Load() {
				return nil, errors.New("down")
			}
			return g, nil
		}), nil
	})
	file := func(version int) string { // one link goes in and two come out with the version, so that a mix shows
		return fmt.Sprintf("plugins:\n"+
			"- {name: flaky, kind: flaky, on_error: ignore, breaker: {trip_after: 2, timeout: 1h}}\n"+
			"- {name: a, kind: tag, config: {text: \"%[1]d,\"}}\n- {name: b, kind: tag, priority: %[2]d, config: {text: \"%[1]d,\"}}\n", version, 40+version%20)
	}
	c := e.open(file(0))
	down.Store(true)
	for range 3 {
		if _, err := e.call(stages.Meta{}); err != nil {
			t.Fatal(err)
		}
	}
	state := func() gobreaker.State {
		l, _ := e.p.Generation.Stats().Link("flaky")
		return l.Breaker
	}
	if state() != gobreaker.StateOpen {
		t.Fatal("the breaker is not open")
	}
	call := e.p.Generation.Then(func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
		return g.Done(stages.GenerationResult{}), nil
	})
	var calls, observed atomic.Int64
	if _, err := e.p.Generation.Use(chain.Observe("count", func(context.Context, chain.Outcome[*stages.Generation]) { observed.Add(1) })); err != nil {
		t.Fatal(err)
	}
	var over atomic.Bool
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for !over.Load() {
				calls.Add(1)
				g, err := call(context.Background(), stages.NewGeneration(stages.Meta{}, stages.GenerationFields{}))
				if err != nil {
					t.Error(err)
					return
				}
				if v := strings.Split(g.Output().Text, ","); len(v) != 3 || v[0] != v[1] {
					t.Errorf("a mix of two plans: %q", g.Output().Text)
					return
				}
			}
		})
	}
	for v := 1; v <= 1000; v++ {
		e.write(file(v))
		if err := c.Reload(t.Context()); err != nil {
			t.Fatal(v, err)
		}
	}
	over.Store(true)
	wg.Wait()
	if state() != gobreaker.StateOpen {
		t.Error("the breaker lost its state")
	}
	if calls.Load() != observed.Load() || calls.Load() == 0 {
		t.Errorf("%d calls, %d outcomes", calls.Load(), observed.Load())
	}
	inits, closes := int64(0), int64(0)
	for _, g := range e.made {
		inits, closes = inits+g.inits.Load(), closes+g.closes.Load()
	}
	if inits != 2002 || closes != 2000 {
		t.Errorf("%d inits, %d closes", inits, closes)
	}
	t.Logf("%d calls during 1000 reloads", calls.Load())
}

// eventually waits for something that a file system tells in its own time.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-deadline:
			t.Fatal("never: " + what)
		case <-tick.C:
		}
	}
}

// The file is watched: written in place, replaced as editors do, gone for a while, swapped behind a symbolic link as
// Kubernetes does, and wrong in between.
func TestWatch(t *testing.T) {
	text := func(s string) string { return "plugins:\n- {name: a, kind: tag, config: {text: " + s + "}}\n" }
	for name, change := range map[string]func(t *testing.T, path string) func(s string){
		"in place": func(t *testing.T, path string) func(string) {
			return func(s string) { put(t, path, s) }
		},
		"by rename": func(t *testing.T, path string) func(string) {
			return func(s string) {
				put(t, path+".tmp", s)
				if err := os.Rename(path+".tmp", path); err != nil {
					t.Error(err)
				}
			}
		},
		"removed and written again": func(t *testing.T, path string) func(string) {
			return func(s string) {
				if err := os.Remove(path); err != nil {
					t.Error(err)
				}
				put(t, path, s)
			}
		},
		"as Kubernetes does": func(t *testing.T, path string) func(string) {
			n := 0
			return func(s string) { swapVolume(t, path, s, &n) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t)
			write := change(t, e.path)
			put(t, e.path, text("one"))
			if name == "as Kubernetes does" {
				if err := os.Remove(e.path); err != nil {
					t.Fatal(err)
				}
				write(text("one"))
			}
			c, err := config.Open(t.Context(), e.path, e.opts)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- c.Watch(ctx) }()
			is := func(want string) func() bool {
				return func() bool { got, err := e.call(stages.Meta{}); return err == nil && got == want }
			}
			eventually(t, "one", is("onex"))
			write(text("two"))
			eventually(t, "two", is("twox"))
			write("plugins: [")
			eventually(t, "the bad file in the log", func() bool { return e.log.FilterMessageSnippet("not taken").Len() > 0 })
			if !is("twox")() {
				t.Error("the bad file stopped the plan")
			}
			write(text("three"))
			eventually(t, "three", is("threex"))
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			if err := c.Close(context.Background()); err != nil {
				t.Error(err)
			}
			if err := c.Reload(t.Context()); !errors.Is(err, config.ErrClosed) {
				t.Errorf("Reload after Close: %v", err)
			}
			if links := c.Links(); links != nil {
				t.Errorf("links after Close: %v", links)
			}
		})
	}
}

// A file whose whole directory goes is seen when it comes back, also when that takes longer than an editor does.
func TestWatchWithoutDirectory(t *testing.T) {
	for name, goes := range map[string]func(dir string) error{
		"removed":            os.RemoveAll,
		"moved":              func(dir string) error { return os.Rename(dir, dir+".old") },
		"with the one above": func(dir string) error { return os.RemoveAll(filepath.Dir(dir)) },
	} {
		t.Run(name, func(t *testing.T) {
			text := func(s string) string { return "plugins:\n- {name: a, kind: tag, config: {text: " + s + "}}\n" }
			e := newEnv(t)
			dir := filepath.Join(t.TempDir(), "above", "of")
			e.path = filepath.Join(dir, "maillon.yaml")
			comes := func(s string) {
				if err := os.MkdirAll(dir, 0o700); err != nil {
					t.Fatal(err)
				}
				put(t, e.path, text(s))
			}
			comes("one")
			c, err := config.Open(t.Context(), e.path, e.opts)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- c.Watch(ctx) }()
			put(t, e.path, text("two"))
			eventually(t, "two", func() bool { got, _ := e.call(stages.Meta{}); return got == "twox" })
			if err := goes(dir); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the missing file in the log", func() bool { return e.log.FilterMessageSnippet("not there").Len() > 0 })
			comes("three")
			eventually(t, "three", func() bool { got, _ := e.call(stages.Meta{}); return got == "threex" })
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("Watch returned %v", err)
			}
		})
	}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Error(err)
	}
}

// swapVolume does what the kubelet does with a config map: maillon.yaml -> ..data/maillon.yaml, ..data -> ..<version>.
func swapVolume(t *testing.T, path, text string, version *int) {
	t.Helper()
	dir := filepath.Dir(path)
	must := func(err error) {
		if err != nil {
			t.Error(err)
		}
	}
	*version++
	now := fmt.Sprintf("..%d", *version)
	must(os.Mkdir(filepath.Join(dir, now), 0o700))
	put(t, filepath.Join(dir, now, filepath.Base(path)), text)
	must(os.Symlink(now, filepath.Join(dir, "..data_tmp")))
	must(os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	if *version == 1 {
		must(os.Symlink(filepath.Join("..data", filepath.Base(path)), path))
		return
	}
	must(os.RemoveAll(filepath.Join(dir, fmt.Sprintf("..%d", *version-1))))
}
