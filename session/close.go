package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/maillon-go/maillon/internal/errlog"
	"github.com/maillon-go/maillon/stages"
)

// Close ends the session: calls that come later fail with ErrClosed, calls in flight are waited for until ctx ends and
// then cancelled, session_cleanup fires, background work is waited for until ctx ends, and the backend is closed if it is
// an io.Closer and no fork of the session uses it. What finishes after session_cleanup is not recorded any more and fails
// with ErrClosed. The error says how many calls were cancelled, and how much background work was not waited for.
//
// All of this happens once; a further Close waits for the first and returns its error. Called by a hook, a check or a tool
// of the session itself, with the ctx that it got, Close does not wait for the call that it was made in, which then fails
// with ErrClosed. Called by background work it does not wait for any background work, and a further Close called there
// not for the first: they would wait for their caller. With another ctx Close cannot know where it was called and waits
// until that ctx ends.
//
// Background work is that of all who share the dispatcher of the pipeline, such as the other sessions of the process:
// Close waits for what was handed in before, by whomever, and not for what comes later. ctx bounds the waiting; a
// session_cleanup hook, a plugin or a backend that does not return from its own Close holds up this one all the same.
func (s *Session) Close(ctx context.Context) error { return s.shutdown(ctx, nil) }

// shutdown is Close with the error that ended the session.
func (s *Session) shutdown(ctx context.Context, cause error) error {
	switch {
	case s.pipeline == nil: // the zero Session
		return ErrClosed
	case ctx == nil:
		return errNilContext
	}
	caller, background := enclosing(ctx), s.inBackground(ctx)
	s.mu.Lock()
	if s.closing {
		inside := s.within(caller)
		s.mu.Unlock()
		if inside || background { // the first Close waits for the caller, or runs it
			return nil
		}
		select {
		case <-s.closed:
			return s.closeErr
		case <-ctx.Done():
			return fmt.Errorf("session: close: %w", context.Cause(ctx))
		}
	}
	s.closing = true
	unfollow := s.unfollow
	s.mu.Unlock()
	if unfollow != nil {
		unfollow()
	}
	defer close(s.closed)

	errs := []error{s.quiesce(ctx, caller)}
	s.cleanup(ctx, cause)
	if !background {
		errs = append(errs, s.pipeline.Drain(ctx))
	}
	errs = append(errs, s.pipeline.Close(ctx))
	errs = append(errs, s.using.release())
	for _, b := range s.helping() {
		errs = append(errs, b.release())
	}
	if err := errors.Join(errs...); err != nil {
		s.closeErr = fmt.Errorf("session: close: %w", err)
	}
	return s.closeErr
}

// inBackground says that ctx is that of background work, of this session or of another one with the same dispatcher: what
// drains it would wait for itself.
func (s *Session) inBackground(ctx context.Context) bool {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	cancel(errProbe)
	err := s.pipeline.Drain(ctx) // anywhere else it has nothing to do, or no time
	return err != nil && !errors.Is(err, errProbe)
}

var errProbe = errors.New("session: no time to drain")

// quiesce waits until the calls in flight have ended, but for those that the caller is part of, and lets nothing be
// recorded from then on. When ctx ends before that, the calls are cancelled and not waited for.
func (s *Session) quiesce(ctx context.Context, caller *request) error {
	for {
		r := s.nextLive(caller)
		if r == nil {
			return nil
		}
		select {
		case <-r.done:
		case <-ctx.Done():
			return fmt.Errorf("%d calls were cancelled: %w", s.giveUp(), context.Cause(ctx))
		}
	}
}

// giveUp cancels the calls in flight, and says how many there were.
func (s *Session) giveUp() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	for _, r := range s.live {
		r.cancel(ErrClosed)
	}
	return len(s.live)
}

// nextLive is a call to wait for. Where there is none, the session is over.
func (s *Session) nextLive(caller *request) *request {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.live {
		if !r.nests(caller) {
			if r.done == nil {
				r.done = make(chan struct{})
			}
			return r
		}
	}
	s.over = true
	return nil
}

// cleanup fires session_cleanup, also when ctx is done.
func (s *Session) cleanup(ctx context.Context, cause error) {
	if ctx.Err() != nil {
		ctx = context.WithoutCancel(ctx)
	}
	inside, r, err := s.newRequest(ctx, given{}) //nolint:contextcheck // the exception is the next line
	if err != nil {                              // nested too deep, but the hooks must run
		inside, r, _ = s.newRequest(context.Background(), given{})
	}
	s.mu.Lock()
	s.live[r.base.RequestID] = r
	f := stages.CleanupFields{
		FinalHistory: s.history, Interactions: s.interactions, Generations: s.generations, Usage: s.usage,
		Duration: time.Since(s.begun), Log: s.logged(), Err: cause,
	}
	s.mu.Unlock()
	defer s.end(r)
	if _, err := s.call.cleanup(inside, stages.NewCleanup(r.meta(), f)); err != nil {
		s.cfg.logger.Warn("session_cleanup did not take place", errlog.Field(err, false), zap.String("session", s.id))
	}
}
