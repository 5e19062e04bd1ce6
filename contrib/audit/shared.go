package audit

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"sync"
)

// sharedFile is a plugin's share of a File. While a configuration is taken anew, the plugin with the new settings and the one
// with the old ones write to one file: it is opened once in a process, and closed when the last of them has closed it.
type sharedFile struct {
	path string
	o    FileOptions

	mu   sync.Mutex
	file *File
}

var openFiles = struct {
	sync.Mutex
	users map[*File]int
	paths map[string]*File
}{users: map[*File]int{}, paths: map[string]*File{}}

// Write opens the file if need be.
func (s *sharedFile) Write(ctx context.Context, batch []*Record) error {
	f, err := s.open()
	if err != nil {
		return err
	}
	return f.Write(ctx, batch)
}

func (s *sharedFile) open() (*File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file != nil {
		return s.file, nil
	}
	path, err := filepath.Abs(s.path)
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	openFiles.Lock()
	defer openFiles.Unlock()
	f := openFiles.paths[path]
	if f == nil {
		if f, err = OpenFile(path, s.o); err != nil {
			return nil, err
		}
		openFiles.paths[path] = f
	} else if err := f.adopt(s.o); err != nil {
		return nil, err
	}
	openFiles.users[f]++
	s.file = f
	return f, nil
}

func (s *sharedFile) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.file
	if f == nil {
		return nil
	}
	s.file = nil
	openFiles.Lock()
	defer openFiles.Unlock()
	if openFiles.users[f]--; openFiles.users[f] > 0 {
		return nil
	}
	delete(openFiles.users, f)
	delete(openFiles.paths, f.path)
	return f.Close()
}

// adopt changes the options of a file that is open: those that came last count.
func (f *File) adopt(o FileOptions) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !bytes.Equal(f.o.Key, o.Key) {
		return fmt.Errorf("audit: %s is written with another key: give the new one another path", f.path)
	}
	f.o = o
	return nil
}
