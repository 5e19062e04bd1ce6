package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

var errDown = errors.New("the backend is down")

// errAuth need not be tried again.
var errAuth = &session.BackendError{Kind: session.BackendAuth, Backend: "scripted"}

func requirement(check func() (stages.Verdict, error)) stages.Requirement {
	return stages.Requirement{Description: "x", Check: func(context.Context, stages.Target) (stages.Verdict, error) { return check() }}
}

func toolThat(f func() (any, error)) stages.Callable {
	return stages.Callable{Name: "tide", Call: func(context.Context, json.RawMessage) (any, error) { return f() }}
}

// What goes wrong is an error of the call, seen by the hooks that are for it, and reported as a fault exactly once.
func TestFaults(t *testing.T) {
	t.Parallel()
	errCheck := errors.New("the dictionary is lost")
	for _, tc := range []struct {
		name        string
		steps       []step
		opts        []session.InstructOption
		want        error // nil: only text counts
		text        string
		kind        stages.FaultKind
		where       string
		recoverable bool
		stack       bool
		generation  int // generation_error
	}{
		{
			name: "a backend error", steps: []step{fails(errDown)}, want: errDown, text: errDown.Error(),
			kind: stages.FaultBackend, where: "generation", recoverable: true, generation: 1,
		},
		{
			name: "a backend that panics", steps: []step{func() (stages.Output, error) { panic("no memory") }}, text: "panic: no memory",
			kind: stages.FaultBackend, where: "generation", stack: true, generation: 1,
		},
		{
			name: "a check that fails", steps: []step{answer("hello")},
			opts: []session.InstructOption{session.Require(requirement(func() (stages.Verdict, error) { return stages.Verdict{}, errCheck }))},
			want: errCheck, text: `session: check of "x": the dictionary is lost`, kind: stages.FaultValidation, where: "validation",
		},
		{
			name: "a check that panics", steps: []step{answer("hello")},
			opts: []session.InstructOption{session.Require(requirement(func() (stages.Verdict, error) { panic("no memory") }))},
			text: `session: check of "x": panic: no memory`, kind: stages.FaultValidation, where: "validation", stack: true,
		},
		{
			name: "a check that calls Goexit", steps: []step{answer("hello")},
			opts: []session.InstructOption{session.Require(requirement(func() (stages.Verdict, error) {
				runtime.Goexit()
				return stages.Verdict{}, nil
			}))},
			want: chain.ErrGoexit, text: `session: check of "x": runtime.Goexit was called`, kind: stages.FaultValidation, where: "validation",
		},
		{
			name: "a requirement without check or description", steps: []step{answer("hello")},
			opts: []session.InstructOption{session.Require(stages.Requirement{Name: "kind"})},
			want: session.ErrNoCheck, text: "session: requirement without a check: kind", kind: stages.FaultValidation, where: "validation",
		},
		{
			name: "a backend without an answer", steps: []step{nil}, want: errScript, text: errScript.Error(),
			kind: stages.FaultBackend, where: "generation", recoverable: true, generation: 1,
		},
		{
			name: "tool calls without an end", steps: endless(), want: session.ErrToolRounds, text: session.ErrToolRounds.Error(),
			kind: stages.FaultComponent, where: "component_execute",
		},
		{
			name: "no attempts", opts: []session.InstructOption{session.LoopBudget(0)}, want: session.ErrLoopBudget,
			text: "session: the loop budget must be at least 1: it is 0", kind: stages.FaultComponent, where: "component_execute",
		},
		{
			name: "a template that is wrong", opts: []session.InstructOption{session.Variable("x", "y"), session.Prefix("{{")},
			text: "session: instruction: template: prefix:1: unclosed action", kind: stages.FaultComponent, where: "component_create",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			rec := &recorder{}
			s := start(t, session.WithBackend(script(tc.steps...)), session.WithSetup(rec.register), session.WithTools(tideTool()))
			res, err := s.Instruct(t.Context(), "Write about the tide.", append([]session.InstructOption{session.LoopBudget(1)}, tc.opts...)...)
			if res != nil || err == nil || tc.want != nil && !errors.Is(err, tc.want) || err.Error() != tc.text {
				t.Fatalf("got %v, %v; want %q", res, err, tc.text)
			}
			if n := rec.count("error_occurred"); n != 1 {
				t.Fatalf("error_occurred fired %d times", n)
			}
			f := last[*stages.Fault](t, rec, "error_occurred")
			if f.Failure().Kind != tc.kind || f.Where() != tc.where || f.Failure().Recoverable != tc.recoverable ||
				(f.Failure().Stack != "") != tc.stack || !errors.Is(err, f.Failure().Err) {
				t.Errorf("the fault is %+v in %q", f.Failure(), f.Where())
			}
			if n := rec.count("generation_error"); n != tc.generation {
				t.Errorf("generation_error fired %d times, want %d", n, tc.generation)
			}
			executed := tc.where != "component_create"
			if n := rec.count("component_post_error"); (n == 1) != executed {
				t.Errorf("component_post_error fired %d times", n)
			}
			if executed {
				c := last[*stages.Component](t, rec, "component_post_error")
				if c.Failure().Kind != stages.FaultComponent || !errors.Is(err, c.Failure().Err) || (c.Failure().Stack != "") != tc.stack {
					t.Errorf("component_post_error got %+v", c.Failure())
				}
			}
			if looped := rec.count("sampling_loop_start"); rec.count("sampling_loop_end") != looped {
				t.Error("sampling_loop_end did not fire")
			} else if looped == 1 && last[*stages.Sampling](t, rec, "sampling_loop_end").Err() == nil {
				t.Error("sampling_loop_end was not told the error")
			}
			if rec.count("validation_pre_check") != rec.count("validation_post_check") {
				t.Error("validation_post_check did not fire")
			}
			if s.History().Len() != 0 || rec.count("context_update") != 0 {
				t.Errorf("history %v", texts(s.History()))
			}
			// The session goes on.
			if _, err := s.Instruct(t.Context(), "Again."); !errors.Is(err, errScript) {
				t.Errorf("then got %v", err)
			}
		})
	}
}

