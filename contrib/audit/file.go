package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Fsync says when a File has the disk keep what was written.
type Fsync string

// The policies. A process that is killed loses nothing that was acknowledged under any of them; they differ in what is left
// when the machine stops.
const (
	FsyncAlways   Fsync = "always"   // before a record is acknowledged: all are left
	FsyncInterval Fsync = "interval" // the records of the last FsyncInterval may be missing, 8 MiB of them at most
	FsyncNever    Fsync = "never"    // when the operating system does
)

// Defaults of a File.
const (
	DefaultMaxBytes      = 100 << 20
	DefaultFsyncInterval = time.Second
)

const (
	headSuffix = ".head"
	lockSuffix = ".lock"
	fileMode   = 0o600
)

// FileOptions are the options of a File.
type FileOptions struct {
	MaxBytes      int64         // the file is rotated before it gets longer, default DefaultMaxBytes; one batch may be longer
	MaxFiles      int           // rotated files that are kept; 0 keeps all
	Fsync         Fsync         // default FsyncAlways
	FsyncInterval time.Duration // of FsyncInterval, default DefaultFsyncInterval
	Key           []byte        // makes the hashes HMACs; without it whoever can write the file can make it anew
}

// Errors of a File.
var (
	ErrLocked = errors.New("another process writes the audit file")
	ErrClosed = errors.New("the audit file is closed")
)

// File is a Sink: JSON Lines in which each line has the hash of the one before, over rotated files too. One process, and in it
// one File, writes to a path; on Unix systems a second one is refused. It keeps three things beside the file: path.head, the end of the chain; path.lock; and
// rotated files, path and the number of their first line. Safe for concurrent use.
type File struct {
	path string
	lock *os.File

	mu    sync.Mutex
	o     FileOptions
	f     *os.File // nil after a failure that only opening anew can mend
	head  *os.File
	last  position
	first uint64 // line of f, 0 when it is empty
	size  int64
	cut   *event // the first line of the chain that says that others are missing: each file begins with it
	dirty bool   // a timer is to sync what was written
	late  error  // what failed behind a Write that had succeeded

	// Without FsyncAlways: what was written since the last fsync, the end of f, and whether one has failed since.
	unsynced bytes.Buffer
	doubt    bool

	timer  *time.Timer
	closed bool
}

var _ Sink = (*File)(nil)

// OpenFile opens or makes the file, in a folder that is there, and checks what of the chain is in the newest file. A line at
// its end that is not whole is what a crash leaves of a write that was not acknowledged: it is cut off, and a line says so.
// If the head knows of more lines than there are, a line says that too, as does the first line of every later file, and Verify
// repeats it from then on. Anything else that is
// not as it was written is an error that wraps ErrTampered: look at it with Verify, move the file and all that begins with
// its name away, and begin a new one.
func OpenFile(path string, o FileOptions) (*File, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	path, err = filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	lock, err := lockFile(path + lockSuffix)
	if err != nil {
		return nil, fmt.Errorf("audit: %s: %w", path, err)
	}
	f := &File{path: path, o: o, lock: lock}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.open(); err != nil {
		return nil, errors.Join(err, f.release())
	}
	return f, nil
}

