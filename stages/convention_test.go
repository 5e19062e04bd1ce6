package stages

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/chain"
)

// pipeline is closed at the end of the test.
func pipeline(tb testing.TB, cfg ...PipelineConfig) *Pipeline {
	tb.Helper()
	p := NewPipeline(append(cfg, PipelineConfig{})[0])
	tb.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	return p
}

// everyHook has every method that a plugin can have; see everyhook_gen_test.go.
type everyHook struct{ seen []string }

func saw[P any](e *everyHook, hook string, p P) (P, error) {
	e.seen = append(e.seen, hook)
	return p, nil
}

func sawNext[P any](e *everyHook, hook string, next chain.Handler[P]) chain.Handler[P] {
	return func(ctx context.Context, p P) (P, error) {
		e.seen = append(e.seen, hook)
		return next(ctx, p)
	}
}

// once sends an example through the stage.
func (s stageOf[S, F, R]) once(t *testing.T, p *Pipeline, fail error) {
	t.Helper()
	example, _ := s.changes(false)
	s.send(t, p, example, fail)
}

func (s stageOf[S, F, R]) send(t *testing.T, p *Pipeline, payload *S, fail error) {
	t.Helper()
	_, err := s.chain(p).Then(func(_ context.Context, x *S) (*S, error) { return x, fail })(t.Context(), payload)
	if !errors.Is(err, fail) {
		t.Errorf("error %v, want %v", err, fail)
	}
}

// reports are payloads of the hook points that share a chain.
var reports = map[string]any{
	"streaming_start": NewStreamEvent(Meta{}, StreamEventFields{Phase: StreamStart}),
	"streaming_event": NewStreamEvent(Meta{}, StreamEventFields{Phase: StreamAt}),
	"streaming_end":   NewStreamEvent(Meta{}, StreamEventFields{Phase: StreamEnd}),
	"context_update":  NewHistoryChange(Meta{}, HistoryChangeFields{Kind: ChangeAppend}),
	"context_prune":   NewHistoryChange(Meta{}, HistoryChangeFields{Kind: ChangePrune}),
}

