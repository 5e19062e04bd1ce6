package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// haiku is a component of a user's own.
type haiku struct {
	messages func() ([]stages.Message, error)
}

func (haiku) Kind() string                          { return "haiku" }
func (haiku) Name() string                          { return "spring" }
func (h haiku) Messages() ([]stages.Message, error) { return h.messages() }

// A user's own component goes through all stages, and what goes wrong in it is contained.
func TestComponentOfAUsersOwn(t *testing.T) {
	t.Parallel()
	errWords := errors.New("no words")
	for _, tc := range []struct {
		name     string
		messages func() ([]stages.Message, error)
		want     string
	}{
		{"it works", func() ([]stages.Message, error) {
			return []stages.Message{{Role: stages.RoleSystem, Text: "Count."}, {Role: stages.RoleUser, Text: "Five."}}, nil
		}, ""},
		{"an error", func() ([]stages.Message, error) { return nil, errWords }, "session: the messages of haiku: no words"},
		{"a panic", func() ([]stages.Message, error) { panic("no paper") }, "panic: no paper"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			rec, b := &recorder{}, script(answer("an old silent pond"))
			s := start(t, session.WithBackend(b), session.WithSetup(rec.register), session.WithSetup(
				rewriteOut(ofCreate, func(c *stages.Create) *stages.Create { return c.WithComponent(haiku{tc.messages}) })))
			res, err := s.Instruct(t.Context(), "Write a haiku.", session.Require(mentions("pond")))
			if tc.want != "" {
				if err == nil || err.Error() != tc.want || rec.count("error_occurred") != 1 || rec.count("sampling_loop_end") != 1 {
					t.Errorf("got %v, %v", err, rec.names())
				}
				return
			}
			if err != nil || !res.Success || b.requests()[0].Messages().Len() != 2 || s.History().Len() != 3 {
				t.Errorf("got %v, %v, history %v", res, err, texts(s.History()))
			}
			if c := last[*stages.Component](t, rec, "component_pre_execute"); c.Kind() != "haiku" || c.Name() != "spring" {
				t.Errorf("got %s %s", c.Kind(), c.Name())
			}
		})
	}
}

// A link may answer in the place of a whole stage.
func TestLinksThatAnswer(t *testing.T) {
	t.Parallel()
	out := stages.Output{Text: "from the link"}
	for _, tc := range []struct {
		name   string
		answer func(*stages.Pipeline) error
		want   string // of the error
	}{
		{"component", answering(ofComponent, func(c *stages.Component) *stages.Component {
			return c.Done(stages.ComponentResult{Result: out, Success: true})
		}), ""},
		{"sampling", answering(ofSampling, func(p *stages.Sampling) *stages.Sampling {
			return p.Done(stages.SamplingResult{FinalResult: out, Success: true})
		}), ""},
		{"component without a result", answering(ofComponent, func(c *stages.Component) *stages.Component { return c }), "without a result: component"},
		{"sampling without a result", answering(ofSampling, func(p *stages.Sampling) *stages.Sampling { return p }), "without a result: sampling"},
		{"generation without a result", answering(ofGeneration, func(g *stages.Generation) *stages.Generation { return g }), "without a result: generation"},
		{"validation without a result", answering(ofValidation, func(v *stages.Validation) *stages.Validation { return v }), "without a result: validation"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := script()
			if strings.HasPrefix(tc.name, "validation") {
				b = script(answer("hello"))
			}
			s := start(t, session.WithBackend(b), session.WithSetup(tc.answer))
			res, err := s.Instruct(t.Context(), "hello")
			if tc.want != "" {
				if !errors.Is(err, session.ErrNoResult) || !strings.Contains(err.Error(), tc.want) || s.History().Len() != 0 {
					t.Errorf("got %v, history %v", err, texts(s.History()))
				}
				return
			}
			if err != nil || res.Text() != out.Text || !res.Success {
				t.Errorf("got %v, %v", res, err)
			}
			if turn := s.History().LastTurn(); turn.Output.Text != out.Text {
				t.Errorf("history %v", texts(s.History()))
			}
		})
	}
}

