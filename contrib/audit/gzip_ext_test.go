package audit_test

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/contrib/audit"
)

func packed(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Somebody may compress rotated files with gzip: the chain goes on through them, and what is changed in them is found.
func TestCompressedFiles(t *testing.T) {
	eachChain(t, func(t *testing.T, b bench, files map[string]string) {
		const one, two = "audit.jsonl.00000000000000000001", "audit.jsonl.00000000000000000003"
		path := filepath.Join(b.dir, "audit.jsonl")
		check := func(what string, names ...string) {
			t.Helper()
			r := verified(t, path, audit.VerifyOptions{Key: b.key}, 5)
			for i, name := range names {
				if filepath.Base(r.Files[i]) != name {
					t.Errorf("%s: %v", what, r.Files)
				}
			}
		}
		z := packed(t, files[one])
		b.lay(map[string]string{one + ".gz": z[:len(z)/2]})
		check("it is being compressed", one, two, "audit.jsonl")
		b.lay(map[string]string{one + ".gz": z})
		if err := os.Remove(filepath.Join(b.dir, one)); err != nil {
			t.Fatal(err)
		}
		check("the first one is compressed", one+".gz", two, "audit.jsonl")
		whole := map[string]string{one + ".gz": z}
		b.found("a byte in the text", whole, one+".gz", packed(t, strings.Replace(files[one], `"generation"`, `"generatiom"`, 1)))
		b.found("the last line", whole, one+".gz", packed(t, files[one][:strings.LastIndex(strings.TrimSpace(files[one]), "\n")+1]))
		b.found("a part of the last line", whole, one+".gz", packed(t, files[one][:len(files[one])-5]))
		b.found("another file", whole, one+".gz", packed(t, files[two]))
		b.found("cut off", whole, one+".gz", z[:len(z)-12])
		b.found("garbage behind", whole, one+".gz", z+"x")
		b.found("not compressed", whole, one+".gz", files[one])
		b.found("empty", whole, one+".gz", "")
		b.lay(files) // with what is compressed beside it, as at first
	})
}

// A file goes on behind compressed ones, and deletes them when their time is over.
func TestFileGoesOnBehindCompressedOnes(t *testing.T) {
	path := tempPath(t)
	o := audit.FileOptions{MaxBytes: 900, Fsync: audit.FsyncNever}
	write(t, path, o, 1, 4)
	rotated, err := filepath.Glob(path + ".0*")
	if err != nil || len(rotated) == 0 {
		t.Fatal(rotated, err)
	}
	for _, name := range rotated {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name+".gz", []byte(packed(t, string(text))), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(path); err != nil { // as if it had been rotated and the process had died: the end is in a compressed file
		t.Fatal(err)
	}
	if err := os.Remove(path + ".head"); err != nil {
		t.Fatal(err)
	}
	f, err := audit.OpenFile(path, o)
	if err != nil {
		t.Fatal(err)
	}
	head := f.Head()
	if err := f.Close(); err != nil || head.Seq == 0 {
		t.Errorf("the chain began anew: %+v, %v", head, err)
	}
	path = tempPath(t)
	write(t, path, o, 1, 4)
	first := path + ".00000000000000000001"
	text, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(first+".gz", []byte(packed(t, string(text))), 0o600); err != nil { // and the plain one is there, too
		t.Fatal(err)
	}
	o.MaxFiles = 1
	write(t, path, o, 5, 6)
	if left, err := filepath.Glob(path + ".0*"); err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v", left, err)
	}
	if r, err := audit.Verify(path, audit.VerifyOptions{}); err != nil {
		t.Errorf("%+v: %v", r, err)
	}
}
