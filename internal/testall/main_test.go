package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/internal/testneed"
)

// module writes a module with one test file, whose body is given, and returns its folder.
func module(t *testing.T, body string) string {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{
		"go.mod":    "module example.com/m\n\ngo 1.26\n",
		"m_test.go": "package m\n\nimport (\n\t\"os\"\n\t\"testing\"\n)\n\nvar exit = os.Exit\n\nfunc TestGood(t *testing.T) { t.Log(\"chatter\") }\n" + body,
	}
	if body == "" {
		delete(files, "m_test.go")
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestRun(t *testing.T) {
	for _, tc := range []struct {
		name   string
		body   string
		all    string
		status int
		last   string   // the end of the last line; the order of tests is shuffled, so how many passed before a crash varies
		want   []string // lines, or parts of them, that must be printed
		never  string   // what must not be printed
	}{
		{
			name: "all pass", body: `func TestSub(t *testing.T) { t.Run("a", func(*testing.T) {}) }`,
			last: "3 passed, 0 failed", want: []string{"ok  \texample.com/m\t"}, never: "chatter",
		},
		{
			name: "one fails", body: `func TestBad(t *testing.T) { t.Error("boom") }`,
			status: 1, last: "1 passed, 1 failed", want: []string{"--- FAIL: TestBad", "boom", "FAIL\texample.com/m\t"}, never: "chatter",
		},
		{
			name: "a panic fails the test that panicked", body: `func TestBad(t *testing.T) { panic("boom") }`,
			status: 1, last: " passed, 1 failed", want: []string{"panic: boom", "FAIL\texample.com/m\t"},
		},
		{
			name: "a test that ends the process", body: `func TestBad(t *testing.T) { exit(3) }`,
			status: 1, last: " passed, 1 failed", want: []string{"FAIL\texample.com/m\t"},
		},
		{
			name: "does not compile", body: `func TestBad(t *testing.T) { t.Log(boom) }`,
			status: 1, last: "0 passed, 1 failed", want: []string{"undefined: boom", "FAIL\texample.com/m [build failed]"},
		},
		{
			name: "skip", body: `func TestNeedy(t *testing.T) { t.Skip("needs a moon") }`,
			last: "1 passed, 0 failed", want: []string{"skipped: example.com/m TestNeedy: ", "needs a moon", "ok  \texample.com/m\t"},
		},
		{
			name: "skip, all tests wanted", body: `func TestNeedy(t *testing.T) { t.Skip("needs a moon") }`, all: "1",
			status: 1, last: "1 passed, 1 failed", want: []string{"FAIL: skipped, which MAILLON_TEST_ALL=1 does not allow: example.com/m TestNeedy"},
		},
		{
			name: "failure after the last test", body: "func TestMain(m *testing.M) { m.Run(); panic(\"leak\") }",
			status: 1, last: "1 passed, 1 failed", want: []string{"panic: leak", "FAIL\texample.com/m\t"},
		},
		{
			name:   "a module without packages",
			status: 1, last: "0 passed, 1 failed", want: []string{"FAIL: go test in "},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Setenv(testneed.EnvAll, tc.all)
			t.Setenv("GOFLAGS", "-mod=mod")
			var out, errs strings.Builder
			summary := filepath.Join(t.TempDir(), "summary")
			status := run(t.Context(), []string{"-race=off", "-summary", summary, module(t, tc.body)}, &out, &errs)
			if status != tc.status {
				t.Errorf("status = %d, want %d", status, tc.status)
			}
			got := out.String()
			if lines := strings.Split(strings.TrimSpace(got), "\n"); !strings.HasSuffix(lines[len(lines)-1], tc.last) {
				t.Errorf("last line = %q, want %q", lines[len(lines)-1], tc.last)
			}
			for _, w := range tc.want {
				if !strings.Contains(got, w) {
					t.Errorf("output lacks %q", w)
				}
			}
			if tc.never != "" && strings.Contains(got, tc.never) {
				t.Errorf("output has %q", tc.never)
			}
			sum, err := os.ReadFile(summary)
			if err != nil {
				t.Fatal(err)
			}
			if lines := strings.Split(strings.TrimSpace(string(sum)), "\n"); !strings.HasSuffix(lines[len(lines)-1], tc.last) {
				t.Errorf("last line of the summary = %q, want %q", lines[len(lines)-1], tc.last)
			}
			if t.Failed() {
				t.Logf("output:\n%s%s", got, errs.String())
			}
		})
	}
}

func TestRaceMissing(t *testing.T) {
	t.Setenv("CGO_ENABLED", "0")
	empty := t.TempDir() // go test fails there at once: only the notice matters here
	for _, tc := range []struct{ name, all, want string }{
		{name: "notice", want: "notice: the race detector is off: go: -race requires cgo"},
		{name: "failure", all: "1", want: "FAIL: no race detector, which MAILLON_TEST_ALL=1 asks for: go: -race requires cgo"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Setenv(testneed.EnvAll, tc.all)
			var out, errs strings.Builder
			run(t.Context(), []string{empty}, &out, &errs)
			if !strings.Contains(out.String(), tc.want) {
				t.Errorf("output lacks %q:\n%s", tc.want, out.String())
			}
		})
	}
}
