package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

func TestCleanupSaysWhatHappened(t *testing.T) {
	t.Parallel()
	rec, b := &recorder{}, &closing{Backend: script(answer("a"), answer("b"), fails(errDown))}
	s, err := session.Start(t.Context(), session.WithPipeline(stages.NewPipeline(stages.PipelineConfig{})),
		session.WithBackend(b), session.WithSetup(rec.register), session.WithGenerationLog(2))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := s.Instruct(t.Context(), "hello"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Instruct(t.Context(), "hello"); !errors.Is(err, errDown) {
		t.Fatal(err)
	}
	for range 2 { // and again, for nothing
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if rec.count("session_cleanup") != 1 || b.n != 1 {
		t.Fatalf("session_cleanup fired %d times, the backend was closed %d times", rec.count("session_cleanup"), b.n)
	}
	c := last[*stages.Cleanup](t, rec, "session_cleanup")
	if c.Interactions() != 3 || c.Generations() != 3 || c.Usage().Total() != 6 || c.FinalHistory().Len() != 4 || c.Duration() <= 0 || c.Err() != nil {
		t.Errorf("got %+v", c)
	}
	if l := c.Log(); l.Len() != 2 || l.At(0).Output.Text != "b" || l.At(1).Error != errDown.Error() {
		t.Errorf("the log is %+v", l)
	}
}

func TestUseAfterClose(t *testing.T) {
	t.Parallel()
	s, err := session.Start(t.Context(), session.WithPipeline(stages.NewPipeline(stages.PipelineConfig{})), session.WithBackend(echo()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Instruct(t.Context(), "hello"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Instruct(t.Context(), "hello"); !errors.Is(err, session.ErrClosed) {
		t.Errorf("Instruct: got %v", err)
	}
	if _, err := s.Validate(t.Context()); !errors.Is(err, session.ErrClosed) {
		t.Errorf("Validate: got %v", err)
	}
	if err := s.Reset(t.Context(), ""); !errors.Is(err, session.ErrClosed) {
		t.Errorf("Reset: got %v", err)
	}
	if s.History().Len() != 2 || s.Totals().Interactions != 1 {
		t.Error("what happened cannot be read any more")
	}
}

func TestCloseReturnsTheBackendsError(t *testing.T) {
	t.Parallel()
	errStuck := errors.New("stuck")
	s, err := session.Start(t.Context(), session.WithPipeline(stages.NewPipeline(stages.PipelineConfig{})),
		session.WithBackend(&closing{Backend: echo(), err: errStuck}))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(t.Context()); !errors.Is(err, errStuck) || err.Error() != "session: close: stuck" {
			t.Errorf("got %v", err)
		}
	}
}

// gate is a backend that waits until it is opened or the context ends.
func gate() (b session.Backend, entered <-chan struct{}, open func()) {
	in, out := make(chan struct{}, 64), make(chan struct{})
	return session.BackendFunc(func(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
		in <- struct{}{}
		select {
		case <-out:
			return g.Done(stages.GenerationResult{Output: stages.Output{Text: "done"}}), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}), in, func() { close(out) }
}

func TestCloseWaitsForCallsInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rec := &recorder{}
		b, entered, open := gate()
		s, err := session.Start(t.Context(), session.WithPipeline(stages.NewPipeline(stages.PipelineConfig{})),
			session.WithBackend(b), session.WithSetup(rec.register))
		if err != nil {
			t.Fatal(err)
		}
		called, closed := make(chan error, 1), make(chan error, 2)
		go func() {
			_, err := s.Instruct(t.Context(), "hello")
			called <- err
		}()
		<-entered
		for range 2 {
			go func() { closed <- s.Close(t.Context()) }()
		}
		synctest.Wait()
		if _, err := s.Instruct(t.Context(), "too late"); !errors.Is(err, session.ErrClosed) {
			t.Errorf("a call during Close got %v", err)
		}
		if len(closed) != 0 || rec.count("session_cleanup") != 0 {
			t.Error("Close did not wait")
		}
		open()
		if err := errors.Join(<-called, <-closed, <-closed); err != nil {
			t.Error(err)
		}
		if c := last[*stages.Cleanup](t, rec, "session_cleanup"); c.FinalHistory().Len() != 2 || rec.count("session_cleanup") != 1 {
			t.Errorf("got %+v", c)
		}
	})
}

func TestCloseCancelsWhenItsTimeIsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rec := &recorder{}
		b, entered, _ := gate()
		s, err := session.Start(t.Context(), session.WithPipeline(stages.NewPipeline(stages.PipelineConfig{})),
			session.WithBackend(b), session.WithSetup(rec.register))
		if err != nil {
			t.Fatal(err)
		}
		called := make(chan error, 1)
		go func() {
			_, err := s.Instruct(t.Context(), "hello")
			called <- err
		}()
		<-entered
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Close(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Close got %v", err)
		}
		if err := <-called; !errors.Is(err, session.ErrClosed) {
			t.Errorf("the call got %v", err)
		}
		if rec.count("session_cleanup") != 1 || rec.count("context_update") != 0 || s.History().Len() != 0 {
			t.Errorf("%v", rec.names())
		}
	})
}

