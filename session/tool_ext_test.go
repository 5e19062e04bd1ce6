package session_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/middleware"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

type tideArgs struct {
	Harbour string   `json:"harbour" jsonschema:"which harbour" enum:"north,south"`
	Day     string   `json:"day,omitempty"`
	Hours   []int8   `json:"hours,omitempty" enum:"6,18"`
	Note    *string  `json:"note,omitempty" enum:"spring,neap"`
	At      struct { // nested
		Depth float64 `json:"depth"`
	} `json:"at,omitzero"`
}

func newTideTool(tb testing.TB, f func(context.Context, tideArgs) (map[string]any, error), opts ...session.ToolOption) stages.Callable {
	tb.Helper()
	if f == nil {
		f = func(_ context.Context, a tideArgs) (map[string]any, error) {
			return map[string]any{a.Harbour: "06:40"}, nil
		}
	}
	c, err := session.NewTool("tide", "When high water is.", f, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func TestNewToolSchema(t *testing.T) {
	t.Parallel()
	const want = `{"type":"object","properties":{` +
		`"harbour":{"type":"string","description":"which harbour","enum":["north","south"]},` +
		`"day":{"type":"string"},` +
		`"hours":{"type":["null","array"],"items":{"type":"integer","enum":[6,18],"minimum":-128,"maximum":127}},` +
		`"note":{"type":["null","string"],"enum":["spring","neap",null]},` +
		`"at":{"type":"object","properties":{"depth":{"type":"number"}},"required":["depth"],"additionalProperties":false}` +
		`},"required":["harbour"],"additionalProperties":false}`
	c := newTideTool(t, nil, nil, session.ControlFlow())
	if c.Parameters != want {
		t.Errorf("got\n%s\nwant\n%s", c.Parameters, want)
	}
	if c.Name != "tide" || c.Description != "When high water is." || !c.ControlFlow || newTideTool(t, nil).ControlFlow {
		t.Errorf("got %+v", c)
	}
}

func TestNewToolMistakes(t *testing.T) {
	t.Parallel()
	ok := func(context.Context, struct{}) (int, error) { return 0, nil }
	tool := func(_ stages.Callable, err error) error { return err }
	for name, err := range map[string]error{
		"no name":      tool(session.NewTool("", "", ok)),
		"no function":  tool(session.NewTool[struct{}, int]("x", "", nil)),
		"no struct":    tool(session.NewTool("x", "", func(context.Context, string) (int, error) { return 0, nil })),
		"no JSON form": tool(session.NewTool("x", "", func(context.Context, struct{ C chan int }) (int, error) { return 0, nil })),
		"an enum of others": tool(session.NewTool("x", "", func(context.Context, struct {
			N int `enum:"1,two"`
		},
		) (int, error) {
			return 0, nil
		})),
		"too large an enum": tool(session.NewTool("x", "", func(context.Context, struct {
			N int8 `enum:"1,200"`
		},
		) (int, error) {
			return 0, nil
		})),
		"no time": tool(session.NewTool("x", "", ok, session.ToolTimeout(0))),
	} {
		if !errors.Is(err, session.ErrOption) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	_, err := session.Start(t.Context(), session.WithBackend(echo()), session.WithTools(stages.Callable{
		Name: "tide", Parameters: `{"type":7}`, Call: tideTool().Call,
	}))
	if !errors.Is(err, session.ErrOption) || !strings.Contains(err.Error(), `tool "tide"`) {
		t.Errorf("parameters that are no schema: got %v", err)
	}
	if _, err := session.Start(t.Context(), session.WithBackend(echo()), session.WithToolConcurrency(0)); !errors.Is(err, session.ErrOption) {
		t.Errorf("no concurrency: got %v", err)
	}
}

// Behaviour 39: arguments that do not fit are the tool's output with success=false. They name the field, and the tool is not
// run; whether the model wrote them or a hook, and whoever made the tool.
func TestToolArguments(t *testing.T) {
	t.Parallel()
	ran := func(context.Context, tideArgs) (map[string]any, error) { return map[string]any{"high": "06:40"}, nil }
	typed := newTideTool(t, ran)
	plain := stages.Callable{Name: "tide", Parameters: typed.Parameters, Call: tideTool().Call}
	for _, tc := range []struct {
		name      string
		arguments stages.JSON
		want      string // what is told, "" where it fits
	}{
		{"fits", `{"harbour":"north","hours":[6],"note":"neap","at":{"depth":2.5}}`, ""},
		{"a field is missing", `{}`, `missing properties: ["harbour"]`},
		{"none at all", "", `missing properties: ["harbour"]`},
		{"another type", `{"harbour":7}`, "/properties/harbour: type"},
		{"none of the enum", `{"harbour":"east"}`, "/properties/harbour: enum"},
		{"none of the items' enum", `{"harbour":"north","hours":[7]}`, "/properties/hours"},
		{"a field of a field", `{"harbour":"north","at":{"depth":"deep"}}`, "/properties/depth"},
		{"a field that is not there", `{"harbour":"north","moon":1}`, `additional properties ["moon"]`},
		{"no object", `["north"]`, "type"},
		{"no JSON", `{"harbour":`, "the arguments are not valid JSON"},
	} {
		for who, tool := range map[string]stages.Callable{"typed": typed, "plain": plain} {
			for how, first := range map[string]stages.JSON{"by the model": tc.arguments, "by a hook": `{"harbour":"north"}`} {
				t.Run(tc.name+", "+who+", "+how, func(t *testing.T) {
					t.Parallel()
					rec := &recorder{}
					s := start(t, session.WithBackend(script(call("tide", first), answer("done"))), session.WithTools(tool), session.WithSetup(rec.register))
					if how == "by a hook" {
						use(t, s.Pipeline().Tool, chain.Before("rewrite", func(_ context.Context, p *stages.Tool) (*stages.Tool, error) {
							return p.WithArguments(tc.arguments), nil
						}))
					}
					if _, err := s.Instruct(t.Context(), "Ask."); err != nil {
						t.Fatal(err)
					}
					post := last[*stages.Tool](t, rec, "tool_post_invoke")
					if post.Success() != (tc.want == "") || !strings.Contains(post.Output(), tc.want) || post.Message().Text != post.Output() {
						t.Errorf("success %v, output %q", post.Success(), post.Output())
					}
					if tc.want == "" || tc.name == "no JSON" {
						return
					}
					var misfit *session.ArgumentsError
					if !errors.As(post.Err(), &misfit) || misfit.Tool != "tide" || !strings.Contains(post.Output(), misfit.Problem) {
						t.Fatalf("got %v", post.Err())
					}
					if strings.Contains(misfit.Error(), "east") || rec.count("error_occurred") != 0 {
						t.Errorf("the error quotes the arguments or was reported: %v", misfit)
					}
				})
			}
		}
	}
}

// A tool that a hook names is looked up among the available ones, and its own parameters count.
func TestToolRenamedByAHook(t *testing.T) {
	t.Parallel()
	clock := stages.Callable{Name: "clock", Parameters: `{"required":["zone"]}`, Call: tideTool().Call}
	for name, want := range map[string]string{
		"clock": `error: the arguments are wrong: required: missing properties: ["zone"]`, "moon": `error: there is no tool "moon"`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := &recorder{}
			s := start(t, session.WithBackend(script(call("tide", `{"harbour":"north"}`), answer("done"))),
				session.WithTools(newTideTool(t, nil), clock), session.WithSetup(rec.register))
			use(t, s.Pipeline().Tool, chain.Before("rewrite", func(_ context.Context, p *stages.Tool) (*stages.Tool, error) { return p.WithName(name), nil }))
			if _, err := s.Instruct(t.Context(), "Ask."); err != nil {
				t.Fatal(err)
			}
			if p := last[*stages.Tool](t, rec, "tool_post_invoke"); p.Success() || p.Output() != want || p.Message().Name != name {
				t.Errorf("got %q of %q", p.Output(), p.Message().Name)
			}
		})
	}
}

// What the function returns, and what becomes of it.
func TestNewToolResults(t *testing.T) {
	t.Parallel()
	got := func(f func(context.Context, tideArgs) (any, error)) stages.ToolRun {
		c, err := session.NewTool("tide", "", f)
		if err != nil {
			t.Fatal(err)
		}
		s := start(t, session.WithBackend(echo()), session.WithTools(c))
		run, err := s.RunTool(t.Context(), "tide", `{"harbour":"north","at":{"depth":2.5}}`)
		if err != nil {
			t.Fatal(err)
		}
		return run
	}
	for _, tc := range []struct {
		name    string
		f       func(context.Context, tideArgs) (any, error)
		output  string
		success bool
	}{
		{"a string", func(_ context.Context, a tideArgs) (any, error) { return a.Harbour, nil }, "north", true},
		{"a value", func(_ context.Context, a tideArgs) (any, error) { return a.At, nil }, `{"depth":2.5}`, true},
		{"an error", func(context.Context, tideArgs) (any, error) { return nil, errors.New("no table") }, "error: no table", false},
		{"a panic", func(context.Context, tideArgs) (any, error) { panic("secret") }, "error: the tool broke down", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if run := got(tc.f); run.Output != tc.output || run.Success != tc.success || run.Call.Name != "tide" {
				t.Errorf("got %+v", run)
			}
		})
	}
}

func TestToolTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rec := &recorder{}
		s := start(t, session.WithBackend(script(call("tide", `{"harbour":"north"}`), answer("done"))), session.WithSetup(rec.register),
			session.WithTools(newTideTool(t, func(ctx context.Context, _ tideArgs) (map[string]any, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}, session.ToolTimeout(time.Second))))
		begun := time.Now()
		res, err := s.Instruct(t.Context(), "Ask.")
		if err != nil || res.Text() != "done" || time.Since(begun) != time.Second {
			t.Fatalf("got %v, %v after %v", res, err, time.Since(begun))
		}
		post := last[*stages.Tool](t, rec, "tool_post_invoke")
		var late *middleware.TimeoutError
		if !errors.As(post.Err(), &late) || late.After != time.Second || !errors.Is(post.Err(), context.DeadlineExceeded) || post.Success() {
			t.Errorf("got %v, %q", post.Err(), post.Output())
		}
	})
}

// Behaviour 39: hooks fire for tools that steer the program too, and are told.
func TestControlFlowTools(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	s := start(t, session.WithBackend(script(call("tide", `{"harbour":"north"}`), call("clock", ""), answer("done"))),
		session.WithTools(newTideTool(t, nil, session.ControlFlow()), stages.Callable{Name: "clock", Call: tideTool().Call}), session.WithSetup(rec.register))
	if _, err := s.Instruct(t.Context(), "Ask."); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range rec.all() {
		if p, ok := e.payload.(*stages.Tool); ok {
			n++
			if p.ControlFlow() != (p.Name() == "tide") || p.Source() != stages.ToolFromModel || p.Available().Len() != 2 {
				t.Errorf("%s: %+v", e.hook, p)
			}
		}
	}
	if n != 4 {
		t.Errorf("%d hooks fired", n)
	}
}