func endless() (steps []step) {
	for range session.MaxToolRounds + 1 {
		steps = append(steps, call("tide", "{}"))
	}
	return steps
}

// Behaviour 39: what goes wrong with a tool is told to the model, with success false.
func TestToolFailures(t *testing.T) {
	t.Parallel()
	errTool := errors.New("the gauge is frozen")
	for _, tc := range []struct {
		name    string
		tool    stages.Callable
		call    step
		success bool
		told    string
		faults  int
	}{
		{name: "a text", tool: toolThat(func() (any, error) { return "06:40", nil }), call: call("tide", "{}"), success: true, told: "06:40"},
		{name: "a value", tool: toolThat(func() (any, error) { return []int{6, 40}, nil }), call: call("tide", "{}"), success: true, told: "[6,40]"},
		{name: "nothing", tool: toolThat(func() (any, error) { return nil, nil }), call: call("tide", ""), success: true, told: "null"}, //nolint:nilnil // the point
		{name: "an error", tool: toolThat(func() (any, error) { return nil, errTool }), call: call("tide", "{}"), told: "error: the gauge is frozen"},
		{name: "a panic", tool: toolThat(func() (any, error) { panic("secret") }), call: call("tide", "{}"), told: "error: the tool broke down", faults: 1},
		{name: "a result that is no JSON", tool: toolThat(func() (any, error) { return func() {}, nil }), call: call("tide", "{}"), told: "error: its result: json: unsupported type: func()"},
		{name: "an unknown tool", tool: tideTool(), call: call("moon", "{}"), told: `error: there is no tool "moon"`},
		{name: "arguments that are no JSON", tool: tideTool(), call: call("tide", "today"), told: "error: the arguments are not valid JSON"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			rec, b := &recorder{}, script(tc.call, answer("done"))
			s := start(t, session.WithBackend(b), session.WithTools(tc.tool), session.WithSetup(rec.register))
			res, err := s.Instruct(t.Context(), "When is high water?")
			if err != nil || res.Text() != "done" || !res.Success {
				t.Fatalf("got %+v, %v", res, err)
			}
			out := last[*stages.Tool](t, rec, "tool_post_invoke")
			if out.Success() != tc.success || (out.Err() == nil) != tc.success || out.Output() != tc.told || out.Message().Text != tc.told {
				t.Errorf("tool_post_invoke got %q, %t, %v", out.Output(), out.Success(), out.Err())
			}
			m := b.requests()[1].Messages()
			if got := m.At(m.Len() - 1); got.Text != tc.told || got.Role != stages.RoleTool || got.ToolCallID != "call-1" {
				t.Errorf("the model was told %+v", got)
			}
			if asked := m.At(m.Len() - 2); asked.Role != stages.RoleAssistant || asked.ToolCalls.Len() != 1 {
				t.Errorf("before that stands %+v", asked)
			}
			if n := rec.count("error_occurred"); n != tc.faults {
				t.Errorf("error_occurred fired %d times, want %d", n, tc.faults)
			}
		})
	}
}

