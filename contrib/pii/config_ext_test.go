package pii_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/contrib/config"
	"github.com/maillon-go/maillon/contrib/pii"
	"github.com/maillon-go/maillon/stages"
)

func kinds() *config.Kinds {
	k := config.NewKinds()
	config.Register(k, "pii", func(s pii.Settings) (any, error) { return pii.New(s) })
	return k
}

func TestConfig(t *testing.T) {
	t.Setenv("PII_KEY", string(key))
	path := filepath.Join(t.TempDir(), "maillon.yaml")
	if err := os.WriteFile(path, []byte(`plugins:
  - name: privacy
    kind: pii
    config:
      detectors: [email, card, secret]
      action: redact
      actions: {card: hash, customer: mask}
      patterns:
        - {name: customer, regexp: 'CU-\d{6}'}
      allow: [help@example.com]
      key: {env: PII_KEY}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	p := stages.NewPipeline(stages.PipelineConfig{})
	file, err := config.Open(t.Context(), path, config.Options{Pipeline: p, Kinds: kinds()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close(t.Context()) }()
	call := p.Generation.Then(stages.Unchanged[*stages.Generation])
	g, err := call(t.Context(), prompt("ann@example.com help@example.com CU-123456 10.1.2.3 4111111111111111"))
	if err != nil {
		t.Fatal(err)
	}
	if got := g.Messages().At(0).Text; !strings.HasPrefix(got, "[EMAIL] help@example.com **-****** 10.1.2.3 [CARD#") {
		t.Errorf("got %q", got)
	}
	if _, ok := p.Generation.Stats().Link("privacy.generation_pre_call"); !ok {
		t.Error("no link of that name")
	}
}

func TestConfigFaults(t *testing.T) {
	for text, want := range map[string]string{
		"action: hide":                      `there is no action "hide"`,
		"action: hash":                      "needs a key",
		"key: abc":                          "a secret is given as {env: NAME}",
		"patterns: [{name: a, regexp: b+}]": "write {1,20}",
		"detector: [email]":                 "detector",
	} {
		_, err := config.PreviewBytes("m.yaml", []byte("plugins:\n- name: a\n  kind: pii\n  config:\n    "+text+"\n"), kinds())
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "m.yaml:") {
			t.Errorf("%s: got %v", text, err)
		}
	}
}

func prompt(text string) *stages.Generation {
	return stages.NewGeneration(stages.Meta{}, stages.GenerationFields{
		Messages: stages.ListOf(stages.Message{Role: stages.RoleUser, Text: text}),
	})
}
