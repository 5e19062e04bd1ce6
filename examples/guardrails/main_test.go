package main

import (
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/maillon-go/maillon/internal/exampletest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOutput(t *testing.T) {
	dir := t.TempDir()
	exampletest.Golden(t, exampletest.Run(t, func(ctx context.Context, w io.Writer) error { return run(ctx, w, dir) }, secrets...))
	audited(t, dir)
}

// secrets are in the questions.
var secrets = []string{"ines@harbour.example", "4111 1111 1111 1111", "Project Osprey"}

// audited checks what was written into files: contents belong there, but redacted.
func audited(t *testing.T, dir string) {
	t.Helper()
	written := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) == ".yaml" {
			return err
		}
		b, err := os.ReadFile(path)
		written[filepath.Base(path)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(written["audit.jsonl"]) == 0 {
		t.Fatalf("nothing was audited: %v", written)
	}
	for name, text := range written {
		for _, secret := range secrets[:2] { // what is blocked is shown
			if i := strings.Index(text, secret); i >= 0 {
				t.Errorf("%s has %q: ...%s", name, secret, text[max(0, i-100):min(len(text), i+50)])
			}
		}
	}
}