// Behaviour 39: hooks fire for control-flow tools too, flagged.
func TestControlFlowToolsAreFlagged(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	stop := stages.Callable{Name: "stop", ControlFlow: true, Call: func(context.Context, json.RawMessage) (any, error) { return "ok", nil }}
	s := start(t, session.WithBackend(script(call("stop", ""), answer("done"))), session.WithSetup(rec.register))
	if _, err := s.Instruct(t.Context(), "Stop.", session.Tools(stop)); err != nil {
		t.Fatal(err)
	}
	if !last[*stages.Tool](t, rec, "tool_pre_invoke").ControlFlow() || !last[*stages.Tool](t, rec, "tool_post_invoke").ControlFlow() {
		t.Error("not flagged")
	}
}

func TestToolsOfOneInstruction(t *testing.T) {
	t.Parallel()
	b := script(call("tide", "{}"), answer("done"), answer("done"))
	s := start(t, session.WithBackend(b), session.WithTools(tideTool()))
	mine := tideTool()
	mine.Call = func(context.Context, json.RawMessage) (any, error) { return "mine", nil }
	if _, err := s.Instruct(t.Context(), "one", session.Tools(mine)); err != nil {
		t.Fatal(err)
	}
	if m := b.requests()[1].Messages(); m.At(m.Len()-1).Text != "mine" || b.requests()[0].Tools().Len() != 1 {
		t.Errorf("the session's tool ran: %+v", m)
	}
	if _, err := s.Instruct(t.Context(), "two", session.Tools(stages.Callable{Name: "no function"})); !errors.Is(err, session.ErrOption) {
		t.Errorf("got %v", err)
	}
}

