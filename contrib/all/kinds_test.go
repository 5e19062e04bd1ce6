package all_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/contrib/all"
	"github.com/maillon-go/maillon/contrib/config"
	"github.com/maillon-go/maillon/contrib/pii"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

const everything = `
plugins:
  - {name: pii, kind: pii, config: {detectors: [email, card]}}
  - {name: policy, kind: content_policy, config: {rules: [{name: codenames, terms: [project osprey]}]}}
  - {name: rate_limit, kind: rate_limit, config: {requests: 100, window: 1m}}
  - {name: token_budget, kind: token_budget, config: {tokenizer: tiktoken, limits: [{name: user, per: [user], tokens: 100000, window: 24h}]}}
  - {name: response_cache, kind: response_cache, config: {ttl: 10m}}
  - {name: retry, kind: retry, config: {attempts: 3, base: 1ms, max_interval: 1s, max_elapsed: 10s}}
  - {name: timeout, kind: timeout, config: {after: 30s}}
  - {name: audit_log, kind: audit_log, config: {path: AUDIT, contents: redacted, fsync: never}}
  - {name: slot_profiler, kind: slot_profiler}
  - {name: debug, kind: debug, mode: disabled, config: {contents: true, preview: 40}}
  - {name: otel, kind: otel, config: {contents: true}}
`

// All kinds at once, from a file, around a call.
func TestEveryKind(t *testing.T) {
	dir := t.TempDir()
	path, trail := filepath.Join(dir, "maillon.yaml"), filepath.Join(dir, "audit.jsonl")
	if err := os.WriteFile(path, []byte(strings.Replace(everything, "AUDIT", trail, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	kinds := all.Kinds(all.Options{})
	for _, name := range kinds.Names() {
		if !strings.Contains(everything, "kind: "+name) {
			t.Errorf("the file has no %s", name)
		}
	}
	p := stages.NewPipeline(stages.PipelineConfig{})
	defer func() { _ = p.Close(context.Background()) }()
	c, err := config.Open(t.Context(), path, config.Options{Pipeline: p, Kinds: kinds})
	if err != nil {
		t.Fatal(err)
	}
	m := newModel()
	m.saw = func(text string) {
		if strings.Contains(text, "@") {
			t.Errorf("the backend got %q", text)
		}
	}
	s, err := session.Start(t.Context(), session.WithPipeline(p), session.WithBackend(m), session.WithUser("anna"),
		session.WithHistoryKind(stages.HistorySingle))
	if err != nil {
		t.Fatal(err)
	}
	for _, streamed := range []bool{false, true} {
		if verdict, text := ask(t, s, "To whom do I, bob@ship.example, write?", streamed); verdict != "" || !strings.Contains(text, "[EMAIL]") {
			t.Errorf("%q %q", verdict, text)
		}
		if verdict, _ := ask(t, s, "What is the codename?", streamed); verdict != "policy_term" {
			t.Errorf("%q", verdict)
		}
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
	b, err := os.ReadFile(trail)
	if err != nil || !strings.Contains(string(b), "policy_term") || !strings.Contains(string(b), "[EMAIL]") || strings.Contains(string(b), "bob@") {
		t.Errorf("the audit: %v, %d bytes", err, len(b))
	}
}

func TestFaultySettings(t *testing.T) {
	t.Setenv("ALL_DSN", "file:x-at-least-16-bytes")
	for settings, want := range map[string]string{
		"{kind: retry, config: {attempts: 0}}":                                "attempts must be at least 1",
		"{kind: timeout}":                                                     "after must be a time",
		"{kind: token_budget, config: {tokenizer: exact}}":                    `tokenizer is "exact": use heuristic or tiktoken`,
		"{kind: token_budget, config: {limit: 3}}":                            "limit",
		"{kind: audit_log, config: {path: x, sql: {file: y}}}":                "path and sql are both given",
		"{kind: audit_log, config: {sql: {}}}":                                "sql needs the file",
		"{kind: audit_log, config: {sql: {driver: sqlite}}}":                  "sql needs the file",
		"{kind: audit_log, config: {sql: {file: x, dsn: {env: ALL_DSN}}}}":    "sql needs the file",
		"{kind: audit_log, config: {sql: {file: x}, fsync: never}}":           "fsync and fsync_interval are for a file",
		"{kind: audit_log, config: {sql: {file: x}, max_files: 3}}":           "are for a file",
		"{kind: audit_log, config: {sql: {file: x}, key: {env: ALL_DSN}}}":    "are for a file",
		"{kind: audit_log, config: {sql: {driver: pg, dsn: {env: ALL_DSN}}}}": `the program has no driver "pg"`,
		"{kind: audit_log, config: {sql: {driver: sqlite, dsn: 'file:x'}}}":   "a secret is given as",
		"{kind: audit_log, config: {sql: {file: x}, contents: all}}":          `contents is "all"`,
		"{kind: audit_log}":                                              "audit",
		"{kind: debug, config: {color: pink}}":                           "pink",
		"{kind: pii, config: {detectors: [shoe_size]}}":                  "shoe_size",
		"{kind: response_cache, config: {scope: world}}":                 "world",
		"{kind: slot_profiler, config: {sample_every: -1}}":              "sample_every",
		"{kind: otel, config: {semconv: v0}}":                            "v0",
		"{kind: content_policy, config: {rules: [{name: a}]}}":           "neither terms nor patterns",
		"{kind: rate_limit}":                                             "rate",
		"{kind: debug, config: {contents: true, preview: 3, writer: x}}": "writer",
	} {
		text := "plugins:\n  - {name: x, " + settings[1:] + "\n"
		if _, err := config.PreviewBytes("maillon.yaml", []byte(text), all.Kinds(all.Options{})); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "maillon.yaml:") {
			t.Errorf("%s: got %v, want %q", settings, err, want)
		}
	}
}

func TestRegisterBesideOthers(t *testing.T) {
	k := config.NewKinds()
	config.Register(k, "mine", func(struct{}) (any, error) { return pii.New(pii.Settings{}) })
	all.Register(k, all.Options{Redact: asItIs})
	if names := k.Names(); !slices.Contains(names, "mine") || !slices.Contains(names, "otel") || len(names) != 12 {
		t.Errorf("kinds: %v", names)
	}
}
