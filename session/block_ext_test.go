package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

func before[P any](of func(*stages.Pipeline) *chain.Chain[P]) func(*stages.Pipeline) error {
	return func(p *stages.Pipeline) error {
		_, err := of(p).Use(chain.Before("no", blocking[P]))
		return err
	}
}

func after[P any](of func(*stages.Pipeline) *chain.Chain[P]) func(*stages.Pipeline) error {
	return func(p *stages.Pipeline) error {
		_, err := of(p).Use(chain.After("no", blocking[P]))
		return err
	}
}

func ofCreate(p *stages.Pipeline) *chain.Chain[*stages.Create]         { return p.Create }
func ofComponent(p *stages.Pipeline) *chain.Chain[*stages.Component]   { return p.Component }
func ofGeneration(p *stages.Pipeline) *chain.Chain[*stages.Generation] { return p.Generation }
func ofValidation(p *stages.Pipeline) *chain.Chain[*stages.Validation] { return p.Validation }
func ofSampling(p *stages.Pipeline) *chain.Chain[*stages.Sampling]     { return p.Sampling }
func ofIteration(p *stages.Pipeline) *chain.Chain[*stages.Iteration]   { return p.Iteration }
func ofRepair(p *stages.Pipeline) *chain.Chain[*stages.Repair]         { return p.Repair }
func ofTool(p *stages.Pipeline) *chain.Chain[*stages.Tool]             { return p.Tool }

// The script of all rows: a failed answer, a tool call, a good answer.
func story() *scripted {
	return script(answer("too short"), call("tide", "{}"), answer("High water is at 06:40."))
}

// A block has the effect that the table of hook points names. Where it fails the call, the caller gets the violation,
// nothing enters the history, no error hook fires, and the loop still tells its end if it had begun.
func TestBlockFailsTheCall(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		hook, chain string
		block       func(*stages.Pipeline) error
		asked       int // requests that reached the backend
		loopEnds    int
	}{
		{"component_pre_create", "create", before(ofCreate), 0, 0},
		{"component_post_create", "create", after(ofCreate), 0, 0},
		{"component_pre_execute", "component", before(ofComponent), 0, 0},
		{"component_post_success", "component", after(ofComponent), 3, 1},
		{"sampling_loop_start", "sampling", before(ofSampling), 0, 0},
		{"sampling_loop_end", "sampling", after(ofSampling), 3, 0},
		{"generation_pre_call", "generation", before(ofGeneration), 0, 1},
		{"generation_post_call", "generation", after(ofGeneration), 1, 1},
		{"validation_pre_check", "validation", before(ofValidation), 1, 1},
		{"validation_post_check", "validation", after(ofValidation), 1, 1},
	} {
		t.Run(tc.hook, func(t *testing.T) {
			t.Parallel()
			rec, b := &recorder{}, story()
			s := start(t, session.WithBackend(b), session.WithTools(tideTool()),
				session.WithSetup(rec.register), session.WithSetup(tc.block))
			res, err := s.Instruct(t.Context(), "Write about the tide.", session.Require(mentions("High water")))
			wantBlock(t, err, tc.chain)
			if res != nil || s.History().Len() != 0 {
				t.Errorf("got %v, history %v", res, texts(s.History()))
			}
			if n := len(b.requests()); n != tc.asked {
				t.Errorf("%d requests reached the backend, want %d", n, tc.asked)
			}
			if n := s.Totals().Generations; n != tc.asked {
				t.Errorf("%d generations counted, want %d", n, tc.asked)
			}
			if n := rec.count("sampling_loop_end"); n != tc.loopEnds {
				t.Errorf("sampling_loop_end fired %d times, want %d", n, tc.loopEnds)
			}
			for _, hook := range []string{"generation_error", "component_post_error", "error_occurred", "context_update"} {
				if rec.count(hook) != 0 {
					t.Errorf("%s fired", hook)
				}
			}
		})
	}
}

