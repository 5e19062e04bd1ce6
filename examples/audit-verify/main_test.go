package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/maillon-go/maillon/contrib/audit"
	"github.com/maillon-go/maillon/internal/exampletest"
)

const (
	key    = "0123456789abcdef"
	secret = "ines@harbour.example"
)

// file writes records, always the same.
func file(t *testing.T, path string, n int) {
	t.Helper()
	f, err := audit.OpenFile(path, audit.FileOptions{MaxBytes: 1000, Key: []byte(key)})
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		r := &audit.Record{
			Time: time.Date(2026, 3, 1, 12, 30, 15, 0, time.UTC), Chain: "generation", Hook: "generation_post_call", RequestID: "r_1",
			Contents: json.RawMessage(`{"text":"Write to ` + secret + `."}`),
		}
		if err := f.Write(t.Context(), []*audit.Record{r}); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOutput(t *testing.T) {
	t.Setenv("AUDIT_KEY", key)
	home, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	file(t, "audit.jsonl", 5)
	var got strings.Builder
	step := func(args ...string) {
		got.WriteString("$ audit-verify " + strings.Join(args, " ") + "\n")
		var errs strings.Builder
		status := run(args, &got, &errs)
		got.WriteString(errs.String())
		got.WriteString("exit status " + string(rune('0'+status)) + "\n\n")
	}
	step("-key-env", "AUDIT_KEY", "audit.jsonl")
	_, head, _ := strings.Cut(got.String(), "head    ")
	head, _, _ = strings.Cut(head, "\n")
	old := map[string][]byte{}
	for _, name := range []string{"audit.jsonl", "audit.jsonl.head"} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		old[name] = b
	}
	file(t, "audit.jsonl", 1)
	step("-key-env", "AUDIT_KEY", "-at-least", head, "audit.jsonl")
	if err := os.WriteFile("audit.jsonl", old["audit.jsonl"], 0o600); err != nil {
		t.Fatal(err)
	}
	step("-key-env", "AUDIT_KEY", "audit.jsonl")
	step("audit.jsonl")
	step("-key-env", "NOT_SET", "audit.jsonl")
	step("other.jsonl")
	step("-at-least", "x", "audit.jsonl")
	step()
	damaged := bytes.Replace(old["audit.jsonl"], []byte(`{"text":"`), []byte(`{"text":`), 1)
	if err := os.WriteFile("audit.jsonl", damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	step("-key-env", "AUDIT_KEY", "audit.jsonl")
	t.Chdir(home)
	exampletest.Golden(t, got.String())
	for _, s := range []string{key, secret} {
		if strings.Contains(got.String(), s) {
			t.Errorf("it prints %q", s)
		}
	}
}
