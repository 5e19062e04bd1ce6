package testneed

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// recorder stands in for a test: it notes how Program ends it instead of ending this one.
type recorder struct {
	testing.TB
	skipped, failed string
}

func (r *recorder) Helper()                   {}
func (r *recorder) Skipf(f string, a ...any)  { r.skipped = fmt.Sprintf(f, a...) }
func (r *recorder) Fatalf(f string, a ...any) { r.failed = fmt.Sprintf(f, a...); panic(r) }

func program(t *testing.T, name string) (path string, r *recorder) {
	t.Helper()
	r = &recorder{TB: t}
	defer func() {
		if p := recover(); p != nil && p != any(r) {
			panic(p)
		}
	}()
	return Program(r, name, "some-package"), r
}

func TestProgram(t *testing.T) {
	dir := t.TempDir()
	present := filepath.Join(dir, "present")
	if err := os.WriteFile(present, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)

	for _, tc := range []struct {
		name, program, all    string
		path, skipped, failed string
	}{
		{name: "present", program: "present", path: present},
		{name: "present, all tests wanted", program: "present", all: "1", path: present},
		{name: "missing", program: "absent", skipped: "needs absent (Debian package some-package)"},
		{name: "missing, all tests wanted", program: "absent", all: "1", failed: "needs absent (Debian package some-package), and MAILLON_TEST_ALL=1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Setenv(EnvAll, tc.all)
			path, r := program(t, tc.program)
			if path != tc.path {
				t.Errorf("path = %q, want %q", path, tc.path)
			}
			if r.skipped != tc.skipped {
				t.Errorf("skip reason = %q, want %q", r.skipped, tc.skipped)
			}
			if !strings.HasPrefix(r.failed, tc.failed) || (tc.failed == "") != (r.failed == "") {
				t.Errorf("failure = %q, want it to start with %q", r.failed, tc.failed)
			}
		})
	}
}
