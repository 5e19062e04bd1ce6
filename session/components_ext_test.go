package session_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// limerick is a user's own component.
type limerick struct{ about string }

func (limerick) Kind() string { return "" }
func (limerick) Name() string { return "five lines" }
func (l limerick) Messages() ([]stages.Message, error) {
	return []stages.Message{{Role: stages.RoleUser, Text: "A limerick about " + l.about}}, nil
}

type tideIn struct {
	Harbour string `json:"harbour"`
	Days    []int  `json:"days"`
}

type tideOut struct {
	Time string `json:"time"`
	High bool   `json:"high"`
}

var tideSlot = session.NewSlot[tideIn, tideOut]("tide", "When is high water in {{.harbour}}?")

// componentForms are the two ways to run a component.
var componentForms = []struct {
	name string
	on   func(tb testing.TB, b session.Backend, h stages.History, p *stages.Pipeline) session.Caller
}{
	{"in a session", func(tb testing.TB, b session.Backend, h stages.History, p *stages.Pipeline) session.Caller {
		tb.Helper()
		return start(tb, session.WithBackend(b), session.WithHistory(h), session.WithPipeline(p))
	}},
	{"without one", func(_ testing.TB, b session.Backend, h stages.History, p *stages.Pipeline) session.Caller {
		return session.On(b, h, session.WithPipeline(p))
	}},
}

// componentKinds are all kinds of component.
var componentKinds = []struct {
	kind, name string
	run        func(ctx context.Context, on session.Caller) (*session.Result, error)
	answer     string
	want       string // what the model is asked
	input      string // the description of the Create
}{
	{
		"Instruction", "", func(ctx context.Context, on session.Caller) (*session.Result, error) {
			return on.Instruct(ctx, "Write about the tide.")
		},
		"Water comes.", "Write about the tide.", "Write about the tide.",
	},
	{
		"Message", "hi", func(ctx context.Context, on session.Caller) (*session.Result, error) {
			return on.Chat(ctx, "Good morning, {{.you}}.", session.Name("hi"))
		},
		"Good morning.", "Good morning, {{.you}}.", "Good morning, {{.you}}.",
	},
	{
		"Query", "", func(ctx context.Context, on session.Caller) (*session.Result, error) {
			return on.Query(ctx, tideOut{"06:40", true}, "Is this early?")
		},
		"Yes.", "Is this early?\n\nThe question is about this:\n{\n  \"time\": \"06:40\",\n  \"high\": true\n}", "Is this early?",
	},
	{
		"Transform", "", func(ctx context.Context, on session.Caller) (*session.Result, error) {
			out, res, err := session.Transform(ctx, on, tideOut{"06:40", true}, "One hour later.")
			if want := (tideOut{"07:40", true}); err == nil && out != want {
				err = fmt.Errorf("got %+v, want %+v", out, want)
			}
			return res, err
		},
		`{"time":"07:40","high":true}`,
		"One hour later.\n\nChange this and answer with the whole result:\n{\n  \"time\": \"06:40\",\n  \"high\": true\n}", "One hour later.",
	},
	{
		"GenerativeSlot", "tide", func(ctx context.Context, on session.Caller) (*session.Result, error) {
			out, res, err := tideSlot.Result(ctx, on, tideIn{"the {{north}}", []int{1, 2}})
			if want := (tideOut{"06:40", true}); err == nil && out != want {
				err = fmt.Errorf("got %+v, want %+v", out, want)
			}
			return res, err
		},
		`{"time":"06:40","high":true}`,
		"When is high water in the {{north}}?\n\nArgument harbour:\nthe {{north}}\n\nArgument days:\n[1,2]",
		"When is high water in {{.harbour}}?",
	},
	{
		"limerick", "five lines", func(ctx context.Context, on session.Caller) (*session.Result, error) {
			return on.Act(ctx, limerick{"a pier"})
		},
		"There was", "A limerick about a pier", "",
	},
}

