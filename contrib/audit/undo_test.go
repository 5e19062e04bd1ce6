package audit

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// A write that fails, with half a line left behind, is an error. The next one finds the end of the chain anew and goes on.
func TestWriteThatFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	f, err := OpenFile(path, FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	put := func() error { return f.Write(t.Context(), []*Record{{Chain: "tool"}}) }
	if err := put(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.f.WriteString(`{"hash":"`); err != nil {
		t.Fatal(err)
	}
	if err := f.f.Close(); err != nil { // as if the disk were gone
		t.Fatal(err)
	}
	if err := put(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("got %v, want an error", err)
	}
	if err := errors.Join(put(), f.Close()); err != nil {
		t.Fatal(err)
	}
	if r, err := Verify(path, VerifyOptions{}); err != nil || r.Records != 2 || r.Repairs != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

// What a failed write left is taken back where that is possible.
func TestUndo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	f, err := OpenFile(path, FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Write(t.Context(), []*Record{{Chain: "tool"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.f.WriteString(`{"hash":"`); err != nil {
		t.Fatal(err)
	}
	if err := f.undo(errors.New("disk full")); err == nil {
		t.Error("no error")
	}
	if err := errors.Join(f.Write(t.Context(), []*Record{{Chain: "tool"}}), f.Close()); err != nil {
		t.Fatal(err)
	}
	if r, err := Verify(path, VerifyOptions{}); err != nil || r.Records != 2 || r.Repairs != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}
