package session_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// The judge decides in the place of the session's backend, through the same links, and its reasons are the feedback.
func TestTwoSolverJudge(t *testing.T) {
	t.Parallel()
	for _, way := range calls {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			rec := &recorder{}
			fast, strong := script(answer("a"), answer("b")), strongly{script(answer("c"))}
			judge := script(answer("no, it is rude"), answer("no, it is dull"), answer("yes"))
			s := start(t, session.WithBackend(fast), session.WithSetup(rec.register))
			res, err := way.give(t, s, "Write.", session.Require(session.Judge("Be kind.")), session.Using(
				session.TwoSolver{Strong: strong, LoopBudget: 2, Mode: session.ContinueChat, Judge: judge}))
			if err != nil || !res.Success || res.Text() != "c" {
				t.Fatalf("got %+v, %v", res, err)
			}
			want := []string{
				"user: Write.\n\nRequirements:\n- Be kind.", "assistant: a", "user: That answer was turned down:\n- it is rude\n\nPlease answer again.",
				"assistant: b", "user: That answer was turned down:\n- it is dull\n\nPlease answer again.",
			}
			if got := dialogue(strong.scripted); !slices.Equal(got, want) {
				t.Errorf("the strong backend was asked %q, want %q", got, want)
			}
			if len(fast.requests()) != 2 || len(judge.requests()) != 3 || rec.count("generation_pre_call") != 6 || s.Totals().Generations != 6 {
				t.Errorf("asked %d and %d times, %+v", len(fast.requests()), len(judge.requests()), s.Totals())
			}
			if v := last[*stages.Validation](t, rec, "validation_post_check"); v.Kind() != stages.ValidateByJudge || v.Log().Len() != 1 {
				t.Errorf("%s, log %v", v.Kind(), v.Log())
			}
		})
	}
}

// A judge that is down costs the attempt, and says so.
func TestTwoSolverJudgeFails(t *testing.T) {
	t.Parallel()
	judge := script(fails(errDown), answer("yes"))
	s := start(t, session.WithBackend(script(answer("a"), answer("b"))))
	res, err := s.Instruct(t.Context(), "Write.", session.Require(session.Judge("Be kind.")), session.Using(
		session.TwoSolver{Strong: script(), LoopBudget: 2, Judge: judge}))
	if err != nil || res.Text() != "b" || !errors.Is(res.Attempts.At(0).Err, errDown) || res.Attempts.At(0).Result.Text != "a" {
		t.Errorf("got %+v, %v", res, err)
	}
}

// helpers are backends by name that tell when they are made and closed.
type helpers struct {
	*session.Backends
	mu   sync.Mutex
	told []string
	wait chan struct{} // before one is made; nil does not wait
	asks chan struct{} // gets a value before that
}

func (h *helpers) tell(what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told = append(h.told, what)
}

func newHelpers(tb testing.TB, says map[string]string) *helpers {
	tb.Helper()
	h := &helpers{Backends: session.NewBackends()}
	for name, text := range says {
		if err := h.Add(name, func(_ context.Context, settings stages.Map[any]) (session.Backend, error) {
			if h.wait != nil {
				h.asks <- struct{}{}
				<-h.wait
			}
			h.tell("made " + name)
			return helper{h, name, text}, nil
		}); err != nil {
			tb.Fatal(err)
		}
	}
	if err := h.Add("broken", func(context.Context, stages.Map[any]) (session.Backend, error) { return nil, errDown }); err != nil {
		tb.Fatal(err)
	}
	return h
}

type helper struct {
	of         *helpers
	name, says string
}

func (b helper) Generate(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
	b.of.tell("asked " + b.name)
	return g.Done(stages.GenerationResult{Output: stages.Output{Text: b.says}}), nil
}

func (b helper) Close() error { b.of.tell("closed " + b.name); return nil }

func twoSolvers(settings map[string]any) session.Option {
	return session.WithSetup(rewriteIn(ofComponent, func(c *stages.Component) *stages.Component {
		return c.WithStrategy(stages.NamedStrategy("two_solver", stages.MapOf(settings)))
	}))
}