// blockPlugin counts the generations of the calls made in its block.
type blockPlugin struct {
	mu    sync.Mutex
	kinds []string
}

func (b *blockPlugin) OnGenerationPreCall(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kinds = append(b.kinds, g.Meta().ComponentKind)
	return g, nil
}

// Behaviour 37: whatever the component is, and with a session or without, the same hooks fire, those of the process and
// those of a block, and the history grows by the turn.
func TestComponentsFireAllHooks(t *testing.T) {
	t.Parallel()
	want := []string{
		"component_pre_create", "component_post_create", "component_pre_execute", "sampling_loop_start",
		"generation_pre_call", "generation_post_call", "validation_pre_check", "validation_post_check", "sampling_iteration",
		"sampling_loop_end", "component_post_success", "context_update",
	}
	for _, form := range componentForms {
		for _, tc := range componentKinds {
			t.Run(form.name+"/"+tc.kind, func(t *testing.T) {
				t.Parallel()
				rec, p := &recorder{}, stages.NewPipeline(stages.PipelineConfig{})
				if err := rec.register(p); err != nil { // process-wide
					t.Fatal(err)
				}
				b, past := script(answer(tc.answer)), stages.NewHistory(stages.Message{Role: stages.RoleSystem, Text: "Be brief."})
				on := form.on(t, b, past, p)
				in := &blockPlugin{}
				ctx, release, err := stages.WithPlugins(t.Context(), in)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = release() }()

				res, err := tc.run(ctx, on)
				if err != nil || !res.Success || res.Text() != tc.answer {
					t.Fatalf("got %+v, %v", res, err)
				}
				got := slices.DeleteFunc(rec.names(), func(h string) bool { return strings.HasPrefix(h, "session_") })
				if !slices.Equal(got, want) {
					t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
				}
				if !slices.Equal(in.kinds, []string{tc.kind}) {
					t.Errorf("the block's plugin saw %v", in.kinds)
				}
				for _, e := range rec.all() {
					if e.meta.ComponentKind != tc.kind && !strings.HasPrefix(e.hook, "session_") || e.meta.ComponentName != tc.name && e.hook != "session_pre_init" && e.hook != "session_post_init" {
						t.Errorf("%s: %q %q", e.hook, e.meta.ComponentKind, e.meta.ComponentName)
					}
				}
				if c := last[*stages.Create](t, rec, "component_post_create"); c.Kind() != tc.kind || c.Description() != tc.input {
					t.Errorf("created: %q, %q", c.Kind(), c.Description())
				}
				asked := b.requests()[0].Messages()
				if q := asked.At(1); asked.Len() != 2 || q.Text != tc.want || q.Role != stages.RoleUser {
					t.Errorf("the model is asked %q, want %q", q.Text, tc.want)
				}
				if got, want := texts(res.History), []string{"system: Be brief.", "user: " + tc.want, "assistant: " + tc.answer}; !slices.Equal(got, want) {
					t.Errorf("history %q, want %q", got, want)
				}
				if s, ok := on.(*session.Session); ok {
					rec.checkIDs(t, s.ID(), res.RequestID)
					if !s.History().Same(res.History) {
						t.Error("the session has another history than the result")
					}
					return
				}
				rec.checkIDs(t, "", res.RequestID)
			})
		}
	}
}

// seenByProcess counts what stages.Default runs for one backend.
type seenByProcess struct {
	backend string
	mu      sync.Mutex
	kinds   []string
}

func (s *seenByProcess) OnGenerationPostCall(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g.Backend().Name == s.backend {
		s.kinds = append(s.kinds, g.Meta().ComponentKind)
	}
	return g, nil
}

// namedEcho has a name of its own, so that tests that share stages.Default tell each other apart.
type namedEcho struct {
	session.Backend
	name string
}

func (e namedEcho) Describe() stages.Backend { return stages.Backend{Name: e.name} }