// RunTool is for the program itself: same hooks, same refusals, nothing in the history.
func TestRunTool(t *testing.T) {
	t.Parallel()
	errLink := errors.New("the link is broken")
	for _, tc := range []struct {
		name string
		tool string
		hook chain.Handler[*stages.Tool]
		want stages.ToolRun
		err  error
	}{
		{name: "runs", tool: "tide", want: stages.ToolRun{Output: "06:40", Success: true}},
		{name: "is not there", tool: "moon", want: stages.ToolRun{Output: `error: there is no tool "moon"`}},
		{name: "is refused", tool: "tide", hook: blocking[*stages.Tool], want: stages.ToolRun{Output: "error: it was refused: not here"}},
		{name: "a link fails", tool: "tide", hook: func(context.Context, *stages.Tool) (*stages.Tool, error) { return nil, errLink }, err: errLink},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			rec := &recorder{}
			s := start(t, session.WithBackend(echo()), session.WithTools(tideTool()), session.WithSetup(rec.register))
			if tc.hook != nil {
				use(t, s.Pipeline().Tool, chain.Before("hook", tc.hook))
			}
			got, err := s.RunTool(t.Context(), tc.tool, `{"day":"today"}`)
			if tc.err == nil {
				tc.want.Call = stages.ToolCall{Name: tc.tool, Arguments: `{"day":"today"}`}
			}
			if got != tc.want || !errors.Is(err, tc.err) || s.History().Len() != 0 {
				t.Errorf("got %+v, %v; want %+v", got, err, tc.want)
			}
			if faults := rec.count("error_occurred"); (faults == 1) != (tc.err != nil) {
				t.Errorf("%d faults", faults)
			}
			if tc.hook == nil && last[*stages.Tool](t, rec, "tool_pre_invoke").Source() != stages.ToolFromCode {
				t.Error("the source is not the program")
			}
		})
	}
}

