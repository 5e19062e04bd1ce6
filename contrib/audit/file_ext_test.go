package audit_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/maillon-go/maillon/contrib/audit"
)

func TestFileGoesOn(t *testing.T) {
	for _, tc := range []struct {
		name string
		o    audit.FileOptions
	}{
		{name: "always"},
		{name: "interval", o: audit.FileOptions{Fsync: audit.FsyncInterval}},
		{name: "never", o: audit.FileOptions{Fsync: audit.FsyncNever}},
		{name: "rotated", o: audit.FileOptions{MaxBytes: 1000}},
		{name: "with a key", o: audit.FileOptions{MaxBytes: 1000, Key: []byte("0123456789abcdef")}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := tempPath(t)
			write(t, path, tc.o, 1, 10)
			head := write(t, path, tc.o, 11, 20)
			r := verified(t, path, audit.VerifyOptions{Key: tc.o.Key, AtLeast: head}, 20)
			if r.Head != head || r.First != 1 || r.Repairs != 0 || r.Torn != 0 {
				t.Errorf("got %+v, want the head %+v", r, head)
			}
			if rotated := tc.o.MaxBytes > 0; rotated != (len(r.Files) > 1) {
				t.Errorf("files: %v", r.Files)
			}
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
				t.Errorf("mode %v", info.Mode())
			}
		})
	}
}

func TestFileKeepsMaxFiles(t *testing.T) {
	path := tempPath(t)
	write(t, path, audit.FileOptions{MaxBytes: 1000, MaxFiles: 2}, 1, 40)
	r, err := audit.Verify(path, audit.VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Files) != 3 || r.First < 20 {
		t.Errorf("got %+v, want two rotated files and the one that is written to", r)
	}
	// One that was not configured away is missed.
	if err := os.Remove(r.Files[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := audit.Verify(path, audit.VerifyOptions{}); !errors.Is(err, audit.ErrTampered) {
		t.Errorf("got %v", err)
	}
}

func TestFileIsWrittenByOne(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // documented
	}
	path := tempPath(t)
	f, err := audit.OpenFile(path, audit.FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := audit.OpenFile(path, audit.FileOptions{}); !errors.Is(err, audit.ErrLocked) {
		t.Errorf("got %v, want ErrLocked", err)
	}
	if err := errors.Join(f.Close(), f.Close()); err != nil {
		t.Error(err)
	}
	if err := f.Write(t.Context(), []*audit.Record{rec(1)}); !errors.Is(err, audit.ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
	write(t, path, audit.FileOptions{}, 1, 1)
}

// A line that is cut off anywhere, and was never acknowledged, is repaired, and the chain goes on.
func TestTornLineIsRepaired(t *testing.T) {
	path := tempPath(t)
	never := audit.FileOptions{Fsync: audit.FsyncNever}
	write(t, path, never, 1, 2)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	line := strings.SplitAfter(string(whole), "\n")[1]
	for n, records := 1, 2; n < len(line); n, records = n+7, records+2 {
		head := write(t, path, never, 3, 3)
		before := verified(t, path, audit.VerifyOptions{}, records+1)
		if err := appendTo(path, line[:n]); err != nil {
			t.Fatal(err)
		}
		if r := verified(t, path, audit.VerifyOptions{AtLeast: head}, before.Records); r.Torn != int64(n) {
			t.Fatalf("%d torn bytes, want %d", r.Torn, n)
		}
		write(t, path, never, 4, 4)
		if r := verified(t, path, audit.VerifyOptions{AtLeast: head}, before.Records+1); r.Repairs != before.Repairs+1 || r.Torn != 0 {
			t.Fatalf("after %d bytes: %+v", n, r)
		}
	}
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// Acknowledged lines that are gone when the file is opened are put on record, for good.
func TestTruncationIsRecorded(t *testing.T) {
	for _, tc := range []struct {
		name string
		cut  func(path string) error
	}{
		{name: "the last line", cut: func(path string) error { return keepLines(path, 4) }},
		{name: "half of the last line", cut: func(path string) error { return chop(path, 50) }},
		{name: "its end", cut: func(path string) error { return chop(path, 1) }},
		{name: "all lines", cut: func(path string) error { return os.Truncate(path, 0) }},
		{name: "the file", cut: os.Remove},
		{name: "a line, with the head", cut: func(path string) error {
			return errors.Join(keepLines(path, 4), os.Remove(path+".head"))
		}},
		{name: "the head's text", cut: func(path string) error { return os.WriteFile(path+".head", []byte("{}"), 0o600) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := tempPath(t)
			write(t, path, audit.FileOptions{}, 1, 5)
			if err := tc.cut(path); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if _, err := audit.Verify(path, audit.VerifyOptions{}); !errors.Is(err, audit.ErrTampered) {
					t.Fatalf("got %v, want ErrTampered", err)
				}
				write(t, path, audit.FileOptions{}, 6, 9)
			}
		})
	}
}

func TestOpenRefusesWhatIsNotOurs(t *testing.T) {
	path := tempPath(t)
	write(t, path, audit.FileOptions{Key: []byte("0123456789abcdef")}, 1, 3)
	_, err := audit.OpenFile(path, audit.FileOptions{Key: []byte("another key of us")})
	if !errors.Is(err, audit.ErrTampered) {
		t.Errorf("another key: got %v", err)
	}
	if err := os.WriteFile(path, []byte("some text\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := audit.OpenFile(path, audit.FileOptions{}); !errors.Is(err, audit.ErrTampered) {
		t.Errorf("another file: got %v", err)
	}
	if _, err := audit.OpenFile(filepath.Join(path, "none", "x"), audit.FileOptions{}); err == nil {
		t.Error("a folder that is not there")
	}
}

func TestFileConcurrently(t *testing.T) {
	path := tempPath(t)
	o := audit.FileOptions{Fsync: audit.FsyncInterval, FsyncInterval: 1, MaxBytes: 20_000}
	f, err := audit.OpenFile(path, o)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for n := range 10 {
				if err := f.Write(t.Context(), []*audit.Record{rec(n), blocked()}); err != nil {
					t.Error(err)
				}
				f.Head()
			}
		})
	}
	wg.Wait()
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
	verified(t, path, audit.VerifyOptions{}, 64*10*2)
}

// keepLines leaves the first n lines.
func keepLines(path string, n int) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(strings.Join(strings.SplitAfter(string(b), "\n")[:n], "")), 0o600)
}

// chop takes n bytes off the end.
func chop(path string, n int64) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.Truncate(path, info.Size()-n)
}

// The head is behind each write, not only behind Close: what a process that was killed had acknowledged is missed too.
func TestHeadFollowsEachWrite(t *testing.T) {
	for _, policy := range []audit.Fsync{audit.FsyncAlways, audit.FsyncInterval, audit.FsyncNever} {
		t.Run(string(policy), func(t *testing.T) {
			path := tempPath(t)
			f, err := audit.OpenFile(path, audit.FileOptions{Fsync: policy})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = f.Close() }()
			for n := range 3 {
				if err := f.Write(t.Context(), []*audit.Record{rec(n)}); err != nil {
					t.Fatal(err)
				}
			}
			verified(t, path, audit.VerifyOptions{AtLeast: f.Head()}, 3)
			if err := chop(path, 1); err != nil {
				t.Fatal(err)
			}
			if _, err := audit.Verify(path, audit.VerifyOptions{}); !errors.Is(err, audit.ErrTampered) {
				t.Errorf("got %v", err)
			}
		})
	}
}