func TestEveryHookByStruct(t *testing.T) {
	for _, h := range HookPoints() {
		t.Run(h.Name+" is the method On"+camel(h.Name), func(t *testing.T) {
			p, e := pipeline(t), &everyHook{}
			if _, err := p.Register(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			var fail error
			if h.Position == chain.KindOnError {
				fail = errors.New("no")
			}
			switch payload := reports[h.Name].(type) {
			case *StreamEvent:
				stageOf[StreamEvent, StreamEventFields, struct{}]{chain: func(p *Pipeline) *chain.Chain[*StreamEvent] { return p.Stream }}.send(t, p, payload, nil)
			case *HistoryChange:
				stageOf[HistoryChange, HistoryChangeFields, struct{}]{chain: func(p *Pipeline) *chain.Chain[*HistoryChange] { return p.HistoryChange }}.send(t, p, payload, nil)
			default:
				stageFor(t, h).(interface {
					once(t *testing.T, p *Pipeline, fail error)
				}).once(t, p, fail)
			}
			var want []string
			for _, o := range HookPoints() {
				switch {
				case o.Chain != h.Chain, reports[h.Name] != nil && o.Name != h.Name:
				case o.Position == chain.KindAfter && fail != nil, o.Position == chain.KindOnError && fail == nil:
				default:
					want = append(want, o.Name)
				}
			}
			want = append(want, "wrap_"+h.Chain, "observe_"+h.Chain)
			slices.Sort(want)
			slices.Sort(e.seen)
			if !slices.Equal(e.seen, want) {
				t.Errorf("the methods of %v ran, want %v", e.seen, want)
			}
		})
	}
}

func TestLinkNames(t *testing.T) {
	p := pipeline(t)
	r, err := p.Register(t.Context(), &everyHook{})
	if err != nil {
		t.Fatal(err)
	}
	links := r.Links()
	if want := len(HookPoints()) + 2*len(ownStages); len(links) != want {
		t.Errorf("%d links, want %d", len(links), want)
	}
	seen := map[string]bool{}
	for _, l := range links {
		if want := "everyHook." + l.Hook; l.Link != want || seen[l.Link] || l.Plugin != "everyHook" {
			t.Errorf("link %+v (again: %v), want the name %s", l, seen[l.Link], want)
		}
		seen[l.Link] = true
	}
}

// Plugins with mistakes.
type (
	hookless      struct{}
	misspelled    struct{ good }
	wrongArgs     struct{}
	wrongPayload  struct{}
	wrongObserver struct{}
	wrongWrap     struct{}
	wrongInit     struct{ good }
	wrongClose    struct{ good }
	panics        struct{ good }
	alsoGood      struct{} //nolint:unused // what is embedded twice is there to be ambiguous
	ambiguously   struct {
		good     //nolint:unused // see alsoGood
		alsoGood //nolint:unused // see alsoGood
	}
	writtenOut   struct{ ambiguously }
	wrongOptions struct{ good }
	oldVersion   struct{ good }
	byPointer    struct{ n int }
	half         struct{ n int }
	nameless     struct{ good }
	innocent     struct{ good }
	good         struct{}
)

func (good) OnToolPreInvoke(_ context.Context, x *Tool) (*Tool, error)             { return x, nil }
func (misspelled) OnGenerationPrecal(context.Context, *Generation)                 {}
func (misspelled) WrapGenerations(n chain.Handler[*Generation]) error              { return nil }
func (misspelled) ObserveTools(context.Context, chain.Outcome[*Tool])              {}
func (wrongArgs) OnGenerationPreCall(*Generation) error                            { return nil }
func (wrongPayload) OnGenerationPreCall(_ context.Context, x *Tool) (*Tool, error) { return x, nil }
func (wrongObserver) OnGenerationError(_ context.Context, g *Generation) error     { return nil }
func (wrongWrap) WrapTool(chain.Handler[*Generation]) chain.Handler[*Generation]   { return nil }
func (wrongInit) Init() error                                                      { return nil }
func (wrongClose) Close(context.Context)                                           {}
func (panics) HookOptions(string) []chain.Option                                   { panic("oh") }
func (alsoGood) OnToolPreInvoke(_ context.Context, x *Tool) (*Tool, error)         { return x, nil } //nolint:unused // see the type
func (ambiguously) OnToolPostInvoke(_ context.Context, x *Tool) (*Tool, error)     { return x, nil }
func (writtenOut) OnToolPreInvoke(_ context.Context, x *Tool) (*Tool, error)       { return x, nil }
func (wrongOptions) HookOptions() []chain.Option                                   { return nil }
func (oldVersion) PayloadVersion() int                                             { return PayloadVersion - 1 }

func (b *byPointer) OnToolPreInvoke(_ context.Context, x *Tool) (*Tool, error) { b.n++; return x, nil }
func (half) OnToolPreInvoke(_ context.Context, x *Tool) (*Tool, error)         { return x, nil }
func (h *half) OnToolPostInvoke(_ context.Context, x *Tool) (*Tool, error)     { h.n++; return x, nil }
func (nameless) Name() string                                                  { return "" }
func (innocent) Once()                                                         {}
func (innocent) Wrapped()                                                      {}
func (innocent) Observer()                                                     {}
func (innocent) Close() error                                                  { return nil }

func TestMistakes(t *testing.T) {
	for name, c := range map[string]struct {
		plugin any
		want   []string // "" says that it is fine
	}{
		"no hooks":                         {&hookless{}, []string{`"hookless"`, "has no hook"}},
		"misspelled hook":                  {&misspelled{}, []string{"OnGenerationPrecal is no hook (did you mean OnGenerationPreCall?)"}},
		"misspelled wrap":                  {&misspelled{}, []string{"WrapGenerations is no hook (did you mean WrapGeneration?)"}},
		"misspelled observe":               {&misspelled{}, []string{"ObserveTools is no hook (did you mean ObserveTool?)"}},
		"other arguments":                  {&wrongArgs{}, []string{"OnGenerationPreCall is a func(*stages.Generation) error", "must be a func(context.Context, *stages.Generation) (*stages.Generation, error)"}},
		"another stage's payload":          {&wrongPayload{}, []string{"OnGenerationPreCall is a func(context.Context, *stages.Tool)"}},
		"a hook for an observer":           {&wrongObserver{}, []string{"OnGenerationError is a func(context.Context, *stages.Generation) error"}},
		"a wrap of another stage":          {&wrongWrap{}, []string{"WrapTool is a func"}},
		"Init without a context":           {&wrongInit{}, []string{"Init is a func() error, it must be a func(context.Context) error"}},
		"Close without an error":           {&wrongClose{}, []string{"Close is a func(context.Context), it must be a func(context.Context) error"}},
		"options that panic":               {&panics{}, []string{"oh"}},
		"a hook of two embedded types":     {&ambiguously{}, []string{"OnToolPreInvoke comes from two embedded types"}},
		"the same, written out":            {&writtenOut{}, nil},
		"HookOptions without a hook":       {&wrongOptions{}, []string{"HookOptions is a func() []chain.Option"}},
		"another version of the payloads":  {&oldVersion{}, []string{`plugin "oldVersion" is written for version 0 of the payloads, this is version 1`}},
		"pointer receivers, given a value": {byPointer{}, []string{"OnToolPreInvoke has a pointer receiver: register a *byPointer"}},
		"some pointer receivers":           {half{}, []string{"OnToolPostInvoke has a pointer receiver"}},
		"an empty name":                    {&nameless{}, []string{"needs a name"}},
		"nil":                              {nil, []string{"nil plugin"}},
		"a nil pointer":                    {(*byPointer)(nil), []string{"nil plugin"}},
		"a nil pointer in a group":         {Group("a", Group("b", (*byPointer)(nil))), []string{"group a/b: nil plugin"}},
		"a number":                         {7, []string{`"int"`, "has no hook"}},
		"a function":                       {func() {}, []string{"needs a name"}},
		"methods that only begin alike":    {&innocent{}, nil},
		"a value":                          {good{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			p := pipeline(t)
			_, err := p.Register(t.Context(), chain.Before("companion", Unchanged[*Tool]), c.plugin)
			if c.want == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil {
				t.Fatal("no error")
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q does not say %q", err, w)
				}
			}
			if p.Active() {
				t.Error("something of it was registered")
			}
		})
	}
}

func TestLetters(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2}, {"same", "same", 0}} {
		if got := letters(c.a, c.b); got != c.want {
			t.Errorf("letters(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