// What tools an answer took is known to its checks, to those of Validate too; not those of an earlier attempt.
func TestToolUseRequirements(t *testing.T) {
	t.Parallel()
	b := script(call("tide", `{"harbour":"north"}`), answer("a"), call("tide", `{"harbour":"east"}`), answer("b"), answer("c"))
	s := start(t, session.WithBackend(b), session.WithTools(newTideTool(t, nil)))
	var runs []stages.ToolRun
	see := stages.Requirement{Description: "x", Check: func(_ context.Context, o stages.Target) (stages.Verdict, error) {
		runs = append(runs, o.Tools.Slice()...)
		return stages.Verdict{Ruling: stages.Fail}, nil
	}}
	res, err := s.Instruct(t.Context(), "Ask.", session.Require(session.MustUse("tide"), session.MustNotUse("tide"), see))
	if err != nil {
		t.Fatal(err)
	}
	passes := stages.Verdict{Ruling: stages.Pass}
	fails := func(reason string) stages.Verdict { return stages.Verdict{Ruling: stages.Fail, Reason: reason} }
	for i, want := range [][2]stages.Verdict{
		{passes, fails("the tool tide was used")},
		{fails("the tool tide was asked for, but without success"), fails("the tool tide was used")},
		{fails("the tool tide was not used"), passes},
	} {
		for j := range want {
			if got := res.Attempts.At(i).Findings.At(j).Verdict; got != want[j] {
				t.Errorf("attempt %d, requirement %d: %+v, want %+v", i+1, j+1, got, want[j])
			}
		}
	}
	if len(runs) != 2 || runs[0].Output != `{"north":"06:40"}` || !runs[0].Success || runs[1].Success ||
		runs[0].Call != (stages.ToolCall{ID: "call-1", Name: "tide", Arguments: `{"harbour":"north"}`}) {
		t.Errorf("got %+v", runs)
	}
	// The answer that was kept is the last one of those that fulfil one.
	if rep, err := s.Validate(t.Context(), session.MustUse("tide"), session.MustNotUse("tide")); err != nil || rep.Findings.At(0).Verdict.Passed() || !rep.Findings.At(1).Verdict.Passed() {
		t.Errorf("got %+v, %v", rep, err)
	}
	if _, err := s.Instruct(t.Context(), "Ask again."); !errors.Is(err, errScript) {
		t.Fatal(err)
	}
	b.mu.Lock()
	b.steps = []step{call("tide", `{"harbour":"south"}`), answer("d")}
	b.mu.Unlock()
	if _, err := s.Instruct(t.Context(), "And again."); err != nil {
		t.Fatal(err)
	}
	if rep, err := s.Validate(t.Context(), session.MustUse("tide")); err != nil || !rep.Passed {
		t.Errorf("got %+v, %v", rep, err)
	}
}
