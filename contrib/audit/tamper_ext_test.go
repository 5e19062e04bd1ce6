package audit_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/contrib/audit"
)

// chainOf is a chain of three files, as texts by name.
func chainOf(t *testing.T, key []byte) map[string]string {
	t.Helper()
	path := tempPath(t)
	write(t, path, audit.FileOptions{MaxBytes: 900, Key: key, Fsync: audit.FsyncNever}, 1, 5)
	files := map[string]string{}
	names, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(n)] = string(b)
	}
	delete(files, "audit.jsonl.lock")
	if len(files) != 4 {
		t.Fatalf("files: %v", slices.Collect(maps.Keys(files)))
	}
	return files
}

// bench is a folder in which chains are laid out and verified.
type bench struct {
	t   *testing.T
	dir string
	key []byte
}

func (b bench) lay(files map[string]string) {
	b.t.Helper()
	for name, text := range files {
		path := filepath.Join(b.dir, name)
		_ = os.Remove(path) // some file systems wait for the disk when a file is cut to nothing and written anew
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			b.t.Fatal(err)
		}
	}
}

// found lays out one file in another form and fails unless Verify finds it.
func (b bench) found(what string, files map[string]string, name, text string) {
	b.t.Helper()
	b.lay(map[string]string{name: text})
	r, err := audit.Verify(filepath.Join(b.dir, "audit.jsonl"), audit.VerifyOptions{Key: b.key})
	if !errors.Is(err, audit.ErrTampered) {
		b.t.Errorf("%s: not found: %v %+v", what, err, r)
	}
	b.lay(map[string]string{name: files[name]})
}

func eachChain(t *testing.T, f func(t *testing.T, b bench, files map[string]string)) {
	t.Helper()
	for _, key := range []string{"", "0123456789abcdef"} {
		t.Run("key="+key, func(t *testing.T) {
			files := chainOf(t, []byte(key))
			b := bench{t, t.TempDir(), []byte(key)}
			b.lay(files)
			verified(t, filepath.Join(b.dir, "audit.jsonl"), audit.VerifyOptions{Key: b.key}, 5)
			f(t, b, files)
			verified(t, filepath.Join(b.dir, "audit.jsonl"), audit.VerifyOptions{Key: b.key}, 5)
		})
	}
}

func TestEveryByteCounts(t *testing.T) {
	eachChain(t, func(_ *testing.T, b bench, files map[string]string) {
		for name, text := range files {
			for i := range len(text) {
				for _, x := range []byte{0x20, []byte{1, 0x80, text[i] ^ '\n'}[i%3]} {
					if x == 0 {
						continue
					}
					changed := []byte(text)
					changed[i] ^= x
					b.found(fmt.Sprintf("%s: byte %d xor %#x", name, i, x), files, name, string(changed))
				}
			}
		}
	})
}

func TestLinesAreWhereTheyWere(t *testing.T) {
	eachChain(t, func(_ *testing.T, b bench, files map[string]string) {
		for name, text := range files {
			if strings.HasSuffix(name, ".head") {
				continue
			}
			lines := strings.SplitAfter(text, "\n")
			lines = lines[:len(lines)-1]
			for i := range lines {
				b.found(fmt.Sprintf("%s: without line %d", name, i), files, name, strings.Join(slices.Delete(slices.Clone(lines), i, i+1), ""))
				b.found(fmt.Sprintf("%s: line %d twice", name, i), files, name, strings.Join(slices.Insert(slices.Clone(lines), i, lines[i]), ""))
				b.found(fmt.Sprintf("%s: another line %d", name, i), files, name, strings.Join(slices.Insert(slices.Clone(lines), i, "{}\n"), ""))
				for j := range i {
					swapped := slices.Clone(lines)
					swapped[i], swapped[j] = swapped[j], swapped[i]
					b.found(fmt.Sprintf("%s: lines %d and %d swapped", name, i, j), files, name, strings.Join(swapped, ""))
				}
			}
		}
	})
}

func TestEveryCutIsFound(t *testing.T) {
	eachChain(t, func(_ *testing.T, b bench, files map[string]string) {
		for name, text := range files {
			for i := range len(text) {
				b.found(fmt.Sprintf("%s: cut after %d bytes", name, i), files, name, text[:i])
				if !strings.HasSuffix(name, ".head") {
					b.found(fmt.Sprintf("%s: cut before %d bytes", name, i+1), files, name, text[i+1:])
				}
			}
		}
	})
}

func TestFilesAreMissed(t *testing.T) {
	eachChain(t, func(t *testing.T, b bench, files map[string]string) {
		for name := range files {
			if err := os.Remove(filepath.Join(b.dir, name)); err != nil {
				t.Fatal(err)
			}
			if _, err := audit.Verify(filepath.Join(b.dir, "audit.jsonl"), audit.VerifyOptions{Key: b.key}); !errors.Is(err, audit.ErrTampered) {
				t.Errorf("without %s: %v", name, err)
			}
			b.lay(map[string]string{name: files[name]})
		}
	})
}