// Close from inside does not wait for itself.
func TestCloseFromInside(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"tool", "cleanup", "both"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			var s *session.Session
			closeIt := func(ctx context.Context) {
				if err := s.Close(ctx); err != nil {
					t.Error(err)
				}
			}
			tool := tideTool()
			inner := tool.Call
			tool.Call = func(ctx context.Context, a json.RawMessage) (any, error) {
				if where != "cleanup" {
					closeIt(ctx)
				}
				return inner(ctx, a)
			}
			rec := &recorder{}
			s, _ = session.Start(t.Context(), session.WithPipeline(stages.NewPipeline(stages.PipelineConfig{})), session.WithTools(tool),
				session.WithBackend(script(call("tide", "{}"), answer("done"))), session.WithSetup(rec.register))
			if where != "tool" {
				use(t, s.Pipeline().Cleanup, chain.Before("again", func(ctx context.Context, c *stages.Cleanup) (*stages.Cleanup, error) {
					closeIt(ctx)
					return c, nil
				}))
			}
			_, err := s.Instruct(t.Context(), "When?")
			if closed := where != "cleanup"; errors.Is(err, session.ErrClosed) != closed {
				t.Errorf("the call got %v", err)
			}
			closeIt(t.Context())
			if n := rec.count("session_cleanup"); n != 1 {
				t.Errorf("session_cleanup fired %d times", n)
			}
		})
	}
}

// Background work that the session queued is done when Close returns.
func TestCloseDrainsBackgroundWork(t *testing.T) {
	t.Parallel()
	s, err := session.Start(t.Context(), session.WithPipeline(stages.NewPipeline(stages.PipelineConfig{})), session.WithBackend(echo()))
	if err != nil {
		t.Fatal(err)
	}
	release, done := make(chan struct{}), false
	use(t, s.Pipeline().Generation, chain.Observe("audit", func(context.Context, chain.Outcome[*stages.Generation]) {
		<-release
		done = true
	}, chain.InMode(chain.FireAndForget)))
	if _, err := s.Instruct(t.Context(), "hello"); err != nil {
		t.Fatal(err)
	}
	close(release)
	if err := s.Close(t.Context()); err != nil || !done {
		t.Errorf("got %v, done: %t", err, done)
	}
}

func TestGenerationLog(t *testing.T) {
	t.Parallel()
	for size, want := range map[int]string{0: "", 1: "e", 3: "cde", 5: "abcde", 9: "abcde"} {
		rec := &recorder{}
		s, err := session.Start(t.Context(), session.WithPipeline(stages.NewPipeline(stages.PipelineConfig{})),
			session.WithBackend(echo()), session.WithSetup(rec.register), session.WithGenerationLog(size))
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"a", "b", "c", "d", "e"} {
			if _, err := s.Instruct(t.Context(), text); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, e := range last[*stages.Cleanup](t, rec, "session_cleanup").Log().All() {
			got += e.Output.Text
		}
		if got != want {
			t.Errorf("a log of %d holds %q, want %q", size, got, want)
		}
	}
}
