package archtest

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// maxFile is the size of the largest file that may be committed, in bytes.
const maxFile = 1 << 20

// pictures may have zero bytes: they are what documentation may need that is no text.
var pictures = []string{".gif", ".jpg", ".png"}

// executables are what the programs of Linux, Windows and macOS begin with, the latter in either order of bytes and for
// several processors.
var executables = []string{
	"\x7fELF", "MZ", "\xfe\xed\xfa\xce", "\xfe\xed\xfa\xcf", "\xce\xfa\xed\xfe", "\xcf\xfa\xed\xfe", "\xca\xfe\xba\xbe",
}

// checkFile keeps what was built, downloaded or packed out of the repository.
func checkFile(p string, content []byte) []string {
	binary := bytes.IndexByte(content, 0) >= 0
	switch {
	case binary && slices.ContainsFunc(executables, func(magic string) bool { return bytes.HasPrefix(content, []byte(magic)) }):
		return []string{fmt.Sprintf("%s: an executable: remove it, or name it in .gitignore", p)}
	case binary && !slices.Contains(pictures, path.Ext(p)):
		return []string{fmt.Sprintf("%s: not a text: remove it, or name it in .gitignore (allowed: %s)", p, strings.Join(pictures, ", "))}
	case len(content) > maxFile:
		return []string{fmt.Sprintf("%s: %d bytes, at most %d: generate it in the test, or name it in .gitignore", p, len(content), maxFile)}
	}
	return nil
}

// ignored reads patterns of a .gitignore, as far as this repository's uses them: with a slash they are of a path, without
// of a name, at the end it says that they are of a folder.
func ignored(gitignore string) (func(p string, dir bool) bool, error) {
	var patterns []string
	for line := range strings.Lines(gitignore) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if _, err := path.Match(line, ""); err != nil || strings.HasPrefix(line, "!") || strings.Contains(line, "**") {
			return nil, fmt.Errorf(".gitignore: this test does not know what %s means", line)
		}
		patterns = append(patterns, line)
	}
	return func(p string, dir bool) bool {
		return slices.ContainsFunc(patterns, func(pattern string) bool {
			name, folder := strings.CutSuffix(pattern, "/")
			if folder && !dir {
				return false
			}
			of := path.Base(p)
			if strings.Contains(name, "/") {
				name, of = strings.TrimPrefix(name, "/"), p
			}
			ok, _ := path.Match(name, of)
			return ok
		})
	}, nil
}

// checkFiles applies checkFile to all that a commit of everything would have in it.
func checkFiles(repository fs.FS) ([]string, error) {
	gitignore, err := fs.ReadFile(repository, ".gitignore")
	if err != nil {
		return nil, err
	}
	skip, err := ignored(string(gitignore))
	if err != nil {
		return nil, err
	}
	var complaints []string
	err = fs.WalkDir(repository, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // of another test, which has removed it
			return nil
		case err != nil:
			return err
		case d.Name() == ".git" || skip(p, d.IsDir()):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case !d.Type().IsRegular():
			return nil
		}
		content, err := fs.ReadFile(repository, p)
		if err == nil {
			complaints = append(complaints, checkFile(p, content)...)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
	return complaints, err
}

func TestFiles(t *testing.T) {
	complaints, err := checkFiles(os.DirFS(filepath.FromSlash(root)))
	if err != nil {
		t.Fatal(err)
	}
	complain(t, complaints)
}

func TestCheckFiles(t *testing.T) {
	const gitignore = "# Comments, and nothing.\n\n*.test\n/dist/\n.idea/\n/bench/cmd/*/report\n"
	large := strings.Repeat("x", maxFile)
	for _, tc := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{name: "texts", files: map[string]string{"a.go": "package a", ".ci/run": "#!/bin/sh\n", "testdata/é.txt": "é", "empty": "", "MZ.md": "MZ is no program"}},
		{name: "a large one", files: map[string]string{"a.txt": large, "b/testdata/b.txt": large + "x"}, want: []string{"b/testdata/b.txt: 1048577 bytes, at most 1048576"}},
		{name: "Linux", files: map[string]string{"cmd": "\x7fELF\x02\x00"}, want: []string{"cmd: an executable"}},
		{name: "Windows", files: map[string]string{"cmd.exe": "MZ\x90\x00"}, want: []string{"cmd.exe: an executable"}},
		{name: "macOS", files: map[string]string{"a": "\xcf\xfa\xed\xfe\x00", "b": "\xca\xfe\xba\xbe\x00"}, want: []string{"a: an executable", "b: an executable"}},
		{name: "a program that is called a picture", files: map[string]string{"a.png": "\x7fELF\x00"}, want: []string{"a.png: an executable"}},
		{name: "a picture", files: map[string]string{"docs/a.png": "\x89PNG\x00"}},
		{name: "a large picture", files: map[string]string{"docs/a.png": "\x00" + large}, want: []string{"docs/a.png: 1048577 bytes"}},
		{name: "an archive", files: map[string]string{".hidden/a.gz": "\x1f\x8b\x00"}, want: []string{".hidden/a.gz: not a text"}},
		{name: "ignored", files: map[string]string{"x/a.test": "\x00", "dist/a": "\x00", "x/.idea/a": "\x00", "bench/cmd/x/report": "\x00", ".git/index": "\x00"}},
		{name: "not ignored", files: map[string]string{"x/dist/a": "\x00", ".idea.d/a": "\x00", "bench/cmd/report": "\x00", "x/.idea": "\x00"}, want: []string{
			".idea.d/a: not", "bench/cmd/report: not", "x/.idea: not", "x/dist/a: not",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			repository := fstest.MapFS{".gitignore": {Data: []byte(gitignore)}}
			for p, content := range tc.files {
				repository[p] = &fstest.MapFile{Data: []byte(content)}
			}
			got, err := checkFiles(repository)
			if err != nil {
				t.Fatal(err)
			}
			expect(t, got, tc.want)
		})
	}
	for _, unknown := range []string{"!a", "a/**/b", "[a"} {
		if _, err := checkFiles(fstest.MapFS{".gitignore": {Data: []byte(unknown)}}); err == nil {
			t.Errorf("%s was taken", unknown)
		}
	}
}
