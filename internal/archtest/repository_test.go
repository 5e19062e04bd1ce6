package archtest

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

const (
	root    = "../.." // the repository, seen from this package's folder
	project = "github.com/maillon-go/maillon"
)

// source is one Go file. Its path is relative to the repository, with forward slashes.
type source struct {
	path string
	fset *token.FileSet
	file *ast.File
}

func parse(filename string, src any) (*source, error) {
	s := &source{path: filename, fset: token.NewFileSet()}
	var err error
	s.file, err = parser.ParseFile(s.fset, filename, src, parser.ParseComments|parser.SkipObjectResolution)
	return s, err
}

func (s *source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

// at formats a complaint about the source position of n.
func (s *source) at(n ast.Node, format string, args ...any) string {
	return fmt.Sprintf("%s:%d: %s", s.path, s.fset.Position(n.Pos()).Line, fmt.Sprintf(format, args...))
}

// under reports whether the slash-separated path p is dir or below it.
func under(p, dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }

// walk calls visit with the path of every file that belongs to the repository and not to a tool or a fixture.
func walk(t *testing.T, visit func(p string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		name := d.Name()
		if !d.IsDir() {
			visit(filepath.ToSlash(rel))
		} else if rel != "." && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" || name == "node_modules") {
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// sources parses every Go file of the repository.
func sources(t *testing.T) []*source {
	t.Helper()
	var all []*source
	walk(t, func(p string) {
		if path.Ext(p) != ".go" {
			return
		}
		src, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(p)))
		if err != nil {
			t.Fatal(err)
		}
		s, err := parse(p, src)
		if err != nil {
			t.Errorf("cannot be parsed: %v", err)
			return
		}
		all = append(all, s)
	})
	if len(all) == 0 {
		t.Fatal("no Go files found: is the test run from its own folder?")
	}
	return all
}

// modules reads the go.mod files of the repository, by folder; the root is ".".
func modules(t *testing.T) map[string]goMod {
	t.Helper()
	all := map[string]goMod{}
	walk(t, func(p string) {
		if path.Base(p) != "go.mod" {
			return
		}
		out, err := exec.Command("go", "mod", "edit", "-json", filepath.Join(root, filepath.FromSlash(p))).Output()
		if err != nil {
			t.Fatalf("go mod edit -json %s: %v", p, err)
		}
		var m goMod
		if err := json.Unmarshal(out, &m); err != nil {
			t.Fatal(err)
		}
		all[path.Dir(p)] = m
	})
	return all
}

// TestRepository applies every rule to this checkout.
func TestRepository(t *testing.T) {
	all := sources(t)
	for _, rule := range []struct {
		name  string
		check func(*source) []string
	}{
		{"import direction", checkImports},
		{"no sleep in tests", checkSleep},
		{"no bare skip", checkSkip},
	} {
		t.Run(rule.name, func(t *testing.T) {
			for _, s := range all {
				complain(t, rule.check(s))
			}
		})
	}
	t.Run("package comments", func(t *testing.T) { complain(t, checkPackageComments(all)) })
	t.Run("top level", func(t *testing.T) {
		entries, err := os.ReadDir(root)
		if err != nil {
			t.Fatal(err)
		}
		complain(t, checkTopLevel(entries))
	})
	t.Run("modules", func(t *testing.T) {
		for dir, m := range modules(t) {
			if dir == "." {
				complain(t, checkRootModule(m))
			} else {
				complain(t, checkNestedModule(dir, m))
			}
		}
	})
}

func complain(t *testing.T, complaints []string) {
	t.Helper()
	for _, c := range complaints {
		t.Error(c)
	}
}

// expect compares the complaints of a rule with the parts of them that are wanted, in order.
func expect(t *testing.T, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %d complaints, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
	for i := range want {
		if !strings.Contains(got[i], want[i]) {
			t.Errorf("complaint %q lacks %q", got[i], want[i])
		}
	}
}

// fixture parses src as the file p.
func fixture(t *testing.T, p, src string) *source {
	t.Helper()
	s, err := parse(p, src)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
