package bench

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/internal/testneed"
)

// comparedTest is a benchmark that allocates as often as it is told to.
const comparedTest = `package bench

import "testing"

var kept []*int

func BenchmarkOverhead(b *testing.B) {
	b.Run("hooks", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			kept = kept[:0]
			for range ALLOCATIONS {
				kept = append(kept, new(int))
			}
		}
	})
	b.Run("left out", func(b *testing.B) { b.Fatal("not asked for") })
}
`

// TestCompare runs the script behind make bench-compare in a repository whose last commit allocates less than the one before.
func TestCompare(t *testing.T) {
	git := testneed.Program(t, "git", "git")
	bash := testneed.Program(t, "bash", "bash")
	repo := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		path := filepath.Join(repo, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil { //nolint:gosec // one of them is a script
			t.Fatal(err)
		}
	}
	run := func(name string, args ...string) (stdout, stderr string, err error) {
		cmd := exec.CommandContext(t.Context(), name, args...)
		var out, errs bytes.Buffer
		cmd.Dir, cmd.Stdout, cmd.Stderr = repo, &out, &errs
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t@example.org", "GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t@example.org")
		err = cmd.Run()
		return out.String(), errs.String(), err
	}
	commit := func(allocations string) {
		t.Helper()
		put("bench/x_test.go", strings.Replace(comparedTest, "ALLOCATIONS", allocations, 1))
		for _, args := range [][]string{{"add", "-A"}, {"commit", "-q", "-m", allocations}} {
			if _, errs, err := run(git, args...); err != nil {
				t.Fatal(err, errs)
			}
		}
	}
	if _, errs, err := run(git, "init", "-q"); err != nil {
		t.Fatal(err, errs)
	}
	for _, name := range append(replaced(t), "bench/go.mod", "bench/go.sum", "bench/compare") {
		text, err := os.ReadFile(filepath.Join("..", name)) //nolint:gosec // our own files
		if err != nil {
			t.Fatal(err)
		}
		put(name, string(text))
	}
	commit("4")
	commit("3")

	out, errs, err := run(bash, "bench/compare", "HEAD~1", "Overhead/hooks", "6")
	if err != nil {
		t.Fatalf("%v\n%s", err, errs)
	}
	for _, want := range []string{`base\s+│\s+head\s`, `Overhead/hooks\S*\s+4\.000 ± 0%\s+3\.000 ± 0%\s+-25\.00%`} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
	if trees, _, _ := run(git, "worktree", "list"); strings.Count(trees, "\n") != 1 {
		t.Errorf("it left a worktree behind:\n%s", trees)
	}
	for _, args := range [][]string{{"bench/compare"}, {"bench/compare", "no-such-revision"}} {
		if _, errs, err := run(bash, args...); err == nil || errs == "" {
			t.Errorf("%v: %v, %q: it should fail and say why", args, err, errs)
		}
	}
}

// replaced are the go.mod files of the modules of this repository that bench's own names.
func replaced(t *testing.T) (files []string) {
	t.Helper()
	text, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`=> \.\./(\S*)`).FindAllSubmatch(text, -1) {
		files = append(files, filepath.Join(string(m[1]), "go.mod"))
	}
	return files
}
