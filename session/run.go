package session

import (
	"context"
	"errors"
	"runtime/debug"

	"go.uber.org/zap"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/internal/errlog"
)

var errGoexit = errlog.New("session: runtime.Goexit")

// Run starts a session, calls f with it and closes it with ctx, however f ends: session_cleanup gets the error that f
// returned or, as a *chain.PanicError, the panic, which then goes on. The error is that of the start, or those of f and of
// Close joined.
func Run(ctx context.Context, f func(ctx context.Context, s *Session) error, opts ...Option) (err error) {
	s, err := Start(ctx, opts...)
	if err != nil {
		return err
	}
	returned := false
	defer func() {
		if returned {
			return
		}
		v := recover()
		cause := errGoexit
		if v != nil {
			cause = &chain.PanicError{Value: v, Stack: debug.Stack()}
		}
		if closeErr := s.shutdown(ctx, cause); closeErr != nil {
			s.cfg.logger.Warn("closing a session that broke off", errlog.Field(closeErr, false), zap.String("session", s.id))
		}
		if v != nil {
			panic(v)
		}
	}()
	err = f(ctx, s)
	returned = true
	return errors.Join(err, s.shutdown(ctx, err))
}

// WithParent closes the session when ctx ends, unless it is closed before: calls in flight are cancelled, session_cleanup
// fires with the cause of ctx's end, and the backend is closed, without waiting for anything else that does not heed its
// context, since there is nobody to wait. What goes wrong is logged; Close, which is still allowed, waits for the end and
// returns it. A parent that has ended already is an error of Start. The ctx of Start itself bounds nothing but the start.
func WithParent(ctx context.Context) Option { return set(func(c *config) { c.parent = ctx }) }

// follow makes the session end with its parent.
func (s *Session) follow(parent context.Context) {
	if parent == nil {
		return
	}
	stop := context.AfterFunc(parent, func() {
		if err := s.shutdown(parent, context.Cause(parent)); err != nil {
			s.cfg.logger.Warn("closing a session whose parent has ended", errlog.Field(err, false), zap.String("session", s.id))
		}
	})
	s.mu.Lock()
	s.unfollow = stop
	s.mu.Unlock()
}
