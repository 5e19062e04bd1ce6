package audit

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// lossy makes the next fsync of f fail as a disk's does: an error once, and what was not synced is gone.
type lossy struct {
	*File
	t      *testing.T
	synced int64
}

func newLossy(t *testing.T, o FileOptions) *lossy {
	t.Helper()
	f, err := OpenFile(filepath.Join(t.TempDir(), "audit.jsonl"), o)
	if err != nil {
		t.Fatal(err)
	}
	return &lossy{File: f, t: t}
}

func (l *lossy) put() error { return l.Write(l.t.Context(), []*Record{{Chain: "tool"}}) }

// fails calls do while an fsync fails, and loses the pages then.
func (l *lossy) fails(do func()) {
	l.t.Helper()
	r, w, err := os.Pipe() // which cannot be synced
	if err != nil {
		l.t.Fatal(err)
	}
	l.mu.Lock()
	good := l.f
	l.f = w
	l.mu.Unlock()
	do()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.f = good
	b, err := os.ReadFile(l.path)
	if err != nil {
		l.t.Fatal(err)
	}
	clear(b[l.synced:])
	if err := errors.Join(r.Close(), w.Close(), os.WriteFile(l.path, b, fileMode)); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lossy) verify(records int) {
	l.t.Helper()
	if r, err := Verify(l.path, VerifyOptions{}); err != nil || r.Records != records {
		l.t.Errorf("%+v, %v, want %d records", r, err, records)
	}
}

// What was written before a failed fsync is written again before the next one, since that succeeds whatever became of it.
func TestFsyncThatFails(t *testing.T) {
	for name, next := range map[string]func(*lossy) error{
		"then a write": func(l *lossy) error { return errors.Join(l.put(), l.Close()) },
		"then a sync":  func(l *lossy) error { return errors.Join(l.Sync(), l.put(), l.Close()) },
		"then the end": func(l *lossy) error { return errors.Join(l.Close()) },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLossy(t, FileOptions{Fsync: FsyncInterval, FsyncInterval: time.Hour})
			if err := errors.Join(l.put(), l.Sync()); err != nil {
				t.Fatal(err)
			}
			l.synced = l.size
			if err := errors.Join(l.put(), l.put()); err != nil {
				t.Fatal(err)
			}
			want := 4
			if name == "then the end" {
				want = 3
			}
			l.fails(func() {
				if err := l.Sync(); err == nil {
					t.Error("no error")
				}
			})
			if err := next(l); err != nil {
				t.Fatal(err)
			}
			l.verify(want)
		})
	}
}

// An fsync in the background that fails is tried again, though nothing is written any more.
func TestFsyncInTheBackgroundIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLossy(t, FileOptions{Fsync: FsyncInterval, FsyncInterval: time.Second})
		if err := l.put(); err != nil {
			t.Fatal(err)
		}
		l.fails(func() {
			<-time.After(time.Second)
			synctest.Wait()
		})
		<-time.After(time.Second)
		synctest.Wait()
		l.verify(1)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// A file that another one was put in the place of is not written into.
func TestFsyncLeavesAnotherFileAlone(t *testing.T) {
	l := newLossy(t, FileOptions{Fsync: FsyncInterval, FsyncInterval: time.Hour})
	if err := l.put(); err != nil {
		t.Fatal(err)
	}
	l.fails(func() { _ = l.Sync() })
	other := bytes.Repeat([]byte("x"), 4096)
	if err := errors.Join(os.Rename(l.path, l.path+".away"), os.WriteFile(l.path, other, fileMode)); err != nil {
		t.Fatal(err)
	}
	if err := l.put(); err == nil {
		t.Error("no error")
	}
	if b, err := os.ReadFile(l.path); err != nil || !bytes.Equal(b, other) {
		t.Errorf("the other file was written to, %v", err)
	}
	_ = l.Close()
}

// Not more than so many bytes wait for an fsync.
func TestUnsyncedIsBounded(t *testing.T) {
	l := newLossy(t, FileOptions{Fsync: FsyncInterval, FsyncInterval: time.Hour})
	big := &Record{Chain: "tool", Tool: string(bytes.Repeat([]byte("x"), 3<<20))}
	for range 5 {
		if err := l.Write(t.Context(), []*Record{big}); err != nil {
			t.Fatal(err)
		}
		if n := l.unsynced.Len(); n > maxUnsynced {
			t.Errorf("%d bytes wait", n)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l.verify(5)
}
