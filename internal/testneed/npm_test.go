package testneed

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fakeNPM puts programs into PATH that stand in for node and npm, and gives the file in which npm notes its runs.
func fakeNPM(t *testing.T, script string) (notes string) {
	t.Helper()
	dir := t.TempDir()
	notes = filepath.Join(dir, "notes")
	for name, body := range map[string]string{"node": "exit 0", "npm": fmt.Sprintf("echo \"$@\" >>%s\n%s", notes, script)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+body+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	t.Setenv("HOME", dir)
	t.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache"))
	return notes
}

func install(t *testing.T) (dir string, r *recorder) {
	t.Helper()
	r = &recorder{TB: t}
	defer func() {
		if p := recover(); p != nil && p != any(r) {
			panic(p)
		}
	}()
	return NPM(r, "@scope/thing", "1.2.3"), r
}

func TestNPM(t *testing.T) {
	t.Run("installs once", func(t *testing.T) {
		notes := fakeNPM(t, "exit 0")
		t.Setenv(EnvAll, "1")
		first, r := install(t)
		second, _ := install(t)
		if first == "" || first != second || r.failed != "" || filepath.Base(first) != "scope-thing-1.2.3" {
			t.Errorf("got %q, then %q: %s", first, second, r.failed)
		}
		ran, err := os.ReadFile(notes)
		if err != nil || strings.Count(string(ran), "\n") != 1 || !strings.Contains(string(ran), "@scope/thing@1.2.3") {
			t.Errorf("npm ran with %q, %v", ran, err)
		}
		if left, err := filepath.Glob(filepath.Join(filepath.Dir(first), "install-*")); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	})
	t.Run("cannot be had", func(t *testing.T) {
		fakeNPM(t, "echo no network >&2; exit 1")
		t.Setenv(EnvAll, "")
		if _, r := install(t); !strings.Contains(r.skipped, "@scope/thing@1.2.3") {
			t.Errorf("skip reason = %q", r.skipped)
		}
	})
	t.Run("cannot be had, all tests wanted", func(t *testing.T) {
		fakeNPM(t, "echo no network >&2; exit 1")
		t.Setenv(EnvAll, "1")
		if _, r := install(t); !strings.Contains(r.failed, "no network") {
			t.Errorf("failure = %q", r.failed)
		}
	})
}
