package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// open finds the end of the chain and goes on from there.
func (f *File) open() error {
	err := f.find()
	if err != nil && f.f != nil {
		_ = f.f.Close()
		f.f = nil
	}
	return err
}

func (f *File) find() error {
	segs, err := segments(f.path)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	head, headErr := f.o.readHead(f.path + headSuffix)
	if headErr != nil && !errors.Is(headErr, os.ErrNotExist) && !errors.Is(headErr, errHead) {
		return fmt.Errorf("audit: %w", headErr)
	}
	f.cut = nil
	s, err := f.newest(segs, head)
	if err != nil {
		return err
	}
	f.f, err = openSynced(f.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, f.o.Fsync)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	if f.head == nil {
		if f.head, err = os.OpenFile(f.path+headSuffix, os.O_CREATE|os.O_WRONLY, fileMode); err != nil {
			return fmt.Errorf("audit: %w", err)
		}
	}
	if s.last != f.last || int64(f.unsynced.Len()) > s.good { // else they are the end of the file, as before
		f.unsynced.Reset()
		f.doubt = false
	}
	f.last, f.first, f.size, f.late = s.last, s.first, s.good, nil
	if s.torn > 0 {
		if err := errors.Join(f.f.Truncate(s.good), f.f.Sync()); err != nil {
			return fmt.Errorf("audit: %w", err)
		}
		if err := f.tell(event{Kind: eventRepaired, Bytes: s.torn}); err != nil {
			return err
		}
	}
	fresh := errors.Is(headErr, os.ErrNotExist) && f.last.seq == 0 && s.torn == 0
	if !fresh && (headErr != nil || s.last.seq < head.Seq) {
		cut := event{Kind: eventTruncated, Head: head.Seq}
		if err := f.tell(cut); err != nil {
			return err
		}
		if cut.Line = f.last.seq; f.cut == nil {
			f.cut = &cut
		}
		return nil
	}
	err = writeHead(f.head, f.o.head(f.last))
	if err == nil && f.o.Fsync != FsyncNever {
		err = f.head.Sync()
	}
	return err
}

// newest reads the file that is written to, and where it has no line yet the newest of the rotated ones.
func (f *File) newest(segs []segment, head Head) (s scanned, err error) {
	for i := len(segs) - 1; i >= 0; i-- {
		old, err := f.o.scan(segs[i].path, position{}, head, func(l line) {
			if cut := l.truncation(); cut != nil && f.cut == nil {
				f.cut = cut
			}
		})
		if err != nil {
			return s, err
		}
		if segs[i].first == 0 { // the one that is written to
			s = old
			if s.lines > 0 {
				return s, nil
			}
			continue
		}
		if old.torn > 0 || old.lines == 0 {
			return s, &Fault{File: segs[i].path, Line: old.lines + 1, Reason: "the end of the file is cut off"}
		}
		s.last = old.last
		return s, nil
	}
	return s, nil
}

// tell writes a line about the file itself.
func (f *File) tell(e event) error {
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return f.append("event", b)
}

// rotate gives the file the name under which it is kept and begins a new one.
func (f *File) rotate() error {
	if f.o.Fsync != FsyncNever {
		if err := f.sync(); err != nil {
			return err
		}
	}
	kept := rotatedName(f.path, f.first)
	if _, err := os.Lstat(kept); err == nil { // a rename would replace it
		return &Fault{File: kept, Reason: "this file is in the way of rotation"}
	}
	// From here on the state is what open finds.
	err := f.f.Close()
	f.f = nil
	if err == nil {
		err = os.Rename(f.path, kept)
	}
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	f.f, err = openSynced(f.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, f.o.Fsync)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	f.first, f.size = 0, 0
	f.unsynced.Reset() // with FsyncNever there may be some of another policy before it
	f.doubt = false
	return f.prune()
}

// prune deletes old files beyond those to be kept, after a line that says so.
func (f *File) prune() error {
	segs, err := segments(f.path)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	rotated := segs[:len(segs)-1]
	if f.o.MaxFiles == 0 || len(rotated) <= f.o.MaxFiles {
		return nil
	}
	old := rotated[:len(rotated)-f.o.MaxFiles]
	if err := f.tell(event{Kind: eventPruned, Through: rotated[len(old)].first - 1}); err != nil {
		return err
	}
	for _, seg := range old {
		if err := os.Remove(seg.path); err != nil {
			return fmt.Errorf("audit: %w", err)
		}
		_ = os.Remove(seg.path + gzSuffix) // somebody is compressing it
	}
	return nil
}

// openSynced opens a file to write to, and has the disk keep its name.
func openSynced(path string, flags int, policy Fsync) (*os.File, error) {
	f, err := os.OpenFile(path, flags, fileMode)
	if err != nil || policy == FsyncNever {
		return f, err
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
