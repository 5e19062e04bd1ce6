package stages

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/maillon-go/maillon/chain"
)

// thought is the payload of a stage that nobody but its user knows.
type thought struct {
	text     string
	Score    float64
	sources  []string
	callback func()
	meta     *Meta
}

var thinking = func() *Stage[thought] {
	s, err := AddHook[thought](
		HookPoint{Name: "react_pre_reasoning", Chain: "react", Position: chain.KindBefore, Writable: []string{"text"}},
		HookPoint{Name: "react_post_reasoning", Chain: "react", Position: chain.KindAfter, Writable: []string{"score", "sources"}},
		HookPoint{Name: "react_error", Chain: "react", Position: chain.KindOnError},
	)
	if err != nil {
		panic(err)
	}
	return s
}()

func think(p *Pipeline) chain.Handler[*thought] {
	return Bind(p, thinking.In(p), func(_ context.Context, x *thought) (*thought, error) {
		if x.text == "fail" {
			return nil, errBroken
		}
		return x, nil
	})
}

func TestCustomPolicy(t *testing.T) {
	f := func() {}
	old := &thought{text: "old", Score: 1, sources: []string{"a"}, callback: f, meta: &Meta{}}
	change := func(ch func(*thought)) chain.Handler[*thought] {
		return func(_ context.Context, x *thought) (*thought, error) {
			n := *x
			ch(&n)
			return &n, nil
		}
	}
	all := change(func(n *thought) { n.text, n.Score, n.sources, n.meta = "new", 2, []string{"b"}, nil })
	for _, c := range []struct {
		name   string
		plugin any
		want   thought
		logged []string
	}{
		{"before", At("react", chain.Before("x", all)), thought{"new", 1, []string{"a"}, f, old.meta}, []string{"score", "sources", "meta"}},
		{"after", At("react", chain.After("x", all)), thought{"old", 2, []string{"b"}, f, old.meta}, []string{"text", "meta"}},
		{"less than allowed", With(At("react", chain.After("x", all))).Writable("react_post_reasoning", "score"), thought{"old", 2, []string{"a"}, f, old.meta}, []string{"text", "meta", "sources"}},
		{"equal values are no change", At("react", chain.After("x", change(func(n *thought) { n.sources = []string{"a"}; n.Score = 3 }))), thought{"old", 3, []string{"a"}, f, old.meta}, nil},
		{"by struct", &thinker{all}, thought{"new", 1, []string{"a"}, f, old.meta}, []string{"score", "sources", "meta"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			core, logs := observer.New(zap.WarnLevel)
			p := pipeline(t, PipelineConfig{Logger: zap.New(core)})
			register(t, p, c.plugin)
			out, err := think(p)(t.Context(), old)
			if err != nil {
				t.Fatal(err)
			}
			if out.text != c.want.text || out.Score != c.want.Score || !slices.Equal(out.sources, c.want.sources) || out.meta != c.want.meta || out.callback == nil {
				t.Errorf("got %+v, want %+v", out, c.want)
			}
			var logged []string
			for _, l := range logs.All() {
				logged = append(logged, strs(l.ContextMap()["fields"])...)
			}
			slices.Sort(logged)
			if want := slices.Sorted(slices.Values(c.logged)); !slices.Equal(logged, want) {
				t.Errorf("logged %v, want %v", logged, want)
			}
		})
	}
}

// thinker is a plugin for the custom stage.
type thinker struct{ f chain.Handler[*thought] }

func (x *thinker) OnReactPreReasoning(ctx context.Context, p *thought) (*thought, error) {
	return x.f(ctx, p)
}

// misthinker has methods that only look like it.
type misthinker struct{}

func (misthinker) OnReactReasoning(_ context.Context, p *thought) (*thought, error) { return p, nil }

func (misthinker) WrapReact(chain.Handler[*Tool]) chain.Handler[*Tool] { return nil }

// allThoughts has every method of the custom stage.
type allThoughts struct{ everyHook }

func (a *allThoughts) Name() string { return "all" }

func (a *allThoughts) OnReactPreReasoning(_ context.Context, p *thought) (*thought, error) {
	return saw(&a.everyHook, "react_pre_reasoning", p)
}

func (a *allThoughts) OnReactPostReasoning(_ context.Context, p *thought) (*thought, error) {
	return saw(&a.everyHook, "react_post_reasoning", p)
}

func (a *allThoughts) OnReactError(_ context.Context, o chain.Outcome[*thought]) {
	_, _ = saw(&a.everyHook, "react_error", o.Payload)
}

func (a *allThoughts) WrapReact(next chain.Handler[*thought]) chain.Handler[*thought] {
	return sawNext(&a.everyHook, "wrap_react", next)
}

func (a *allThoughts) ObserveReact(_ context.Context, o chain.Outcome[*thought]) {
	_, _ = saw(&a.everyHook, "observe_react", o.Payload)
}

