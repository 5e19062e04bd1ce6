package config

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/samber/lo"
	"go.uber.org/zap"
)

// settle is how long a file must be left alone before it is read: editors write in several steps.
const settle = 50 * time.Millisecond

// maxLinks is how many symbolic links are followed from the file.
const maxLinks = 32

// Watch reloads the file whenever its contents change, or those of a file that a Secret in it leads to, until ctx ends, whose
// error it returns. A file that is not taken is logged, and what ran before goes on; it is tried again when something
// changes and not before, also where a plugin's Init failed for a reason of its own: call Reload then. What it watches are
// the directories of the files and of the symbolic links that lead to them, so that it sees an editor replace a file and a
// Kubernetes volume swap the directory behind it, also while the file or its directory is missing for a while.
func (c *Config) Watch(ctx context.Context) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("config: watch: %w", err)
	}
	defer func() { _ = w.Close() }()
	if err := follow(w, c.path); err != nil {
		return fmt.Errorf("config: watch: %w", err)
	}
	timer := time.NewTimer(settle) // the file may have changed since Open
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case _, ok := <-w.Events:
			if !ok {
				return errors.New("config: watch: the watcher ended")
			}
			timer.Reset(settle)
		case err, ok := <-w.Errors:
			if !ok {
				return errors.New("config: watch: the watcher ended")
			}
			c.opts.Logger.Warn("config: watch", zap.Error(err))
			timer.Reset(settle) // events may have been lost
		case <-timer.C:
			paths := c.paths()
			for _, path := range paths {
				if err := follow(w, path); err != nil {
					c.opts.Logger.Warn("config: watch", zap.Error(err))
				}
			}
			if err := c.reloadIfChanged(ctx); errors.Is(err, ErrClosed) {
				return err
			}
			if news, _ := lo.Difference(c.paths(), paths); len(news) > 0 {
				timer.Reset(settle) // to follow them, and see what changed before they were
			}
		}
	}
}

// paths are the files that matter.
func (c *Config) paths() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append(lo.Keys(c.secrets), c.path)
}

// reloadIfChanged reloads a file that is not the one that was last tried, or whose secrets are not.
func (c *Config) reloadIfChanged(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reg == nil {
		return ErrClosed
	}
	data, err := read(c.path)
	if errors.Is(err, os.ErrNotExist) { // between two steps of an editor, perhaps; it comes back with an event
		c.opts.Logger.Warn("config: the file is not there, what ran before goes on", zap.String("file", c.path))
		return nil
	}
	if err == nil && sha256.Sum256(data) == c.hash && !c.secrets.changed() {
		return nil
	}
	return c.reload(ctx)
}

// follow watches the directories on the way to the file. Those that are watched already stay so.
func follow(w *fsnotify.Watcher, path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	for range maxLinks {
		if err := watchDir(w, filepath.Dir(path)); err != nil {
			return err
		}
		link, next := hop(path)
		if link == "" {
			return nil
		}
		if err := watchDir(w, filepath.Dir(link)); err != nil {
			return err
		}
		path = next
	}
	return fmt.Errorf("%s: too many symbolic links", path)
}

// watchDir watches a directory and, while it is not there, the nearest one above it that is.
func watchDir(w *fsnotify.Watcher, dir string) error {
	err := w.Add(dir)
	up := filepath.Dir(dir)
	if !errors.Is(err, os.ErrNotExist) || up == dir {
		return err
	}
	if err := watchDir(w, up); err != nil {
		return err
	}
	if err := w.Add(dir); !errors.Is(err, os.ErrNotExist) { // it came meanwhile
		return err
	}
	return nil
}

// hop replaces the first symbolic link in a path. link is "" when there is none.
func hop(path string) (link, next string) {
	for at := 1; at <= len(path); at++ {
		if at < len(path) && !os.IsPathSeparator(path[at]) {
			continue
		}
		target, err := os.Readlink(path[:at])
		if err != nil {
			continue
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path[:at]), target)
		}
		return path[:at], filepath.Join(target, path[at:])
	}
	return "", path
}