// Where a call is not an instruction, an answer without a result is an error too, and a tool's is a failure.
func TestLinksThatAnswerNothing(t *testing.T) {
	t.Parallel()
	t.Run("a hook's generation", func(t *testing.T) {
		t.Parallel()
		var got error
		s := start(t, session.WithBackend(echo()))
		use(t, s.Pipeline().Create, chain.Before("ask", func(ctx context.Context, c *stages.Create) (*stages.Create, error) {
			_, got = stages.From(ctx).Generate(ctx, []stages.Message{{Role: stages.RoleUser, Text: "?"}}, stages.ModelOptions{})
			return c, nil
		}))
		if err := answering(ofGeneration, func(g *stages.Generation) *stages.Generation { return g })(s.Pipeline()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Instruct(t.Context(), "hello"); !errors.Is(err, session.ErrNoResult) || !errors.Is(got, session.ErrNoResult) {
			t.Errorf("got %v and %v", err, got)
		}
	})
	t.Run("Validate", func(t *testing.T) {
		t.Parallel()
		s := start(t, session.WithBackend(echo()))
		if _, err := s.Instruct(t.Context(), "hello"); err != nil {
			t.Fatal(err)
		}
		if err := answering(ofValidation, func(v *stages.Validation) *stages.Validation { return v })(s.Pipeline()); err != nil {
			t.Fatal(err)
		}
		if rep, err := s.Validate(t.Context(), mentions("hello")); !errors.Is(err, session.ErrNoResult) {
			t.Errorf("got %+v, %v", rep, err)
		}
	})
	t.Run("tool", func(t *testing.T) {
		t.Parallel()
		b := script(call("tide", "{}"), answer("done"))
		s := start(t, session.WithBackend(b), session.WithTools(tideTool()),
			session.WithSetup(answering(ofTool, func(x *stages.Tool) *stages.Tool { return x })))
		if _, err := s.Instruct(t.Context(), "When?"); err != nil {
			t.Fatal(err)
		}
		if m := b.requests()[1].Messages(); m.At(m.Len()-1).Text != "error: the tool gave no result" || m.At(m.Len()-1).ToolCallID != "call-1" {
			t.Errorf("got %+v", m.At(m.Len()-1))
		}
	})
}

func answering[P any](of func(*stages.Pipeline) *chain.Chain[P], f func(P) P) func(*stages.Pipeline) error {
	return func(p *stages.Pipeline) error {
		_, err := of(p).Use(chain.Around("answer", func(chain.Handler[P]) chain.Handler[P] {
			return func(_ context.Context, p P) (P, error) { return f(p), nil }
		}))
		return err
	}
}

// Links that run what they wrap twice at the same time, as a hedge does: one turn, one component, the tries of both.
func TestHedgedStages(t *testing.T) {
	t.Parallel()
	s := start(t, session.WithBackend(echo()), session.WithSetup(hedging(ofComponent)), session.WithSetup(hedging(ofSampling)),
		session.WithSetup(hedging(ofGeneration)), session.WithSetup(hedging(ofValidation)))
	res, err := s.Instruct(t.Context(), "hello", session.Require(mentions("hello")))
	if err != nil || !strings.HasPrefix(res.Text(), "hello") {
		t.Fatalf("got %v, %v", res, err)
	}
	if got := s.Totals(); got.Interactions != 1 || got.Generations != 8 || s.History().Len() != 2 {
		t.Errorf("got %+v, history %v", got, texts(s.History()))
	}
}

func hedging[P any](of func(*stages.Pipeline) *chain.Chain[P]) func(*stages.Pipeline) error {
	return func(p *stages.Pipeline) error {
		_, err := of(p).Use(chain.Around("hedge", func(next chain.Handler[P]) chain.Handler[P] {
			return func(ctx context.Context, p P) (P, error) {
				var out [2]P
				var errs [2]error
				var wg sync.WaitGroup
				for i := range out {
					wg.Go(func() { out[i], errs[i] = next(ctx, p) })
				}
				wg.Wait()
				return out[1], errors.Join(errs[:]...)
			}
		}))
		return err
	}
}

// What a tool without a function, added by a hook, comes to.
func TestToolWithoutAFunction(t *testing.T) {
	t.Parallel()
	b := script(call("tide", "{}"), answer("done"))
	s := start(t, session.WithBackend(b), session.WithSetup(rewriteIn(ofGeneration, func(g *stages.Generation) *stages.Generation {
		return g.WithTools(stages.ListOf(stages.Callable{Name: "tide"}))
	})))
	if _, err := s.Instruct(t.Context(), "When?"); err != nil {
		t.Fatal(err)
	}
	if m := b.requests()[1].Messages(); m.At(m.Len()-1).Text != `error: tool "tide" has no function` {
		t.Errorf("got %+v", m.At(m.Len()-1))
	}
}

// While Close waits for a call, what is nested in that call still works; what ends after session_cleanup is not recorded.
func TestCallsDuringClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s *session.Session
		entered, goOn := make(chan struct{}), make(chan struct{})
		tool := toolThat(func() (any, error) { return "", nil })
		tool.Call = func(ctx context.Context, _ json.RawMessage) (any, error) {
			close(entered)
			<-goOn
			res, err := s.Instruct(ctx, "nested")
			if err != nil {
				return nil, err
			}
			return res.Text(), nil
		}
		b := script(call("tide", "{}"), answer("nested answer"), answer("done"))
		s, err := session.Start(t.Context(), session.WithPipeline(stages.NewPipeline(stages.PipelineConfig{})), session.WithBackend(b), session.WithTools(tool))
		if err != nil {
			t.Fatal(err)
		}
		called, closed := make(chan error, 1), make(chan error, 1)
		go func() { _, err := s.Instruct(t.Context(), "When?"); called <- err }()
		<-entered
		go func() { closed <- s.Close(t.Context()) }()
		synctest.Wait()
		close(goOn)
		if err := errors.Join(<-called, <-closed); err != nil {
			t.Error(err)
		}
		if got := strings.Join(texts(s.History()), ", "); !strings.Contains(got, "tool: nested answer, assistant: done") {
			t.Errorf("history %s", got)
		}
	})
}