func TestBlockEndsTheLoop(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		hook  string
		block func(*stages.Pipeline) error
	}{
		{"sampling_iteration", after(ofIteration)},
		{"sampling_repair", after(ofRepair)},
	} {
		t.Run(tc.hook, func(t *testing.T) {
			t.Parallel()
			rec := &recorder{}
			s := start(t, session.WithBackend(story()), session.WithSetup(rec.register), session.WithSetup(tc.block))
			res, err := s.Instruct(t.Context(), "Write about the tide.", session.Require(mentions("High water")))
			if err != nil {
				t.Fatal(err)
			}
			if res.Success || res.Attempts.Len() != 1 || res.Text() != "too short" || !strings.Contains(res.FailureReason, "not here") {
				t.Errorf("got %+v", res)
			}
			end := last[*stages.Sampling](t, rec, "sampling_loop_end")
			if end.Success() || end.Err() != nil || end.Iterations() != 1 || end.FailureReason() != res.FailureReason {
				t.Errorf("sampling_loop_end got %+v", end)
			}
			if s.History().Len() != 2 {
				t.Errorf("history %v", texts(s.History()))
			}
		})
	}
	t.Run("sampling_iteration of a good answer", func(t *testing.T) {
		t.Parallel()
		s := start(t, session.WithBackend(script(answer("High water"))), session.WithSetup(after(ofIteration)))
		if res, err := s.Instruct(t.Context(), "Write about the tide."); err != nil || res.Success {
			t.Errorf("got %+v, %v", res, err)
		}
	})
}

func TestBlockOfATool(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		hook  string
		block func(*stages.Pipeline) error
		runs  int
	}{
		{"tool_pre_invoke: the tool is not run", before(ofTool), 0},
		{"tool_post_invoke: the output is replaced by a failure", after(ofTool), 1},
	} {
		t.Run(tc.hook, func(t *testing.T) {
			t.Parallel()
			runs := 0
			tool := tideTool()
			inner := tool.Call
			tool.Call = func(ctx context.Context, a json.RawMessage) (any, error) {
				runs++
				return inner(ctx, a)
			}
			b := script(call("tide", "{}"), answer("I could not look it up."))
			s := start(t, session.WithBackend(b), session.WithTools(tool), session.WithSetup(tc.block))
			res, err := s.Instruct(t.Context(), "When is high water?")
			if err != nil || !res.Success {
				t.Fatalf("got %+v, %v", res, err)
			}
			if runs != tc.runs {
				t.Errorf("the tool ran %d times, want %d", runs, tc.runs)
			}
			m := b.requests()[1].Messages()
			want := stages.Message{Role: stages.RoleTool, Name: "tide", ToolCallID: "call-1", Text: "error: it was refused: not here"}
			if got := m.At(m.Len() - 1); !got.Equal(want) {
				t.Errorf("the model was told %+v, want %+v", got, want)
			}
		})
	}
}

func TestBlockOfAReset(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		link chain.Link[*stages.Reset]
	}{
		{"before", chain.Before("no", blocking[*stages.Reset])},
		{"after", chain.After("no", blocking[*stages.Reset])},
		{"around, once it was through", chain.Around("no", func(next handler[*stages.Reset]) handler[*stages.Reset] {
			return func(ctx context.Context, p *stages.Reset) (*stages.Reset, error) {
				if _, err := next(ctx, p); err != nil {
					return nil, err
				}
				return blocking(ctx, p)
			}
		})},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			rec := &recorder{}
			s := start(t, session.WithBackend(echo()), session.WithSetup(rec.register))
			if _, err := s.Instruct(t.Context(), "hello"); err != nil {
				t.Fatal(err)
			}
			reg, err := s.Pipeline().Reset.Use(tc.link)
			if err != nil {
				t.Fatal(err)
			}
			wantBlock(t, s.Reset(t.Context(), "new topic"), "reset")
			if s.History().Len() != 2 || rec.count("context_update") != 1 {
				t.Errorf("the reset happened: %v", texts(s.History()))
			}
			if _, err := s.Validate(t.Context(), mentions("hello")); err != nil {
				t.Errorf("the last answer is forgotten: %v", err)
			}
			reg.Remove()
			if err := s.Reset(t.Context(), "new topic"); err != nil || s.History().Len() != 0 || rec.count("context_update") != 2 {
				t.Errorf("the reset did not happen: %v, %v", err, texts(s.History()))
			}
		})
	}
	t.Run("a link that answers instead: nothing is forgotten", func(t *testing.T) {
		t.Parallel()
		s := start(t, session.WithBackend(echo()))
		if _, err := s.Instruct(t.Context(), "hello"); err != nil {
			t.Fatal(err)
		}
		use(t, s.Pipeline().Reset, chain.Around("never", func(handler[*stages.Reset]) handler[*stages.Reset] {
			return stages.Unchanged[*stages.Reset]
		}))
		if err := s.Reset(t.Context(), "new topic"); err != nil || s.History().Len() != 2 {
			t.Errorf("got %v, %v", err, texts(s.History()))
		}
	})
}

