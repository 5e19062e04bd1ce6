package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/bench/report"
)

// Some cells go to the terminal, and nothing is written: there is not even a folder for it.
func TestOnlyPrints(t *testing.T) {
	var stdout, stderr bytes.Buffer
	root := t.TempDir()
	if status := run([]string{"-root", root, "-only", "^rewrite/.*/gobreaker$", "-quick", "-write"}, &stdout, &stderr); status != 0 {
		t.Fatalf("status %d: %s", status, stderr.String())
	}
	if out := stdout.String(); !strings.Contains(out, "| gobreaker | guarded | 10 | ") || strings.Contains(out, "failsafe") {
		t.Errorf("%s", out)
	}
	if left, err := os.ReadDir(root); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}

// Rendering fills the pages from the results that are there.
func TestRender(t *testing.T) {
	root, folder := t.TempDir(), filepath.FromSlash(report.Folder)
	if err := os.CopyFS(filepath.Join(root, folder), os.DirFS(filepath.Join("..", "..", "..", folder))); err != nil {
		t.Fatal(err)
	}
	page := filepath.Join(root, "README.md")
	if err := os.WriteFile(page, []byte("<!-- report:where -->\n<!-- /report -->\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	if status := run([]string{"-root", root, "-render"}, &stdout, &stderr); status != 0 {
		t.Fatalf("status %d: %s", status, stderr.String())
	}
	if b, err := os.ReadFile(page); err != nil || !bytes.Contains(b, []byte(" CPUs, ")) {
		t.Errorf("%v\n%s", err, b)
	}
}

func TestRunRefuses(t *testing.T) {
	for _, args := range [][]string{{"-nothing"}, {"more"}, {"-rounds", "0"}, {"-only", "("}, {"-render", "-root", t.TempDir()}} {
		var stdout, stderr bytes.Buffer
		if status := run(args, &stdout, &stderr); status != 2 || stderr.Len() == 0 || stdout.Len() != 0 {
			t.Errorf("run(%q): status %d, stdout %q, stderr %q", args, status, stdout.String(), stderr.String())
		}
	}
}
