package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Fork starts another session from what this one is now: its history, model, model options, tools and all that its options
// said, with opts on top. From then on the two go their own ways. The fork has an id, a log and totals of its own, and its
// own session hooks fire.
//
// It has the plugins and links of WithPlugins and WithSetup, registered once more, but not those that were registered with
// Pipeline() later. It uses the same backend, unless an option or its session_pre_init says otherwise; the last of the
// sessions that use a backend closes it, so that either may be closed first. ctx bounds the start. A closed session
// cannot be forked.
func (s *Session) Fork(ctx context.Context, opts ...Option) (*Session, error) {
	switch {
	case s.pipeline == nil: // the zero Session
		return nil, ErrClosed
	case ctx == nil:
		return nil, errNilContext
	}
	s.mu.Lock()
	if s.closing || s.using == nil {
		s.mu.Unlock()
		return nil, ErrClosed
	}
	c, shared := s.cfg, s.using
	c.history, c.model, c.options = s.history, s.backend.Model, s.options
	c.backend, c.backendName, c.backendSettings, c.inherited = nil, shared.name, shared.settings, shared
	c.setup, c.tools, c.pruners = slices.Clip(c.setup), slices.Clip(c.tools), slices.Clip(c.pruners)
	shared.users.Add(1)
	s.mu.Unlock()
	err := c.add(opts)
	if err != nil || c.inherited == nil { // it does without the backend
		err = errors.Join(err, shared.release())
	}
	if err != nil {
		return nil, fmt.Errorf("session: fork: %w", err)
	}
	fork, err := open(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("session: fork: %w", err)
	}
	return fork, nil
}