// What never blocks goes on, whatever a link there says.
func TestBlockWhereNothingBlocks(t *testing.T) {
	t.Parallel()
	b := &closing{Backend: echo()}
	s, err := session.Start(t.Context(), session.WithBackend(b))
	if err != nil {
		t.Fatal(err)
	}
	use(t, s.Pipeline().Cleanup, chain.Before("no", blocking[*stages.Cleanup]))
	use(t, s.Pipeline().HistoryChange, chain.Before("no", blocking[*stages.HistoryChange]))
	use(t, s.Pipeline().Fault, chain.Before("no", func(context.Context, *stages.Fault) (*stages.Fault, error) {
		panic("in the fault hook")
	}))
	if _, err := s.Instruct(t.Context(), "hello"); err != nil {
		t.Error(err)
	}
	errCheck := errors.New("out of order")
	if _, err := s.Validate(t.Context(), stages.Requirement{Description: "x", Check: func(context.Context, stages.Target) (stages.Verdict, error) {
		return stages.Verdict{}, errCheck
	}}); !errors.Is(err, errCheck) {
		t.Errorf("got %v", err)
	}
	if err := s.Close(t.Context()); err != nil || b.n != 1 {
		t.Errorf("got %v, closed %d times", err, b.n)
	}
}

// A link that fails is not a block: the call fails with its LinkError, and the fault is reported once.
func TestFailingLinkFailsTheCall(t *testing.T) {
	t.Parallel()
	errLink := errors.New("the policy server is away")
	for _, tc := range []struct {
		chain string
		fail  func(*stages.Pipeline) error
	}{
		{"create", failing(ofCreate)},
		{"component", failing(ofComponent)},
		{"sampling", failing(ofSampling)},
		{"generation", failing(ofGeneration)},
		{"validation", failing(ofValidation)},
		{"iteration", failing(ofIteration)},
		{"repair", failing(ofRepair)},
		{"tool", failing(ofTool)},
	} {
		t.Run(tc.chain, func(t *testing.T) {
			t.Parallel()
			rec := &recorder{}
			s := start(t, session.WithBackend(story()), session.WithTools(tideTool()), session.WithSetup(rec.register),
				session.WithSetup(func(p *stages.Pipeline) error { return tc.fail(p) }))
			_, err := s.Instruct(context.WithValue(t.Context(), errKey{}, errLink), "Write about the tide.", session.Require(mentions("High water")))
			var le *chain.LinkError
			if !errors.As(err, &le) || le.Chain != tc.chain || !errors.Is(err, errLink) {
				t.Errorf("got %v", err)
			}
			if n := rec.count("error_occurred"); n != 1 {
				t.Errorf("error_occurred fired %d times", n)
			}
			if s.History().Len() != 0 {
				t.Errorf("history %v", texts(s.History()))
			}
		})
	}
}

type errKey struct{}

// failing fails with the error in the context.
func failing[P any](of func(*stages.Pipeline) *chain.Chain[P]) func(*stages.Pipeline) error {
	return func(p *stages.Pipeline) error {
		_, err := of(p).Use(chain.Before("broken", func(ctx context.Context, p P) (P, error) {
			return p, ctx.Value(errKey{}).(error)
		}))
		return err
	}
}