// The package's functions run what is registered in stages.Default and in the block, and each goes on from its history.
func TestComponentFunctionsWithoutASession(t *testing.T) { //nolint:paralleltest // it registers in stages.Default
	b := namedEcho{echo(), t.Name()}
	process, block := &seenByProcess{backend: b.name}, &blockPlugin{}
	reg, err := stages.Default.Register(t.Context(), process)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := reg.Remove(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	ctx, release, err := stages.WithPlugins(t.Context(), block)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = release() }()

	var h stages.History
	for _, f := range []func() (*session.Result, error){
		func() (*session.Result, error) { return session.Instruct(ctx, b, h, "a") },
		func() (*session.Result, error) { return session.Chat(ctx, b, h, "b") },
		func() (*session.Result, error) { return session.Query(ctx, b, h, "v", "c") },
		func() (*session.Result, error) { return session.Act(ctx, b, h, limerick{"d"}) },
		func() (*session.Result, error) {
			_, res, err := session.Transform(ctx, session.On(b, h), any("e"), "x", session.LoopBudget(1))
			return res, err
		},
	} {
		res, err := f()
		if de := (*session.DecodeError)(nil); errors.As(err, &de) { // an echo is no JSON
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		h = res.History
	}
	kinds := []string{"Instruction", "Message", "Query", "limerick", "Transform"}
	if !slices.Equal(process.kinds, kinds) || !slices.Equal(block.kinds, kinds) {
		t.Errorf("the process saw %v, the block %v", process.kinds, block.kinds)
	}
	if h.Len() != 8 {
		t.Errorf("history %q", texts(h))
	}
}

// Options that a component has no place for are refused by name.
func TestComponentOptionsWithoutAPlace(t *testing.T) {
	t.Parallel()
	options := map[string]session.InstructOption{
		"Name": session.Name("n"), "Images": session.Images(stages.Image{URL: "https://harbour.example/a.png"}),
		"Require": session.Require(session.Check("x", pass)), "Examples": session.Examples("e"),
		"Grounding": session.Grounding(stages.ContextItem{Text: "g"}), "Variable": session.Variable("k", "v"),
		"Prefix": session.Prefix("p"), "LoopBudget": session.LoopBudget(2), "nil": nil,
	}
	for _, tc := range []struct {
		kind  string
		takes []string
		run   func(on session.Caller, o session.InstructOption) (*session.Result, error)
	}{
		{"Message", []string{"Name", "Images"}, func(on session.Caller, o session.InstructOption) (*session.Result, error) {
			return on.Chat(t.Context(), "hello", o)
		}},
		{"Query", []string{"Name"}, func(on session.Caller, o session.InstructOption) (*session.Result, error) {
			return on.Query(t.Context(), "v", "hello", o)
		}},
		{"Transform", []string{"Name"}, func(on session.Caller, o session.InstructOption) (*session.Result, error) {
			_, res, err := session.Transform(t.Context(), on, "v", "hello", o)
			return res, err
		}},
		{"limerick", []string{"Require"}, func(on session.Caller, o session.InstructOption) (*session.Result, error) {
			return on.Act(t.Context(), limerick{"a"}, o)
		}},
		{
			"GenerativeSlot",
			[]string{"Name", "Images", "Require", "Examples", "Grounding", "Variable", "Prefix"},
			func(on session.Caller, o session.InstructOption) (*session.Result, error) {
				_, res, err := session.NewSlot[string, string]("s", "d").Result(t.Context(), on, "v", o)
				return res, err
			},
		},
	} {
		for name, o := range options {
			t.Run(tc.kind+"/"+name, func(t *testing.T) {
				b := script(answer(`{"value":"x"}`))
				_, err := tc.run(session.On(b, stages.History{}), o)
				if slices.Contains(append(tc.takes, "LoopBudget", "nil"), name) {
					if err != nil {
						t.Error(err)
					}
					return
				}
				if !errors.Is(err, session.ErrOption) || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), tc.kind) || len(b.requests()) > 0 {
					t.Errorf("got %v after %d requests", err, len(b.requests()))
				}
			})
		}
	}
}