func TestCustomStage(t *testing.T) {
	t.Run("every hook by struct", func(t *testing.T) {
		p, a := pipeline(t), &allThoughts{}
		register(t, p, a)
		_, _ = think(p)(t.Context(), &thought{})
		if want := []string{"react_pre_reasoning", "wrap_react", "react_post_reasoning", "observe_react"}; !slices.Equal(a.seen, want) {
			t.Errorf("ran %v, want %v", a.seen, want)
		}
		a.seen = nil
		if _, err := think(p)(t.Context(), &thought{text: "fail"}); !errors.Is(err, errBroken) {
			t.Errorf("error %v", err)
		}
		if want := []string{"react_pre_reasoning", "wrap_react", "react_error", "observe_react"}; !slices.Equal(a.seen, want) {
			t.Errorf("ran %v, want %v", a.seen, want)
		}
	})
	t.Run("scopes, blocks, Explain, Stats, Active, tracer and Close", func(t *testing.T) {
		p := NewPipeline(PipelineConfig{})
		s := scopeOf(t, p)
		look := func(name string) any { return At("react", chain.Before(name, Unchanged[*thought])) }
		register(t, p, look("process"))
		if !p.Active() || !s.Active() || scopeOf(t, p).Explain()[17].Chain != "react" {
			t.Error("a scope does not know the stage of its parent")
		}
		register(t, s, look("session"))
		ctx, _ := enter(t.Context(), t, look("block"))
		var seen []string
		p.WithTracer(scopeTracer{&seen})
		call := think(s)
		if _, err := call(ctx, &thought{}); err != nil {
			t.Fatal(err)
		}
		if want := []string{"process/process", "session/session", "block/block"}; !slices.Equal(seen, want) {
			t.Errorf("traced %v, want %v", seen, want)
		}
		if text := s.Explain().String(); !strings.Contains(text, "chain react") || !strings.Contains(text, "session/session") {
			t.Errorf("got\n%s", text)
		}
		if stats := s.Stats(); len(stats) != 18 || len(stats[17].Links) != 2 {
			t.Errorf("got %v", stats)
		}
		if _, err := p.Register(t.Context(), &misthinker{}); err == nil ||
			!strings.Contains(err.Error(), "OnReactReasoning is no hook (did you mean OnReactPreReasoning?)") || !strings.Contains(err.Error(), "WrapReact is a func") {
			t.Errorf("error %v", err)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := call(t.Context(), &thought{}); !errors.Is(err, chain.ErrClosed) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("a closed pipeline", func(t *testing.T) {
		p := NewPipeline(PipelineConfig{})
		s := scopeOf(t, p)
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
		for _, q := range []*Pipeline{s, p} {
			if _, err := think(q)(t.Context(), &thought{}); !errors.Is(err, chain.ErrClosed) {
				t.Errorf("error %v", err)
			}
		}
	})
	t.Run("the table stays as it is", func(t *testing.T) {
		if _, ok := LookupHook("react_pre_reasoning"); ok {
			t.Error("it is in the table")
		}
		hooks := CustomHooks()
		if len(hooks) == 0 || hooks[0].Name != "react_pre_reasoning" || hooks[0].Payload != "stages.thought" ||
			!slices.Equal(hooks[0].Carries, []string{"text", "score", "sources", "callback", "meta"}) {
			t.Errorf("got %+v", hooks)
		}
	})
}

func TestCustomMistakes(t *testing.T) {
	type notStruct int
	add := func(hooks ...HookPoint) error { _, err := AddHook[thought](hooks...); return err }
	_, notStructErr := AddHook[notStruct](HookPoint{Name: "own"})
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"no hook point":              {add(), "without a hook point"},
		"no name":                    {add(HookPoint{}), `the name ""`},
		"a name that is none":        {add(HookPoint{Name: "Own"}), `the name "Own"`},
		"a hook that is there":       {add(HookPoint{Name: "tool_pre_invoke"}), `"tool_pre_invoke" is there already`},
		"a chain that is there":      {add(HookPoint{Name: "own", Chain: "tool"}), `the chain "tool" is there already`},
		"a custom one that is there": {add(HookPoint{Name: "react_error", Chain: "own"}), `"react_error" is there already`},
		"one hook twice":             {add(HookPoint{Name: "own"}, HookPoint{Name: "own", Chain: "own"}), `"own" is there already`},
		"two chains":                 {add(HookPoint{Name: "own", Chain: "a"}, HookPoint{Name: "own_too", Chain: "b"}), `the chains "a" and "b"`},
		"a field that is none":       {add(HookPoint{Name: "own", Writable: []string{"txt"}}), `stages.thought has no field "txt" (did you mean text?)`},
		"a report that writes":       {add(HookPoint{Name: "own", Position: chain.KindObserve, Writable: []string{"text"}}), "not at observe"},
		"no struct":                  {notStructErr, "must be a pointer to a struct"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, c.err, c.want)
		}
	}
}

var (
	errBroken = errors.New("broken")
	question  = NewGeneration(Meta{}, GenerationFields{Messages: ListOf(Message{Text: "question"})})
)

// wrapping is a plugin with one method, which is a function of the test.
type wrapping struct{ f chain.Middleware[*Generation] }

func (x *wrapping) WrapGeneration(next chain.Handler[*Generation]) chain.Handler[*Generation] {
	return x.f(next)
}