func (o FileOptions) withDefaults() (FileOptions, error) {
	var errs []error
	if o.MaxBytes < 0 || o.MaxFiles < 0 || o.FsyncInterval < 0 {
		errs = append(errs, errors.New("audit: max_bytes, max_files and fsync_interval cannot be negative"))
	}
	switch o.Fsync {
	case FsyncAlways, FsyncInterval, FsyncNever:
	case "":
		o.Fsync = FsyncAlways
	default:
		errs = append(errs, fmt.Errorf("audit: fsync is %.20q, want always, interval or never", string(o.Fsync)))
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.FsyncInterval == 0 {
		o.FsyncInterval = DefaultFsyncInterval
	}
	return o, errors.Join(errs...)
}

// Write appends the batch. After an error nothing of it is in the file.
func (f *File) Write(_ context.Context, batch []*Record) error {
	values := make([][]byte, len(batch))
	var total int64
	for i, r := range batch {
		b, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("audit: %w", err)
		}
		values[i] = b
		total += int64(len(b) + lineExtra)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.ready(total); err != nil {
		return err
	}
	return f.append("record", values...)
}

// lineExtra is about what a line has beside its value.
const lineExtra = bodyStart + hashLen + 60

// ready mends what failed before and makes room for so many bytes.
func (f *File) ready(total int64) error {
	if f.closed {
		return fmt.Errorf("audit: %s: %w", f.path, ErrClosed)
	}
	if f.f == nil {
		if err := f.open(); err != nil {
			return err
		}
	}
	if f.late != nil || f.doubt {
		if err := f.sync(); err != nil {
			return err
		}
	}
	if f.size > 0 && f.size+total > f.o.MaxBytes {
		return f.rotate()
	}
	return nil
}

// append writes lines with one call, acknowledges them by the policy, and puts the head behind them.
func (f *File) append(member string, values ...[]byte) error {
	var b bytes.Buffer
	at := f.last
	if at.seq == 0 {
		at.hash = genesis
	}
	if f.size == 0 && f.cut != nil { // the file that said it may be deleted
		again, err := json.Marshal(f.cut)
		if err != nil {
			return err
		}
		at = f.o.appendLine(&b, at, "event", again)
	}
	for _, v := range values {
		at = f.o.appendLine(&b, at, member, v)
	}
	_, err := f.f.Write(b.Bytes())
	if err == nil && f.o.Fsync == FsyncAlways {
		err = f.fsync()
	}
	if err != nil {
		return f.undo(err)
	}
	if f.o.Fsync == FsyncInterval {
		f.unsynced.Write(b.Bytes())
	}
	if f.size == 0 {
		f.first = f.last.seq + 1
	}
	f.last, f.size = at, f.size+int64(b.Len())
	if f.o.Fsync == FsyncInterval && !f.dirty {
		f.dirty = true
		f.timer = time.AfterFunc(f.o.FsyncInterval, f.syncLater)
	}
	if f.unsynced.Len() > maxUnsynced {
		_ = f.sync() // as syncLater
		return nil
	}
	f.late = writeHead(f.head, f.o.head(f.last)) // the lines are there; the next Write tries again
	return nil
}

// maxUnsynced is how many bytes FsyncInterval lets wait for the end of the interval.
const maxUnsynced = 8 << 20

// undo takes back what a failed write or fsync may have left. Where that fails too the file is opened anew.
func (f *File) undo(cause error) error {
	err := f.f.Truncate(f.size)
	if serr := f.fsync(); err == nil {
		err = serr
	}
	if err != nil {
		f.size = 0
		_ = f.f.Close()
		f.f = nil
	}
	return fmt.Errorf("audit: %w", cause)
}

// Sync has the disk keep what was written so far. With FsyncNever an error is all that is ever said of what was written before
// it: the next Sync is about what came since.
func (f *File) Sync() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || f.f == nil {
		return fmt.Errorf("audit: %s: %w", f.path, ErrClosed)
	}
	return f.sync()
}

func (f *File) sync() error {
	f.dirty = false
	if f.timer != nil {
		f.timer.Stop()
	}
	f.late = errors.Join(f.fsync(), writeHead(f.head, f.o.head(f.last)))
	return f.late
}

// fsync has the disk keep the file. After a failure Linux takes the pages for written, whatever became of them, and the next
// fsync says yes: so what was written since the last good one is first written once more.
func (f *File) fsync() error {
	if f.doubt {
		if err := f.writeAgain(); err != nil {
			return err
		}
	}
	err := f.f.Sync()
	if f.doubt = err != nil; err == nil {
		f.unsynced.Reset()
	}
	return err
}

// writeAgain puts the lines that are not synced where they stand, so that they are there at any time should the process end.
func (f *File) writeAgain() error {
	o, err := os.OpenFile(f.path, os.O_WRONLY, fileMode) // f.f can only append
	if err != nil {
		return err
	}
	ours, err := f.f.Stat()
	there, err2 := o.Stat()
	if err = errors.Join(err, err2); err == nil && !os.SameFile(ours, there) {
		err = fmt.Errorf("%s is another file than the one that was opened", f.path)
	}
	if err == nil {
		_, err = o.WriteAt(f.unsynced.Bytes(), f.size-int64(f.unsynced.Len()))
	}
	return errors.Join(err, o.Close())
}

func (f *File) syncLater() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dirty && !f.closed && f.f != nil {
		if f.sync() != nil { // the next Write fails unless it can be mended; there may be none for long
			f.dirty = true
			f.timer.Reset(f.o.FsyncInterval)
		}
	}
}

// Head is the end of the chain, to be kept elsewhere: see VerifyOptions.AtLeast.
func (f *File) Head() Head {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.o.head(f.last)
}

// Close syncs and closes the file. It may be called again.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	f.closed = true
	var err error
	if f.f != nil {
		err = f.sync()
	}
	return errors.Join(err, f.release())
}

func (f *File) release() error {
	var errs []error
	for _, o := range []*os.File{f.f, f.head, f.lock} {
		if o != nil {
			errs = append(errs, o.Close())
		}
	}
	f.f, f.head = nil, nil
	return errors.Join(errs...)
}