// A user's own component is validated and repaired like any other, without a line of its own.
func TestComponentOfAUserIsRepaired(t *testing.T) {
	t.Parallel()
	for _, form := range componentForms {
		t.Run(form.name, func(t *testing.T) {
			t.Parallel()
			b := script(answer("no"), answer("a pier"))
			rec, p := &recorder{}, stages.NewPipeline(stages.PipelineConfig{})
			if err := rec.register(p); err != nil {
				t.Fatal(err)
			}
			res, err := form.on(t, b, stages.History{}, p).Act(t.Context(), limerick{"a pier"},
				session.Require(mentions("pier")), session.Using(session.TemplateRepair{LoopBudget: 2}))
			if err != nil || !res.Success || rec.count("sampling_repair") != 1 {
				t.Fatalf("got %+v, %v", res, err)
			}
			if got := b.requests()[1].Messages().At(0).Text; !strings.HasPrefix(got, "A limerick about a pier\n\nAn earlier") {
				t.Errorf("repaired by %q", got)
			}
		})
	}
}

// No component at all, and one that breaks, are errors of the call.
func TestComponentOfAUserBreaks(t *testing.T) {
	t.Parallel()
	for _, form := range componentForms {
		for _, tc := range []struct {
			name   string
			action stages.Action
			want   string
		}{
			{"nil", nil, "no component"},
			{"a nil pointer", (*session.Instruction)(nil), "no component"},
			{"Kind panics", &treacherous{kind: 1}, "in Kind"},
			{"Name panics", &treacherous{name: 1}, "in Name"},
			{"Messages panics", &treacherous{messages: 1}, "in Messages"},
		} {
			t.Run(form.name+"/"+tc.name, func(t *testing.T) {
				t.Parallel()
				p := stages.NewPipeline(stages.PipelineConfig{})
				_, err := form.on(t, script(answer("x")), stages.History{}, p).Act(t.Context(), tc.action)
				if err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("got %v", err)
				}
			})
		}
	}
}

// An Instruction that was made beforehand is created once more, so that hooks and options reach it.
func TestComponentInstructionBeforehand(t *testing.T) {
	t.Parallel()
	b := script(answer("x"))
	s := start(t, session.WithBackend(b), session.WithSetup(rewriteIn(ofCreate, func(c *stages.Create) *stages.Create {
		return c.WithDescription(c.Description() + "!")
	})))
	made, err := session.NewInstruction(session.InstructionSpec{
		Name: "n", Description: "Greet {{.who}}", Prefix: "Dear", Variables: stages.MapOf(map[string]string{"who": "me"}),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Act(t.Context(), made, session.Examples("Dear you")); err != nil {
		t.Fatal(err)
	}
	got := b.requests()[0]
	want := "Greet me!\n\nExample 1 of a good answer:\nDear you\n\nBegin the answer with exactly this text and continue it:\nDear"
	if q := got.Messages().At(0).Text; q != want || got.Action().Name() != "n" {
		t.Errorf("asked %q", q)
	}
}

// A hook of a call without a session reaches the model of that call.
func TestComponentHookCallsTheModel(t *testing.T) {
	t.Parallel()
	for _, form := range componentForms {
		t.Run(form.name, func(t *testing.T) {
			t.Parallel()
			b, p := script(answer("inner"), answer("outer")), stages.NewPipeline(stages.PipelineConfig{})
			var inner stages.Output
			use(t, p.Create, chain.Before("ask", func(ctx context.Context, c *stages.Create) (*stages.Create, error) {
				var err error
				inner, err = stages.From(ctx).Generate(ctx, []stages.Message{{Role: stages.RoleUser, Text: "psst"}}, stages.ModelOptions{})
				return c, err
			}))
			res, err := form.on(t, b, stages.History{}, p).Chat(t.Context(), "hello")
			if err != nil || res.Text() != "outer" || inner.Text != "inner" {
				t.Fatalf("got %v, %v and %q", res, err, inner.Text)
			}
			if m := b.requests()[0].Meta(); m.ParentRequestID != res.RequestID {
				t.Errorf("the parent is %q, want %q", m.ParentRequestID, res.RequestID)
			}
		})
	}
}

// What cannot work without a session is an error of each call.
func TestComponentOnMisuse(t *testing.T) {
	t.Parallel()
	b := echo()
	for _, tc := range []struct {
		name string
		on   session.Caller
		want error
	}{
		{"no backend", session.On(nil, stages.History{}), session.ErrNoBackend},
		{"no function", session.On(session.BackendFunc(nil), stages.History{}), session.ErrNoBackend},
		{"plugins", session.On(b, stages.History{}, session.WithPlugins(&blockPlugin{})), session.ErrOption},
		{"setup", session.On(b, stages.History{}, session.WithSetup(func(*stages.Pipeline) error { return nil })), session.ErrOption},
		{"an invalid option", session.On(b, stages.History{}, session.WithHistoryKind("x")), session.ErrOption},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if _, err := tc.on.Chat(t.Context(), "hello"); !errors.Is(err, tc.want) {
				t.Errorf("got %v", err)
			}
		})
	}
	if _, err := session.On(b, stages.History{}).Chat(nil, "hello"); !errors.Is(err, session.ErrOption) { //nolint:staticcheck // what is tested
		t.Errorf("a nil context: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := session.Chat(ctx, b, stages.History{}, "hello"); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled context: %v", err)
	}
}