// An answer with two tool calls runs both, in order.
func TestSeveralToolCalls(t *testing.T) {
	t.Parallel()
	b := script(func() (stages.Output, error) {
		return stages.Output{ToolCalls: stages.ListOf(stages.ToolCall{ID: "1", Name: "tide"}, stages.ToolCall{ID: "2", Name: "moon"})}, nil
	}, answer("done"))
	s := start(t, session.WithBackend(b), session.WithTools(tideTool()))
	if _, err := s.Instruct(t.Context(), "When?"); err != nil {
		t.Fatal(err)
	}
	want := "user: When?\nassistant: \ntool: 06:40\ntool: error: there is no tool \"moon\"\nassistant: done"
	if got := strings.Join(texts(s.History()), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Behaviour 37: generation_error sees the error and what there was of an answer, and cannot suppress it.
func TestGenerationErrorSeesThePartialAnswer(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	s := start(t, session.WithSetup(rec.register), session.WithBackend(session.BackendFunc(
		func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			return g.Partial(stages.GenerationResult{Output: stages.Output{Text: "High wa"}, HTTPStatus: 502}), errDown
		})))
	if _, err := s.Instruct(t.Context(), "hello"); err != errDown {
		t.Errorf("got %v", err)
	}
	g := last[*stages.Generation](t, rec, "generation_error")
	if g.Output().Text != "High wa" || g.HTTPStatus() != 502 || g.HasResult() {
		t.Errorf("got %+v", g)
	}
}

// A backend must not change the request, and must give an answer.
func TestBackendThatMisbehaves(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	first := true
	s := start(t, session.WithSetup(rec.register), session.WithBackend(session.BackendFunc(
		func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			if first {
				first = false
				return stages.NewGeneration(stages.Meta{RequestID: "forged"}, stages.GenerationFields{}).Done(stages.GenerationResult{
					Output: stages.Output{Text: "hello"},
				}), nil
			}
			return g, nil
		})))
	res, err := s.Instruct(t.Context(), "hello")
	if err != nil {
		t.Fatal(err)
	}
	if g := last[*stages.Generation](t, rec, "generation_post_call"); g.Meta().RequestID != res.RequestID || g.Messages().Len() != 1 {
		t.Errorf("the request was forged: %+v", g.Meta())
	}
	if _, err := s.Instruct(t.Context(), "hello"); !errors.Is(err, session.ErrNoAnswer) {
		t.Errorf("got %v", err)
	}
}

// A link that answers in the backend's place ends in the same post hooks, and no generation is counted.
func TestShortCircuitPassesThePostHooks(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name          string
		answers, want stages.Source
	}{
		{"from a cache", stages.SourceCache, stages.SourceCache},
		{"from nowhere in particular", "", stages.SourceShortCircuit},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			rec := &recorder{}
			s := start(t, session.WithBackend(script()), session.WithSetup(rec.register))
			if err := answering(ofGeneration, func(g *stages.Generation) *stages.Generation {
				return g.Done(stages.GenerationResult{Output: stages.Output{Text: "cached"}, Source: tc.answers})
			})(s.Pipeline()); err != nil {
				t.Fatal(err)
			}
			res, err := s.Instruct(t.Context(), "hello")
			if err != nil || res.Text() != "cached" {
				t.Fatalf("got %v, %v", res, err)
			}
			if g := last[*stages.Generation](t, rec, "generation_post_call"); g.Source() != tc.want {
				t.Errorf("got source %q", g.Source())
			}
			if rec.count("validation_post_check") != 1 || s.Totals().Generations != 0 {
				t.Errorf("%v, %+v", rec.names(), s.Totals())
			}
		})
	}
	t.Run("the backend itself", func(t *testing.T) {
		t.Parallel()
		rec := &recorder{}
		s := start(t, session.WithBackend(echo()), session.WithSetup(rec.register)) // it says nothing of a source
		if _, err := s.Instruct(t.Context(), "hello"); err != nil {
			t.Fatal(err)
		}
		if g := last[*stages.Generation](t, rec, "generation_post_call"); g.Source() != stages.SourceBackend {
			t.Errorf("got source %q", g.Source())
		}
	})
}

// A retry around the backend is seen by nobody but the backend and error_occurred.
func TestRetryAroundTheBackend(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	s := start(t, session.WithBackend(script(fails(errDown), answer("hello"))), session.WithSetup(rec.register))
	use(t, s.Pipeline().Generation, chain.Around("again", func(next chain.Handler[*stages.Generation]) chain.Handler[*stages.Generation] {
		return func(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
			out, err := next(ctx, g)
			if err != nil {
				return next(context.Background(), g) // a context of its own must not break anything
			}
			return out, nil
		}
	}))
	res, err := s.Instruct(t.Context(), "hello")
	if err != nil || res.Text() != "hello" {
		t.Fatalf("got %v, %v", res, err)
	}
	if rec.count("generation_error") != 0 || rec.count("error_occurred") != 1 || s.Totals().Generations != 2 {
		t.Errorf("%v, %+v", rec.names(), s.Totals())
	}
}
