package session_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// However what uses a session ends, the session is closed once, and session_cleanup knows why, and what the session did.
func TestRun(t *testing.T) {
	t.Parallel()
	errEnough := errors.New("enough")
	for _, tc := range []struct {
		name string
		end  func(*session.Session) error
		err  error
		then any // a panic
	}{
		{name: "a return", end: func(*session.Session) error { return nil }},
		{name: "a return of a session that was closed", end: func(s *session.Session) error { return s.Close(context.Background()) }},
		{name: "an error", end: func(*session.Session) error { return errEnough }, err: errEnough},
		{name: "a panic", end: func(*session.Session) error { panic(errEnough) }, err: errEnough, then: errEnough},
		{name: "Goexit", end: func(*session.Session) error { runtime.Goexit(); return nil }, err: errAny},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			rec, b := &recorder{}, &closing{Backend: echo()}
			ended := make(chan any, 2)
			go func() {
				var err error
				defer func() { ended <- err; ended <- recover() }()
				err = session.Run(t.Context(), func(ctx context.Context, s *session.Session) error {
					if _, err := s.Instruct(ctx, "hello"); err != nil {
						return err
					}
					return tc.end(s)
				}, session.WithPipeline(stages.NewPipeline(stages.PipelineConfig{})), session.WithBackend(b), session.WithSetup(rec.register))
			}()
			err, _ := (<-ended).(error)
			if v := <-ended; v != tc.then {
				t.Errorf("panicked with %v", v)
			}
			if tc.then == nil && tc.err != errAny && !errors.Is(err, tc.err) {
				t.Errorf("got %v", err)
			}
			if rec.count("session_cleanup") != 1 || b.n != 1 {
				t.Errorf("session_cleanup fired %d times, the backend was closed %d times", rec.count("session_cleanup"), b.n)
			}
			c := last[*stages.Cleanup](t, rec, "session_cleanup")
			if (c.Err() != nil) != (tc.err != nil) || tc.err != nil && tc.err != errAny && !errors.Is(c.Err(), tc.err) {
				t.Errorf("session_cleanup got %v", c.Err())
			}
			var p *chain.PanicError
			if errors.As(c.Err(), &p) != (tc.then != nil) {
				t.Errorf("session_cleanup got %v", c.Err())
			}
			if c.Interactions() != 1 || c.Generations() != 1 || c.Usage().Total() != 3 || c.Duration() <= 0 || c.FinalHistory().Len() != 2 {
				t.Errorf("the totals are %+v", c)
			}
		})
	}
	if err := session.Run(t.Context(), func(context.Context, *session.Session) error { return nil }); !errors.Is(err, session.ErrNoBackend) {
		t.Errorf("got %v", err)
	}
}

// A session ends with its parent: calls in flight are cancelled, and a Close later waits for the end.
func TestParentThatEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		errOver := errors.New("the request is over")
		rec := &recorder{}
		b, entered, _ := gate()
		c := &closing{Backend: b}
		parent, cancel := context.WithCancelCause(t.Context())
		s, err := session.Start(t.Context(), session.WithPipeline(stages.NewPipeline(stages.PipelineConfig{})),
			session.WithBackend(c), session.WithSetup(rec.register), session.WithParent(parent))
		if err != nil {
			t.Fatal(err)
		}
		called := make(chan error, 1)
		go func() {
			_, err := s.Instruct(t.Context(), "hello")
			called <- err
		}()
		<-entered
		cancel(errOver)
		if err := <-called; !errors.Is(err, session.ErrClosed) {
			t.Errorf("the call got %v", err)
		}
		if err := s.Close(t.Context()); !errors.Is(err, errOver) || !strings.Contains(err.Error(), "1 calls were cancelled") {
			t.Errorf("Close got %v", err)
		}
		if rec.count("session_cleanup") != 1 || c.n != 1 || !errors.Is(last[*stages.Cleanup](t, rec, "session_cleanup").Err(), errOver) {
			t.Errorf("%v, the backend was closed %d times", rec.names(), c.n)
		}
		if _, err := session.Start(t.Context(), session.WithBackend(echo()), session.WithParent(parent)); !errors.Is(err, errOver) {
			t.Errorf("a start after the end of the parent: %v", err)
		}
	})
}

// A session that is closed, or did not start, is nothing to its parent any more; one without calls ends quietly.
func TestParentAndClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, first := range []string{"parent", "close"} {
			rec, b := &recorder{}, &closing{Backend: echo()}
			parent, cancel := context.WithCancel(t.Context())
			s, err := session.Start(t.Context(), session.WithPipeline(stages.NewPipeline(stages.PipelineConfig{})),
				session.WithBackend(b), session.WithSetup(rec.register), session.WithParent(parent))
			if err != nil {
				t.Fatal(err)
			}
			if first == "parent" {
				cancel()
				synctest.Wait()
			}
			if err := s.Close(t.Context()); err != nil {
				t.Errorf("%s first: %v", first, err)
			}
			cancel()
			synctest.Wait()
			if rec.count("session_cleanup") != 1 || b.n != 1 {
				t.Errorf("%s first: %v, closed %d times", first, rec.names(), b.n)
			}
			if cause := last[*stages.Cleanup](t, rec, "session_cleanup").Err(); (cause != nil) != (first == "parent") {
				t.Errorf("%s first: session_cleanup got %v", first, cause)
			}
		}
	})
}

// Close says how much background work it did not wait for.
func TestCloseSaysWhatWasNotDrained(t *testing.T) {
	t.Parallel()
	p := stages.NewPipeline(stages.PipelineConfig{})
	s, err := session.Start(t.Context(), session.WithPipeline(p), session.WithBackend(echo()))
	if err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	use(t, s.Pipeline().Generation, chain.Observe("audit", func(context.Context, chain.Outcome[*stages.Generation]) { <-release },
		chain.InMode(chain.FireAndForget)))
	for range 3 {
		if _, err := s.Instruct(t.Context(), "hello"); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Close(ctx); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "3 background jobs are not done") {
		t.Errorf("got %v", err)
	}
	close(release)
	if err := p.Drain(t.Context()); err != nil {
		t.Error(err)
	}
}
