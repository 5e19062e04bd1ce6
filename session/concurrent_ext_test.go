package session_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// Many goroutines in one session: no turn is lost, none is torn apart, and every request has its own id.
func TestConcurrentInstructions(t *testing.T) {
	t.Parallel()
	const goroutines, each = 64, 4
	rec := &recorder{}
	s := start(t, session.WithBackend(echo()), session.WithSetup(rec.register))
	var wg sync.WaitGroup
	for i := range goroutines {
		wg.Go(func() {
			for j := range each {
				text := fmt.Sprintf("call %d/%d", i, j)
				res, err := s.Instruct(t.Context(), text)
				if err != nil || res.Text() != text {
					t.Errorf("%s: got %v, %v", text, res, err)
				}
			}
			if _, err := s.Validate(t.Context(), session.Check("x", pass)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	var asked stages.Message
	for i, m := range s.History().All() {
		if i%2 == 0 {
			asked = m
			continue
		}
		if m.Text != asked.Text || seen[m.Text] {
			t.Errorf("turn %d is %q, %q", i/2, asked.Text, m.Text)
		}
		seen[m.Text] = true
	}
	if len(seen) != goroutines*each {
		t.Errorf("%d turns, want %d", len(seen), goroutines*each)
	}
	want := session.Totals{
		Interactions: goroutines * each, Generations: goroutines * each,
		Usage: stages.Usage{InputTokens: 2 * goroutines * each, OutputTokens: goroutines * each},
	}
	if got := s.Totals(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	requests := map[string]int{}
	for _, e := range rec.all() {
		if e.hook == "generation_pre_call" {
			requests[e.meta.RequestID]++
		}
	}
	if len(requests) != goroutines*each {
		t.Errorf("%d request ids", len(requests))
	}
}

func TestConcurrentClose(t *testing.T) {
	t.Parallel()
	rec, b := &recorder{}, &closing{Backend: echo()}
	s, err := session.Start(t.Context(), session.WithPipeline(stages.NewPipeline(stages.PipelineConfig{})),
		session.WithBackend(b), session.WithSetup(rec.register))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			if i%8 == 7 {
				if err := s.Close(t.Context()); err != nil {
					t.Error(err)
				}
				return
			}
			if _, err := s.Instruct(t.Context(), "hello"); err != nil && !errors.Is(err, session.ErrClosed) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if rec.count("session_cleanup") != 1 || b.n != 1 {
		t.Errorf("session_cleanup fired %d times, the backend was closed %d times", rec.count("session_cleanup"), b.n)
	}
	if c := last[*stages.Cleanup](t, rec, "session_cleanup"); !c.FinalHistory().Same(s.History()) || c.Interactions()*2 != s.History().Len() {
		t.Errorf("after session_cleanup something was recorded: %+v", c)
	}
}

func TestCancelledCall(t *testing.T) {
	t.Parallel()
	errEnough := errors.New("enough")
	for _, tc := range []struct {
		name    string
		backend func(ctx context.Context, cancel func()) error
		asked   int
	}{
		{"the backend notices", func(ctx context.Context, cancel func()) error { cancel(); return ctx.Err() }, 1},
		{"the backend does not", func(_ context.Context, cancel func()) error { cancel(); return nil }, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			rec, n := &recorder{}, 0
			ctx, cancel := context.WithCancelCause(t.Context())
			s := start(t, session.WithSetup(rec.register), session.WithBackend(session.BackendFunc(
				func(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
					n++
					if err := tc.backend(ctx, func() { cancel(errEnough) }); err != nil {
						return nil, err
					}
					return g.Done(stages.GenerationResult{Output: stages.Output{Text: "no"}}), nil
				})))
			_, err := s.Instruct(ctx, "hello", session.Require(mentions("yes")))
			if !errors.Is(err, context.Canceled) && !errors.Is(err, errEnough) {
				t.Errorf("got %v", err)
			}
			if n != tc.asked || rec.count("sampling_loop_end") != 1 || rec.count("error_occurred") != 0 {
				t.Errorf("asked %d times; %v", n, rec.names())
			}
		})
	}
	t.Run("before it began", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		b := script(answer("hello"))
		s := start(t, session.WithBackend(b))
		if _, err := s.Instruct(ctx, "hello"); !errors.Is(err, context.Canceled) || len(b.requests()) != 0 {
			t.Errorf("got %v after %d requests", err, len(b.requests()))
		}
	})
}

// Behaviour 27: a hook that calls the model, whose hooks do so again, is cut off; nested requests carry their parent's id.
func TestNestedCallsAreCutOff(t *testing.T) {
	t.Parallel()
	for name, nested := range map[string]func(context.Context, *session.Session) error{
		"by the request": func(ctx context.Context, _ *session.Session) error {
			_, err := stages.From(ctx).Generate(ctx, []stages.Message{{Role: stages.RoleUser, Text: "and?"}}, stages.ModelOptions{})
			return err
		},
		"by the session": func(ctx context.Context, s *session.Session) error {
			_, err := s.Instruct(ctx, "and?")
			return err
		},
		"with a context of its own": func(ctx context.Context, _ *session.Session) error {
			_, err := stages.From(ctx).Generate(context.Background(), []stages.Message{{Role: stages.RoleUser, Text: "and?"}}, stages.ModelOptions{})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, rec := script(), &recorder{}
			var s *session.Session
			s = start(t, session.WithBackend(b), session.WithSetup(func(p *stages.Pipeline) error {
				_, err := p.Generation.Use(chain.Before("ask", func(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
					rec.add("ask", g, nil)
					return g, nested(ctx, s)
				}))
				return err
			}))
			_, err := s.Instruct(t.Context(), "hello")
			if !errors.Is(err, stages.ErrTooDeep) {
				t.Fatalf("got %v", err)
			}
			events := rec.all()
			if len(events) != session.MaxDepth || len(b.requests()) != 0 {
				t.Fatalf("%d requests were begun, %d reached the backend", len(events), len(b.requests()))
			}
			parent := ""
			for i, e := range events {
				if e.meta.ParentRequestID != parent || e.meta.RequestID == parent {
					t.Errorf("request %d: parent %q, want %q", i+1, e.meta.ParentRequestID, parent)
				}
				parent = e.meta.RequestID
			}
		})
	}
}

// A hook that asks once gets an answer, which is counted for the session and not for the call, and not remembered.
func TestNestedGeneration(t *testing.T) {
	t.Parallel()
	b := script(answer("a judgement"), answer("hello"))
	s := start(t, session.WithBackend(b), session.WithModelOptions(stages.ModelOptions{MaxTokens: stages.Some(9)}))
	use(t, s.Pipeline().Component, chain.Before("ask", func(ctx context.Context, c *stages.Component) (*stages.Component, error) {
		out, err := stages.From(ctx).Generate(ctx, []stages.Message{{Role: stages.RoleUser, Text: "fine?"}},
			stages.ModelOptions{Temperature: stages.Some(0.0)})
		if err == nil && out.Text != "a judgement" {
			t.Errorf("got %q", out.Text)
		}
		return c, err
	}))
	res, err := s.Instruct(t.Context(), "hello")
	if err != nil {
		t.Fatal(err)
	}
	if o := b.requests()[0].ModelOptions(); o.MaxTokens.Or(0) != 9 || o.Temperature.Or(1) != 0 {
		t.Errorf("got %+v", o)
	}
	if res.Usage.Total() != 3 || s.Totals().Usage.Total() != 6 || s.Totals().Generations != 2 || s.History().Len() != 2 {
		t.Errorf("usage %+v, totals %+v, history %v", res.Usage, s.Totals(), texts(s.History()))
	}
}

// What a hook finds in its context.
func TestRequestInTheContext(t *testing.T) {
	t.Parallel()
	type key struct{}
	s := start(t, session.WithBackend(script(answer("one"), answer("two"))), session.WithHistory(stages.NewHistory(
		stages.Message{Role: stages.RoleUser, Text: "before"})))
	var ids []string
	use(t, s.Pipeline().Component,
		chain.Before("leave", func(ctx context.Context, c *stages.Component) (*stages.Component, error) {
			r := stages.From(ctx)
			r.State().Store(key{}, "a note")
			if r.Depth() != 1 || r.ID() != c.Meta().RequestID || r.Backend().Model != "script-1" || r.History().LastTurn.Input.Text != "before" {
				t.Errorf("got %+v", r)
			}
			ids = append(ids, r.ID())
			return c, nil
		}),
		chain.After("find", func(ctx context.Context, c *stages.Component) (*stages.Component, error) {
			if v, _ := stages.From(ctx).State().Load(key{}); v != "a note" {
				t.Errorf("got %v", v)
			}
			return c, nil
		}))
	use(t, s.Pipeline().Generation, chain.Before("fresh", func(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
		if _, ok := stages.From(ctx).State().Load(key{}); !ok {
			t.Error("the state is not shared with other stages")
		}
		return g, nil
	}))
	if _, err := s.Instruct(t.Context(), "hello"); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(ids, slices.Compact(slices.Clone(ids))) || len(ids) != 1 {
		t.Errorf("got %v", ids)
	}
}

// 64 sessions on one pipeline: links of one never fire in another.
func TestConcurrentSessions(t *testing.T) {
	t.Parallel()
	shared := stages.NewPipeline(stages.PipelineConfig{})
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			rec := &recorder{}
			s, err := session.Start(t.Context(), session.WithPipeline(shared), session.WithBackend(echo()), session.WithSetup(rec.register))
			if err != nil {
				t.Error(err)
				return
			}
			for range 3 {
				if _, err := s.Instruct(t.Context(), "hello"); err != nil {
					t.Error(err)
				}
			}
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
			for _, e := range rec.all() {
				if e.meta.SessionID != s.ID() {
					t.Errorf("session %d got %s of another one", i, e.hook)
				}
			}
			if rec.count("generation_pre_call") != 3 || rec.count("session_pre_init") != 1 || rec.count("session_cleanup") != 1 {
				t.Errorf("session %d: %v", i, rec.names())
			}
		})
	}
	wg.Wait()
}