// Calls without a session that overlap know nothing of each other.
func TestComponentCallsApart(t *testing.T) {
	t.Parallel()
	const n = 64
	var g sync.WaitGroup
	for i := range n {
		g.Go(func() {
			h := stages.NewHistory(stages.Message{Role: stages.RoleSystem, Text: fmt.Sprint(i)})
			for range 10 {
				res, err := session.Chat(t.Context(), echo(), h, fmt.Sprint("hello ", i))
				if err != nil {
					t.Error(err)
					return
				}
				h = res.History
			}
			if got := texts(h); len(got) != 21 || got[20] != fmt.Sprint("assistant: hello ", i) || got[0] != fmt.Sprint("system: ", i) {
				t.Errorf("call %d: %q", i, got)
			}
		})
	}
	g.Wait()
}

// Validate without a session checks the answer that the history ends with.
func TestComponentValidateApart(t *testing.T) {
	t.Parallel()
	user, said := stages.Message{Role: stages.RoleUser, Text: "q"}, stages.Message{Role: stages.RoleAssistant, Text: "the tide"}
	system := stages.Message{Role: stages.RoleSystem, Text: "s"}
	for _, tc := range []struct {
		name    string
		history stages.History
		want    error
	}{
		{"an answer", stages.NewHistory(system, user, said), nil},
		{"nothing", stages.History{}, session.ErrNoOutput},
		{"a question", stages.NewHistory(said, user), session.ErrNoOutput},
		{"an answer to nobody", stages.NewHistory(said), session.ErrNoOutput},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var target stages.Target
			q := stages.Requirement{Description: "see", Check: func(_ context.Context, t stages.Target) (stages.Verdict, error) {
				target = t
				return stages.Verdict{Ruling: stages.Fail}, nil
			}}
			rep, err := session.Validate(t.Context(), echo(), tc.history, q)
			if tc.want != nil {
				if !errors.Is(err, tc.want) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil || rep.Passed || rep.Findings.Len() != 1 {
				t.Fatalf("got %+v, %v", rep, err)
			}
			m, err := target.Action.Messages()
			if err != nil || m[0].Text != "q" || target.Output.Text != "the tide" || !slices.Equal(texts(target.History), []string{"system: s"}) {
				t.Errorf("checked %+v, %v, %v", target, m, err)
			}
		})
	}
	if _, err := session.Validate(t.Context(), nil, stages.History{}); !errors.Is(err, session.ErrNoBackend) {
		t.Errorf("got %v", err)
	}
}