// Backends that a strategy names are opened when they are needed, once, and closed with the session.
func TestHelpersByName(t *testing.T) {
	t.Parallel()
	h := newHelpers(t, map[string]string{"big": "sure", "picky": "no, dull", "small": "maybe"})
	s, err := session.Start(t.Context(), session.WithPipeline(stages.NewPipeline(stages.PipelineConfig{})),
		session.WithBackends(h.Backends), session.WithBackendName("small", stages.Map[any]{}),
		twoSolvers(map[string]any{"strong": "big", "judge": "picky", "loop_budget": 1}))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		res, err := s.Instruct(t.Context(), "Write.", session.Require(session.Judge("Be kind.")))
		if err != nil || res.Success || res.Text() != "sure" || res.Attempts.Len() != 2 {
			t.Fatalf("got %+v, %v", res, err)
		}
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	once := "asked small, asked picky, asked big, asked picky"
	want := "made small, made big, made picky, " + once + ", " + once + ", closed small, closed big, closed picky"
	if got := strings.Join(h.told, ", "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// The session's own backend may be the strong one too, by its name, and is opened and closed once.
func TestHelperIsTheSessionsBackend(t *testing.T) {
	t.Parallel()
	h := newHelpers(t, map[string]string{"small": "maybe"})
	s, err := session.Start(t.Context(), session.WithPipeline(stages.NewPipeline(stages.PipelineConfig{})),
		session.WithBackends(h.Backends), session.WithBackendName("small", stages.Map[any]{}), twoSolvers(map[string]any{"strong": "small", "loop_budget": 1}))
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.Instruct(t.Context(), "Write.", session.Require(mentions("yes")))
	if closeErr := s.Close(t.Context()); err != nil || closeErr != nil || res.Attempts.Len() != 2 {
		t.Errorf("got %+v, %v, %v", res, err, closeErr)
	}
	if got := strings.Join(h.told, ", "); got != "made small, asked small, asked small, closed small" {
		t.Error(got)
	}
}

// Calls that need the same backend at once share one; none stays open.
func TestHelperOpenedByManyAtOnce(t *testing.T) {
	t.Parallel()
	h := newHelpers(t, map[string]string{"big": "yes"})
	h.wait, h.asks = make(chan struct{}), make(chan struct{}, 8)
	s, err := session.Start(t.Context(), session.WithPipeline(stages.NewPipeline(stages.PipelineConfig{})), session.WithBackend(echo()),
		session.WithBackends(h.Backends), twoSolvers(map[string]any{"strong": "big", "loop_budget": 1}))
	if err != nil {
		t.Fatal(err)
	}
	var g sync.WaitGroup
	for range 8 {
		g.Go(func() {
			if res, err := s.Instruct(t.Context(), "Write.", session.Require(session.CheckOnly(mentions("yes")))); err != nil || res.Text() != "yes" {
				t.Errorf("got %v, %v", res, err)
			}
		})
	}
	for range 8 {
		<-h.asks
	}
	close(h.wait)
	g.Wait()
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, what := range h.told {
		count[what]++
	}
	if count["made big"] == 0 || count["made big"] != count["closed big"] || count["asked big"] != 8 {
		t.Error(count)
	}
}

// A session that was closed meanwhile keeps nothing open.
func TestHelperOpenedTooLate(t *testing.T) {
	t.Parallel()
	h := newHelpers(t, map[string]string{"big": "yes"})
	h.wait, h.asks = make(chan struct{}), make(chan struct{}, 8)
	s, err := session.Start(t.Context(), session.WithPipeline(stages.NewPipeline(stages.PipelineConfig{})), session.WithBackend(echo()),
		session.WithBackends(h.Backends), twoSolvers(map[string]any{"strong": "big"}))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := s.Instruct(t.Context(), "Write.")
		ended <- err
	}()
	<-h.asks
	done, cancel := context.WithCancel(t.Context())
	cancel()
	_ = s.Close(done)
	close(h.wait)
	if err := <-ended; !errors.Is(err, session.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if got := strings.Join(h.told, ", "); got != "made big, closed big" {
		t.Error(got)
	}
}

// Names that nothing is known of are errors that say so.
func TestHelpersThatAreNone(t *testing.T) {
	t.Parallel()
	h := newHelpers(t, map[string]string{"big": "yes"})
	for _, tc := range []struct {
		name  string
		value map[string]any
		is    error
		want  string
	}{
		{"a name that is nearly right", map[string]any{"strong": "bog"}, session.ErrUnknownBackend, `strategy "two_solver": strong: session: unknown backend "bog": did you mean "big"?`},
		{"no name", map[string]any{"strong": ""}, session.ErrUnknownBackend, `strong: session: unknown backend ""`},
		{"one that cannot be opened", map[string]any{"strong": "broken"}, errDown, `strategy "two_solver": strong: session: opening the backend "broken": the backend is down`},
		{"a judge that nobody knows", map[string]any{"strong": "big", "judge": "bog"}, session.ErrUnknownBackend, `strategy "two_solver": judge: session: unknown backend "bog"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, session.WithBackends(h.Backends), session.WithBackend(echo()), twoSolvers(tc.value))
			if res, err := s.Instruct(t.Context(), "Write."); !errors.Is(err, tc.is) || !strings.Contains(fmt.Sprint(err), tc.want) {
				t.Errorf("got %v, %v, want %q", res, err, tc.want)
			}
		})
	}
	t.Run("without a session", func(t *testing.T) {
		p := stages.NewPipeline(stages.PipelineConfig{})
		if err := rewriteIn(ofComponent, func(c *stages.Component) *stages.Component {
			return c.WithStrategy(stages.NamedStrategy("two_solver", stages.MapOf(map[string]any{"strong": "big"})))
		})(p); err != nil {
			t.Fatal(err)
		}
		on := session.On(echo(), stages.History{}, session.WithPipeline(p), session.WithBackends(h.Backends))
		if _, err := on.Instruct(t.Context(), "Write."); !errors.Is(err, session.ErrOption) || !strings.Contains(err.Error(), "give one as a value") {
			t.Errorf("got %v", err)
		}
	})
}
