package session_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// An attempt without an answer is repaired by what was wrong with the answer before, also by the strong backend.
func TestRepairAfterAnError(t *testing.T) {
	t.Parallel()
	const turned = "That answer was turned down:\n- it does not mention b\n\nPlease answer again."
	for _, tc := range []struct {
		mode session.TwoSolverMode
		want []string
	}{
		{session.FreshStart, []string{"user: ask"}},
		{session.ContinueChat, []string{"user: ask", "assistant: a", "user: " + turned}},
		{session.BestAttempt, []string{"user: ask\n\nThis is the best answer so far:\na\n\nIt was turned down:\n- it does not mention b\n\nPlease give a better one."}},
	} {
		for _, way := range calls {
			t.Run(string(tc.mode)+" "+way.name, func(t *testing.T) {
				t.Parallel()
				fast, strong := script(answer("a"), fails(errDown)), strongly{script(answer("a b"))}
				s := start(t, session.WithBackend(fast))
				res, err := way.give(t, s, "ask", session.Require(checkOnly(mentions("b"))...),
					session.Using(session.TwoSolver{Strong: strong, LoopBudget: 2, Mode: tc.mode}))
				if err != nil || !res.Success || res.Attempts.Len() != 3 || !errors.Is(res.Attempts.At(1).Err, errDown) {
					t.Fatalf("got %+v, %v", res, err)
				}
				if got := dialogue(strong.scripted); !slices.Equal(got, tc.want) {
					t.Errorf("the strong backend was asked %q, want %q", got, tc.want)
				}
			})
		}
	}
}

// What ends a loop although its budget is not used up, and with what.
func TestErrorsThatEndALoop(t *testing.T) {
	t.Parallel()
	type state struct {
		s      *session.Session
		cancel func()
	}
	errCheck := errors.New("the dictionary is lost")
	for _, tc := range []struct {
		name  string
		back  func(st *state) []step
		setup func(p *stages.Pipeline) error
		opts  []session.InstructOption
		asked int
		err   error  // nil: there is a result
		text  string // of the result
	}{
		{name: "the caller's end", back: func(st *state) []step {
			return []step{answer("no"), func() (stages.Output, error) { st.cancel(); return stages.Output{}, errDown }}
		}, asked: 2, err: errDown},
		{name: "a request that cannot be", back: func(*state) []step { return []step{fails(errAuth)} }, asked: 1, err: errAuth},
		{name: "a request that cannot be any more", back: func(*state) []step { return []step{answer("no"), fails(errAuth)} }, asked: 2, text: "no"},
		{name: "an error behind a tool", back: func(*state) []step { return []step{call("tide", "{}"), fails(errDown)} }, asked: 2, err: errDown},
		{name: "an answer, and an error behind a tool", back: func(*state) []step {
			return []step{answer("no"), call("tide", "{}"), fails(errDown)}
		}, asked: 3, text: "no"},
		{
			name: "a block at the iteration of an error", back: func(*state) []step { return []step{fails(errDown)} },
			setup: use1(func(p *stages.Pipeline) *chain.Chain[*stages.Iteration] { return p.Iteration }, chain.After("stop", blocking[*stages.Iteration])),
			asked: 1, err: errDown,
		},
		{name: "a check's error", back: func(*state) []step { return []step{answer("no")} }, opts: []session.InstructOption{session.Require(
			requirement(func() (stages.Verdict, error) { return stages.Verdict{}, errCheck }))}, asked: 1, err: errCheck},
		{
			name: "an action without messages", back: func(*state) []step { return []step{answer("no")} },
			setup: rewriteIn(ofComponent, func(c *stages.Component) *stages.Component { return c.WithAction(wordless{}) }), err: errWordless,
		},
	} {
		for _, way := range calls {
			t.Run(tc.name+" "+way.name, func(t *testing.T) {
				t.Parallel()
				st := &state{}
				b := script(append(tc.back(st), answer("yes"))...)
				setup := tc.setup
				if setup == nil {
					setup = func(*stages.Pipeline) error { return nil }
				}
				st.s = start(t, session.WithBackend(b), session.WithTools(tideTool()), session.WithSetup(setup), session.WithSetup(around(ofGeneration,
					func(ctx context.Context, g *stages.Generation, next handler[*stages.Generation]) (*stages.Generation, error) {
						return next(ctx, g)
					})))
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				st.cancel = cancel
				var res *session.Result
				var err error
				opts := append([]session.InstructOption{session.Require(mentions("yes"))}, tc.opts...)
				if way.streamed {
					res, err = streamed(t, st.s.Stream(ctx, "Say yes.", opts...)).result()
				} else {
					res, err = st.s.Instruct(ctx, "Say yes.", opts...)
				}
				if !errors.Is(err, tc.err) || err == nil && (res.Success || res.Text() != tc.text || !strings.Contains(res.FailureReason, "failed: ")) {
					t.Errorf("got %+v, %v", res, err)
				}
				if got := len(b.requests()); got != tc.asked {
					t.Errorf("asked %d times, want %d", got, tc.asked)
				}
			})
		}
	}
}

var errWordless = errors.New("no words")

// wordless is an action that cannot say what it asks.
type wordless struct{}

func (wordless) Kind() string                        { return "wordless" }
func (wordless) Name() string                        { return "" }
func (wordless) Messages() ([]stages.Message, error) { return nil, errWordless }

// An answer that breaks off when a part of it was read is the last one, and its error that of the call, also where there is
// an answer from before.
func TestStreamBreaksOffAfterAnAnswer(t *testing.T) {
	t.Parallel()
	n := 0
	s := start(t, session.WithBackend(streamingFunc(
		func(_ context.Context, g *stages.Generation, emit func(string) error) (*stages.Generation, error) {
			if n++; n == 1 {
				return nil, emit("x")
			}
			if err := emit("a"); err != nil {
				return nil, err
			}
			return g.Done(stages.GenerationResult{}), errDown
		})))
	r := streamed(t, s.Stream(t.Context(), "go", session.Require(prefixed)))
	if res, err := r.result(); r.text() != "a" || !errors.Is(r.last, errDown) || !errors.Is(err, errDown) || res != nil || n != 2 {
		t.Errorf("got %q, %v, %+v, %v, asked %d times", r.text(), r.last, res, err, n)
	}
}

// A call that nobody waits for asks no more, whatever context a link has put in the place of the call's.
func TestCancelledCallAsksNoMore(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	s := start(t, session.WithBackend(session.BackendFunc(func(context.Context, *stages.Generation) (*stages.Generation, error) {
		n++
		cancel()
		return nil, errDown
	})), session.WithSetup(around(ofSampling,
		func(_ context.Context, p *stages.Sampling, next handler[*stages.Sampling]) (*stages.Sampling, error) {
			return next(context.Background(), p)
		})))
	if _, err := s.Instruct(ctx, "go"); !errors.Is(err, errDown) || n != 1 {
		t.Errorf("got %v, asked %d times", err, n)
	}
}
