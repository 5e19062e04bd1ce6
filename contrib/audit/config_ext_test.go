package audit_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/maillon-go/maillon/contrib/audit"
	"github.com/maillon-go/maillon/contrib/config"
	"github.com/maillon-go/maillon/internal/plugintest"
	"github.com/maillon-go/maillon/stages"
)

// secretOf makes a secret as a file does.
func secretOf(t *testing.T, value string) config.Secret {
	t.Helper()
	t.Setenv("AUDIT_SECRET", value)
	kinds := config.NewKinds()
	var got config.Secret
	config.Register(kinds, "take", func(s struct{ Key config.Secret }) (any, error) {
		got = s.Key
		return newPlugin(t, audit.Settings{Sink: &memory{}}), nil
	})
	if _, err := config.PreviewBytes("x.yaml", []byte("plugins:\n  - {name: a, kind: take, config: {key: {env: AUDIT_SECRET}}}\n"), kinds); err != nil {
		t.Fatal(err)
	}
	return got
}

func kinds() *config.Kinds { return plugintest.Kind(audit.Kind, audit.New) }

func TestConfigFile(t *testing.T) {
	t.Setenv("AUDIT_KEY", "0123456789abcdef")
	dir := t.TempDir()
	log := filepath.Join(dir, "audit.jsonl")
	path := filepath.Join(dir, "maillon.yaml")
	put := func(more string) {
		text := `plugins:
  - name: audit
    kind: audit_log
    config:
      path: ` + log + `
      key: {env: AUDIT_KEY}
      max_bytes: 1000
      max_files: 3
      fsync: interval
      fsync_interval: 100ms
      skip_allowed: [chunk]
      keep: [user_id, labels.tier]
      contents: none
      max_contents: 65536
` + more
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("")
	p := stages.NewPipeline(stages.PipelineConfig{})
	c, err := config.Open(t.Context(), path, config.Options{Pipeline: p, Kinds: kinds()})
	if err != nil {
		t.Fatal(err)
	}
	call := p.Generation.Then(stages.Unchanged[*stages.Generation])
	for range 2 {
		for range 10 {
			if _, err := call(t.Context(), stages.NewGeneration(stages.Meta{UserID: "ada"}, stages.GenerationFields{})); err != nil {
				t.Fatal(err)
			}
		}
		put("      buffer: 1000000\n") // another plugin takes the open file over
		if err := c.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err := audit.Verify(log, audit.VerifyOptions{Key: []byte("0123456789abcdef")})
	if err != nil || len(r.Files) != 4 || r.Head.Seq < 20 {
		t.Errorf("%+v, %v", r, err)
	}
	if b, err := os.ReadFile(log); err != nil || !strings.Contains(string(b), `"user_id":"ada"`) {
		t.Errorf("%s, %v", b, err)
	}
}

func TestConfigMistakes(t *testing.T) {
	t.Setenv("AUDIT_KEY", "short")
	plugintest.Faulty(t, kinds(), map[string]string{
		"{}":                                "give path",
		"{path: x, fsnc: always}":           "fsnc",
		"{path: x, fsync: often}":           `fsync is "often", want always, interval or never`,
		"{path: x, key: {env: AUDIT_KEY}}":  "key has 5 bytes",
		"{path: x, key: abcdefghijklmnop}":  "a secret is given as",
		"{path: x, skip_allowed: [chunks]}": `there is no stage "chunks"`,
		"{path: x, keep: [user]}":           `"user" is not user_id`,
		"{path: x, contents: redacted}":     "needs a redactor",
		"{path: x, contents: all}":          `contents is "all"`,
		"{path: x, max_contents: -1}":       "max_contents",
		"{path: x, max_files: -1}":          "max_files",
	})
	_, _, err := plugintest.Open(t, kinds(), "plugins:\n  - {name: audit, kind: audit_log, config: {path: /no/such/folder/x}}\n")
	plugintest.Refused(t, err, "no such file")
}

func TestAllMistakesAtOnce(t *testing.T) {
	_, err := audit.New(audit.Settings{Fsync: "x", FsyncInterval: -time.Second, Contents: "y", Keep: []string{"z"}})
	plugintest.Refused(t, err, "fsync", "negative", "contents", "keep", "path")
	_, err = audit.New(audit.Settings{Path: "x", Key: secretOf(t, "0123456789abcdef"), HashKey: []byte("short")})
	plugintest.Refused(t, err, "key has 5 bytes", "both set")
}

// A program gives its key as it is.
func TestHashKey(t *testing.T) {
	path, key := tempPath(t), []byte("0123456789abcdef")
	p := newPlugin(t, audit.Settings{Path: path, HashKey: key})
	clear(key) // it has been copied
	call(t.Context(), p, "once")
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
	verified(t, path, audit.VerifyOptions{Key: []byte("0123456789abcdef")}, 1)
	if _, err := audit.Verify(path, audit.VerifyOptions{}); err == nil {
		t.Error("the file verifies without the key")
	}
}

func TestInitShowsMistakes(t *testing.T) {
	path := tempPath(t)
	a, b := newPlugin(t, audit.Settings{Path: path}), newPlugin(t, audit.Settings{Path: path, Key: secretOf(t, "0123456789abcdef")})
	if err := a.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.Init(t.Context()); err == nil || !strings.Contains(err.Error(), "another key") {
		t.Errorf("got %v", err)
	}
	if err := errors.Join(a.Close(t.Context()), b.Close(t.Context()), a.Close(t.Context())); err != nil {
		t.Error(err)
	}
	call(t.Context(), a, "after") // opens it again
	if s := a.Stats(); s.Written != 1 {
		t.Errorf("%+v", s)
	}
	if err := a.Close(t.Context()); err != nil {
		t.Error(err)
	}
	verified(t, path, audit.VerifyOptions{}, 1)
}
