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
	if _, err := s.Instruct(t.Context(), "hello", session.LoopBudget(1)); !errors.Is(err, errDown) {
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
	type closer func(context.Context)
	background := chain.InMode(chain.FireAndForget)
	for _, tc := range []struct {
		name     string
		register func(p *stages.Pipeline, closeIt closer, returned <-chan struct{}) error
		tool     bool // closes too
		check    bool
		after    bool // the call is not affected
	}{
		{name: "a tool", tool: true},
		{name: "a check", check: true},
		{name: "session_cleanup", after: true, register: func(p *stages.Pipeline, closeIt closer, _ <-chan struct{}) error {
			_, err := p.Cleanup.Use(chain.Before("close", func(ctx context.Context, c *stages.Cleanup) (*stages.Cleanup, error) {
				closeIt(ctx)
				return c, nil
			}))
			return err
		}},
		{name: "a tool and session_cleanup", tool: true, register: func(p *stages.Pipeline, closeIt closer, _ <-chan struct{}) error {
			_, err := p.Cleanup.Use(chain.Before("close", func(ctx context.Context, c *stages.Cleanup) (*stages.Cleanup, error) {
				closeIt(ctx)
				return c, nil
			}))
			return err
		}},
		{name: "a Before", register: func(p *stages.Pipeline, closeIt closer, _ <-chan struct{}) error {
			_, err := p.Generation.Use(chain.Before("close", func(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
				closeIt(ctx)
				return g, nil
			}))
			return err
		}},
		{name: "an After", register: func(p *stages.Pipeline, closeIt closer, _ <-chan struct{}) error {
			_, err := p.Generation.Use(chain.After("close", func(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
				closeIt(ctx)
				return g, nil
			}))
			return err
		}},
		{name: "an Observe", register: func(p *stages.Pipeline, closeIt closer, _ <-chan struct{}) error {
			_, err := p.Generation.Use(chain.Observe("close", func(ctx context.Context, _ chain.Outcome[*stages.Generation]) { closeIt(ctx) }))
			return err
		}},
		{name: "background work, during the call", register: func(p *stages.Pipeline, closeIt closer, _ <-chan struct{}) error {
			closed := make(chan struct{})
			_, err := p.Component.Use(chain.Before("close", func(ctx context.Context, c *stages.Component) (*stages.Component, error) {
				closeIt(ctx)
				close(closed)
				return c, nil
			}, background))
			if err == nil {
				_, err = p.Sampling.Use(chain.After("wait", func(_ context.Context, c *stages.Sampling) (*stages.Sampling, error) {
					<-closed
					return c, nil
				}))
			}
			return err
		}},
		{name: "background work, after the call", after: true, register: func(p *stages.Pipeline, closeIt closer, returned <-chan struct{}) error {
			_, err := p.Component.Use(chain.Observe("close", func(ctx context.Context, _ chain.Outcome[*stages.Component]) {
				<-returned
				closeIt(ctx)
			}, background))
			return err
		}},
		{name: "background work of session_cleanup", after: true, register: func(p *stages.Pipeline, closeIt closer, _ <-chan struct{}) error {
			_, err := p.Cleanup.Use(chain.Observe("close", func(ctx context.Context, _ chain.Outcome[*stages.Cleanup]) { closeIt(ctx) }, background))
			return err
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var s *session.Session
			closeIt := func(ctx context.Context) {
				if err := s.Close(ctx); err != nil {
					t.Error(err)
				}
			}
			tool, inner := tideTool(), tideTool().Call
			tool.Call = func(ctx context.Context, a json.RawMessage) (any, error) {
				if tc.tool {
					closeIt(ctx)
				}
				return inner(ctx, a)
			}
			check := stages.Requirement{Description: "x", Check: func(ctx context.Context, _ stages.Target) (stages.Verdict, error) {
				if tc.check {
					closeIt(ctx)
				}
				return stages.Verdict{Ruling: stages.Pass}, nil
			}}
			rec, returned := &recorder{}, make(chan struct{})
			p := stages.NewPipeline(stages.PipelineConfig{})
			s, _ = session.Start(t.Context(), session.WithPipeline(p), session.WithTools(tool),
				session.WithBackend(script(call("tide", "{}"), answer("done"))), session.WithSetup(rec.register))
			if tc.register != nil {
				if err := tc.register(s.Pipeline(), closeIt, returned); err != nil {
					t.Fatal(err)
				}
			}
			_, err := s.Instruct(t.Context(), "When?", session.Require(check))
			if errors.Is(err, session.ErrClosed) == tc.after {
				t.Errorf("the call got %v", err)
			}
			close(returned)
			closeIt(t.Context())
			if n := rec.count("session_cleanup"); n != 1 {
				t.Errorf("session_cleanup fired %d times", n)
			}
			if err := p.Drain(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// Sessions with one dispatcher: background work of one may close the other, also while that waits for background work.
func TestCloseFromAnothersBackgroundWork(t *testing.T) {
	t.Parallel()
	p := stages.NewPipeline(stages.PipelineConfig{})
	a, b := start(t, session.WithPipeline(p), session.WithBackend(echo())), start(t, session.WithPipeline(p), session.WithBackend(echo()))
	cleaned := make(chan struct{})
	use(t, b.Pipeline().Cleanup, chain.Before("cleaned", func(_ context.Context, c *stages.Cleanup) (*stages.Cleanup, error) {
		close(cleaned)
		return c, nil
	}))
	use(t, a.Pipeline().Generation, chain.Observe("close", func(ctx context.Context, _ chain.Outcome[*stages.Generation]) {
		<-cleaned
		if err := b.Close(ctx); err != nil {
			t.Error(err)
		}
	}, chain.InMode(chain.FireAndForget)))
	if _, err := a.Instruct(t.Context(), "hello"); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(t.Context()); err != nil {
		t.Error(err)
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
