package archtest

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

var (
	topFolders = []string{"bench", "chain", "contrib", "docs", "examples", "internal", "middleware", "session", "stages"}
	topFiles   = []string{
		"CHANGELOG.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "NOTICE", "README.md", "SECURITY.md",
		"go.mod", "go.sum",
	}
	// What .gitignore keeps out of the repository may lie about.
	topIgnored = []string{"go.work", "go.work.sum", "dist", "coverage.*", "*.test", "*.out", "*.prof"}
)

// checkTopLevel compares the entries of the repository's folder with the fixed list.
func checkTopLevel(entries []fs.DirEntry) []string {
	var complaints []string
	for _, e := range entries {
		allowed := topFiles
		if e.IsDir() {
			allowed = topFolders
		}
		ignored := slices.ContainsFunc(topIgnored, func(pattern string) bool {
			ok, err := path.Match(pattern, e.Name())
			return err == nil && ok
		})
		if strings.HasPrefix(e.Name(), ".") || ignored || slices.Contains(allowed, e.Name()) {
			continue
		}
		complaints = append(complaints, fmt.Sprintf("%s: the top level is fixed: move it into one of %s", e.Name(), strings.Join(topFolders, ", ")))
	}
	return complaints
}

func TestCheckTopLevel(t *testing.T) {
	for _, tc := range []struct {
		name    string
		entries fstest.MapFS
		want    []string
	}{
		{name: "what belongs there", entries: fstest.MapFS{"chain/a": {}, "docs/a": {}, "go.mod": {}, ".ci/run": {}, "x.test": {}, "go.work": {}}},
		{name: "a folder", entries: fstest.MapFS{"pkg/a": {}}, want: []string{"pkg: the top level is fixed"}},
		{name: "a file", entries: fstest.MapFS{"doc.go": {}}, want: []string{"doc.go: the top level is fixed"}},
		{name: "a file with a folder's name", entries: fstest.MapFS{"chain": {}}, want: []string{"chain: the top level is fixed"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			entries, err := tc.entries.ReadDir(".")
			if err != nil {
				t.Fatal(err)
			}
			expect(t, checkTopLevel(entries), tc.want)
		})
	}
}

// checkPackageComments finds the folders in which no file says what the package is.
func checkPackageComments(all []*source) []string {
	documented := map[string]bool{}
	var dirs []string
	for _, s := range all {
		dir := path.Dir(s.path)
		if _, seen := documented[dir]; !seen {
			dirs = append(dirs, dir)
		}
		documented[dir] = documented[dir] || s.file.Doc != nil && strings.TrimSpace(s.file.Doc.Text()) != ""
	}
	var complaints []string
	for _, dir := range dirs {
		if !documented[dir] {
			complaints = append(complaints, fmt.Sprintf("%s: no package comment: say in doc.go what the package is for", dir))
		}
	}
	return complaints
}

func TestCheckPackageComments(t *testing.T) {
	for _, tc := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{name: "in one of two files", files: map[string]string{"chain/a.go": "package chain", "chain/doc.go": "// Package chain is.\npackage chain"}},
		{name: "none", files: map[string]string{"chain/a.go": "package chain"}, want: []string{"chain: no package comment"}},
		{name: "a directive is none", files: map[string]string{"chain/a.go": "//go:generate x\npackage chain"}, want: []string{"chain: no package comment"}},
		{name: "a detached comment is none", files: map[string]string{"chain/a.go": "// Package chain is.\n\npackage chain"}, want: []string{"chain: no package comment"}},
		{name: "another folder's is none", files: map[string]string{"chain/a.go": "// Package chain is.\npackage chain", "chain/sub/a.go": "package sub"}, want: []string{"chain/sub: no package comment"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var all []*source
			for p, src := range tc.files {
				all = append(all, fixture(t, p, src))
			}
			expect(t, checkPackageComments(all), tc.want)
		})
	}
}