// Who can write the files can make a shorter chain with a head of its own, and with a key still put back an older copy of
// everything. A head that was kept elsewhere shows it.
func TestAHeadThatWasKept(t *testing.T) {
	key := []byte("0123456789abcdef")
	path := tempPath(t)
	write(t, path, audit.FileOptions{Key: key}, 1, 5)
	older, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	olderHead, err := os.ReadFile(path + ".head")
	if err != nil {
		t.Fatal(err)
	}
	kept := write(t, path, audit.FileOptions{Key: key}, 6, 9)
	verified(t, path, audit.VerifyOptions{Key: key, AtLeast: kept}, 9)
	put := func(text []byte, head []byte) {
		if err := errors.Join(os.WriteFile(path, text, 0o600), os.WriteFile(path+".head", head, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	put(older, olderHead)
	verified(t, path, audit.VerifyOptions{Key: key}, 5)
	if _, err := audit.Verify(path, audit.VerifyOptions{Key: key, AtLeast: kept}); !errors.Is(err, audit.ErrTampered) {
		t.Errorf("an older copy: %v", err)
	}
	write(t, path, audit.FileOptions{Key: key}, 100, 120)
	if _, err := audit.Verify(path, audit.VerifyOptions{Key: key, AtLeast: kept}); !errors.Is(err, audit.ErrTampered) {
		t.Errorf("an older copy that went on: %v", err)
	}
}

// A line with a right hash and a right number, of another chain with the same key, does not fit.
func TestLinesOfAnotherChain(t *testing.T) {
	eachChain(t, func(_ *testing.T, b bench, files map[string]string) {
		path := filepath.Join(b.t.TempDir(), "audit.jsonl")
		write(b.t, path, audit.FileOptions{MaxBytes: 900, Key: b.key}, 11, 15)
		for name := range files {
			if strings.HasSuffix(name, ".head") {
				continue
			}
			text, err := os.ReadFile(filepath.Join(filepath.Dir(path), name))
			if err != nil {
				b.t.Fatal(err)
			}
			b.found(name+" of another chain", files, name, string(text))
		}
	})
}

// That lines are missing at the end is said for good, also when the file that said it first has been deleted.
func TestTruncationOutlivesItsFile(t *testing.T) {
	for _, key := range []string{"", "0123456789abcdef"} {
		for _, reopened := range []bool{false, true} {
			t.Run(fmt.Sprintf("key=%s reopened=%v", key, reopened), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "audit.jsonl")
				vo := audit.VerifyOptions{Key: []byte(key)}
				open := func() *audit.File {
					f, err := audit.OpenFile(path, audit.FileOptions{MaxBytes: 1500, MaxFiles: 1, Fsync: audit.FsyncNever, Key: []byte(key)})
					if err != nil {
						t.Fatal(err)
					}
					return f
				}
				write := func(f *audit.File) {
					if err := f.Write(t.Context(), []*audit.Record{{Chain: "generation"}}); err != nil {
						t.Fatal(err)
					}
				}
				f := open()
				for range 3 {
					write(f)
				}
				if err := f.Close(); err != nil {
					t.Fatal(err)
				}
				b, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				first, _, _ := strings.Cut(string(b), "\n")
				if err := os.WriteFile(path, []byte(first+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				f = open()
				for range 30 {
					write(f)
					if reopened {
						if err := f.Close(); err != nil {
							t.Fatal(err)
						}
						f = open()
					}
				}
				if err := f.Close(); err != nil {
					t.Fatal(err)
				}
				r, err := audit.Verify(path, vo)
				if r.First <= 2 {
					t.Errorf("the file is still there: %+v", r)
				}
				if !errors.Is(err, audit.ErrTampered) || !strings.Contains(err.Error(), "line 2 says that lines before it were missing: the head was at line 3") {
					t.Errorf("got %v", err)
				}
				// A crash between the end of one file and the first line of the next.
				if err := os.Rename(path, fmt.Sprintf("%s.%020d", path, lineOf(t, path))); err != nil {
					t.Fatal(err)
				}
				f = open()
				for range 30 {
					write(f)
				}
				if err := f.Close(); err != nil {
					t.Fatal(err)
				}
				if _, err := audit.Verify(path, vo); !errors.Is(err, audit.ErrTampered) || !strings.Contains(err.Error(), "line 2 says") {
					t.Errorf("after a crash: %v", err)
				}
			})
		}
	}
}

// lineOf is the number of the first line of a file.
func lineOf(t *testing.T, path string) (seq int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), `"seq":`)
	if _, err := fmt.Sscanf(rest, "%d", &seq); err != nil {
		t.Fatal(err)
	}
	return seq
}