// A backend that does not heed its context cannot hold up Close, and its late answer is not recorded.
func TestStubbornBackend(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		entered, goOn := make(chan struct{}), make(chan struct{})
		rec := &recorder{}
		s, err := session.Start(t.Context(), session.WithPipeline(stages.NewPipeline(stages.PipelineConfig{})), session.WithSetup(rec.register),
			session.WithBackend(session.BackendFunc(func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
				close(entered)
				<-goOn
				return g.Done(stages.GenerationResult{Output: stages.Output{Text: "late"}}), nil
			})))
		if err != nil {
			t.Fatal(err)
		}
		called := make(chan error, 1)
		go func() { _, err := s.Instruct(t.Context(), "hello"); called <- err }()
		<-entered
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		first := s.Close(ctx)
		if !errors.Is(first, context.Canceled) {
			t.Errorf("got %v", first)
		}
		close(goOn)
		if err := <-called; !errors.Is(err, session.ErrClosed) {
			t.Errorf("the call got %v", err)
		}
		if s.History().Len() != 0 || s.Totals().Generations != 0 || last[*stages.Cleanup](t, rec, "session_cleanup").Generations() != 0 {
			t.Errorf("recorded: %+v", s.Totals())
		}
		if again := s.Close(t.Context()); again != first {
			t.Errorf("got %v", again)
		}
	})
}

// A session whose hooks use other sessions: depth and parents go through all of them.
func TestNestedSessions(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	inner := start(t, session.WithBackend(echo()), session.WithSetup(rec.register))
	outer := start(t, session.WithBackend(echo()))
	use(t, outer.Pipeline().Component, chain.Before("ask", func(ctx context.Context, c *stages.Component) (*stages.Component, error) {
		_, err := inner.Instruct(ctx, "and?")
		return c, err
	}))
	res, err := outer.Instruct(t.Context(), "hello")
	if err != nil {
		t.Fatal(err)
	}
	if m := last[*stages.Generation](t, rec, "generation_pre_call").Meta(); m.ParentRequestID != res.RequestID || m.SessionID != inner.ID() {
		t.Errorf("got %+v", m)
	}
}

func TestStrategySettings(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	s := start(t, session.WithBackend(echo()), session.WithSetup(rec.register))
	if _, err := s.Instruct(t.Context(), "hello", session.LoopBudget(7)); err != nil {
		t.Fatal(err)
	}
	p := last[*stages.Sampling](t, rec, "sampling_loop_start")
	if n, _ := p.Strategy().Settings().Get("loop_budget"); n != 7 || p.LoopBudget() != 7 || p.Strategy().Name() != "rejection_sampling" {
		t.Errorf("got %v, %d", n, p.LoopBudget())
	}
}
