package stages

import (
	"context"
	"errors"
	"slices"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/maillon-go/maillon/chain"
)

// generate runs one generation through a pipeline with the given links and backend.
func generate(t *testing.T, in *Generation, backend chain.Handler[*Generation], links ...chain.Link[*Generation]) (out *Generation, discarded []string, err error) {
	t.Helper()
	core, logs := observer.New(zapcore.DebugLevel)
	p := NewPipeline(PipelineConfig{Logger: zap.New(core)})
	if _, err := p.Generation.Use(links...); err != nil {
		t.Fatal(err)
	}
	out, err = p.Generation.Then(backend)(t.Context(), in)
	for _, e := range logs.All() {
		discarded = append(discarded, strs(e.ContextMap()["fields"])...)
	}
	return out, discarded, err
}

func answer(text string) chain.Handler[*Generation] {
	return func(_ context.Context, g *Generation) (*Generation, error) {
		return g.Done(GenerationResult{Output: Output{Text: text, Usage: Usage{OutputTokens: 7}}, Source: SourceBackend}), nil
	}
}

var ask = NewGeneration(Meta{RequestID: "r1", CorrelationID: "c1"}, GenerationFields{
	Messages: ListOf(Message{Role: RoleUser, Text: "hello"}), Backend: Backend{Name: "b"},
})

func TestResults(t *testing.T) {
	cached := GenerationResult{Output: Output{Text: "cached", Usage: Usage{OutputTokens: 3}, Model: "m"}, Source: SourceCache}
	around := func(f func(ctx context.Context, g *Generation, next chain.Handler[*Generation]) (*Generation, error)) chain.Link[*Generation] {
		return chain.Around("around", func(next chain.Handler[*Generation]) chain.Handler[*Generation] {
			return func(ctx context.Context, g *Generation) (*Generation, error) { return f(ctx, g, next) }
		})
	}
	for _, tc := range []struct {
		name      string
		backend   chain.Handler[*Generation]
		link      chain.Link[*Generation]
		text      string
		source    Source
		tokens    int
		discarded []string
	}{
		{
			name: "an Around that answers instead gives the whole result", backend: answer("no"),
			link: around(func(_ context.Context, g *Generation, _ chain.Handler[*Generation]) (*Generation, error) {
				return g.Done(cached), nil
			}),
			text: "cached", source: SourceCache, tokens: 3,
		},
		{
			name: "an Around that answers with another call's payload gives its result and nothing else", backend: answer("no"),
			link: around(func(context.Context, *Generation, chain.Handler[*Generation]) (*Generation, error) {
				other := NewGeneration(Meta{RequestID: "r0", CorrelationID: "c0"}, GenerationFields{Backend: Backend{Name: "b"}})
				return other.Done(cached), nil
			}),
			text: "cached", source: SourceCache, tokens: 3, discarded: []string{"meta", "messages"},
		},
		{
			name: "an Around may write text only, once there is a result", backend: answer("from the backend"),
			link: around(func(ctx context.Context, g *Generation, next chain.Handler[*Generation]) (*Generation, error) {
				if _, err := next(ctx, g); err != nil {
					return nil, err
				}
				return g.Done(cached), nil
			}),
			text: "cached", source: SourceBackend, tokens: 7, discarded: []string{"usage", "answering_model", "source"},
		},
		{
			name: "an Around that answers after a failure gives the whole result, whatever there was of another one",
			backend: func(_ context.Context, g *Generation) (*Generation, error) {
				return g.Partial(GenerationResult{Output: Output{Text: "hal", Usage: Usage{OutputTokens: 1}}}), errors.New("broken off")
			},
			link: around(func(ctx context.Context, g *Generation, next chain.Handler[*Generation]) (*Generation, error) {
				if g, err := next(ctx, g); err == nil {
					return g, nil
				}
				return g.Done(cached), nil
			}),
			text: "cached", source: SourceCache, tokens: 3,
		},
		{
			name: "a Before hook cannot answer", backend: answer("from the backend"),
			link: chain.Before("eager", func(_ context.Context, g *Generation) (*Generation, error) {
				return g.Done(cached), nil
			}),
			text: "from the backend", source: SourceBackend, tokens: 7,
			discarded: []string{"text", "usage", "answering_model", "source"},
		},
		{
			name: "an After hook cannot take the result away", backend: answer("from the backend"),
			link: chain.After("forgetful", func(context.Context, *Generation) (*Generation, error) { return ask, nil }),
			text: "from the backend", source: SourceBackend, tokens: 7,
			discarded: []string{"text", "usage", "source"},
		},
		{
			name: "behaviour 34: of several changes the writable one stays", backend: answer("from the backend"),
			link: chain.After("redact", func(_ context.Context, g *Generation) (*Generation, error) {
				return g.WithText("redacted").WithMessages(List[Message]{}), nil
			}),
			text: "redacted", source: SourceBackend, tokens: 7, discarded: []string{"messages"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out, discarded, err := generate(t, ask, tc.backend, tc.link)
			if err != nil {
				t.Fatal(err)
			}
			if o := out.Output(); o.Text != tc.text || out.Source() != tc.source || o.Usage.OutputTokens != tc.tokens || !out.HasResult() {
				t.Errorf("got %+v from %s", o, out.Source())
			}
			if !slices.Equal(discarded, tc.discarded) {
				t.Errorf("discarded %v, want %v", discarded, tc.discarded)
			}
			if out.Meta() != ask.Meta() || !out.Messages().At(0).Equal(ask.Messages().At(0)) {
				t.Error("the request is another one")
			}
		})
	}
}

func TestNextLinkSeesTheFilteredPayload(t *testing.T) {
	var seen *Generation
	_, discarded, err := generate(t, ask, answer("x"),
		chain.Before("greedy", func(_ context.Context, g *Generation) (*Generation, error) {
			f := GenerationFields{Messages: ListOf(Message{Text: "rewritten"}), Backend: Backend{Name: "elsewhere"}}
			return NewGeneration(Meta{RequestID: "forged"}, f), nil
		}),
		chain.Before("next", func(_ context.Context, g *Generation) (*Generation, error) {
			seen = g
			return g, nil
		}))
	if err != nil || !slices.Equal(discarded, []string{"meta", "backend"}) {
		t.Errorf("error %v, discarded %v", err, discarded)
	}
	if seen.Meta() != ask.Meta() || seen.Backend().Name != "b" || seen.Messages().At(0).Text != "rewritten" {
		t.Errorf("behaviour 34: the next link saw %+v", seen)
	}
}

func TestPartialOutputReachesOnError(t *testing.T) {
	broken := errors.New("broken off")
	var seen string
	_, _, err := generate(t, ask, func(_ context.Context, g *Generation) (*Generation, error) {
		return g.Partial(GenerationResult{Output: Output{Text: "hal"}}), broken
	}, chain.OnError("look", func(_ context.Context, o chain.Outcome[*Generation]) { seen = o.Payload.Output().Text }))
	if seen != "hal" || err != broken {
		t.Errorf("saw %q, error %v", seen, err)
	}
}

func TestFailureReachesOnError(t *testing.T) {
	p := NewPipeline(PipelineConfig{})
	broken := errors.New("no such template")
	var seen Failure
	if _, err := p.Component.Use(chain.OnError("look", func(_ context.Context, o chain.Outcome[*Component]) { seen = o.Payload.Failure() })); err != nil {
		t.Fatal(err)
	}
	_, err := p.Component.Then(func(_ context.Context, c *Component) (*Component, error) {
		return c.Failed(Failure{Err: broken, Kind: FaultComponent, Recoverable: true}), broken
	})(t.Context(), NewComponent(Meta{}, ComponentFields{}))
	if err != broken || seen.Err != broken || seen.Kind != FaultComponent || !seen.Recoverable {
		t.Errorf("error %v, saw %+v", err, seen)
	}
}

// after runs one After hook over a payload with its result.
func after[S any](t *testing.T, c *chain.Chain[*S], done *S, hook chain.Handler[*S]) *S {
	t.Helper()
	if _, err := c.Use(chain.After("rewrite", hook)); err != nil {
		t.Fatal(err)
	}
	out, err := c.Then(Unchanged[*S])(t.Context(), done)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestDerivedFields(t *testing.T) {
	p := NewPipeline(PipelineConfig{})
	t.Run("behaviour 35: another tool output rebuilds the message", func(t *testing.T) {
		done := NewTool(Meta{}, ToolFields{Name: "weather", CallID: "t1"}).Done(ToolResult{Output: "rain at 52.1,4.3", Success: true})
		out := after(t, p.Tool, done, func(_ context.Context, x *Tool) (*Tool, error) { return x.WithOutput("rain"), nil })
		if want := (Message{Role: RoleTool, Name: "weather", ToolCallID: "t1", Text: "rain"}); !out.Message().Equal(want) {
			t.Errorf("got %+v", out.Message())
		}
	})
	t.Run("behaviour 35: other results recompute all-passed and the counts", func(t *testing.T) {
		pass, fail := Finding{Verdict: Verdict{Ruling: Pass}}, Finding{Verdict: Verdict{Ruling: Fail}}
		done := NewValidation(Meta{}, ValidationFields{}).Done(ValidationResult{Results: ListOf(pass, fail, Finding{})})
		if done.AllPassed() || done.Passed() != 1 || done.Failed() != 2 {
			t.Errorf("before: %v, %d, %d", done.AllPassed(), done.Passed(), done.Failed())
		}
		out := after(t, p.Validation, done, func(_ context.Context, x *Validation) (*Validation, error) {
			return x.WithResults(ListOf(pass, pass)), nil
		})
		if !out.AllPassed() || out.Passed() != 2 || out.Failed() != 0 {
			t.Errorf("after: %v, %d, %d", out.AllPassed(), out.Passed(), out.Failed())
		}
	})
	t.Run("a validation that failed passes nothing", func(t *testing.T) {
		v := NewValidation(Meta{}, ValidationFields{})
		if v.AllPassed() || v.Done(ValidationResult{Err: errors.New("no judge")}).AllPassed() || !v.Done(ValidationResult{}).AllPassed() {
			t.Error("AllPassed must want a result without an error")
		}
	})
	t.Run("another result rebuilds the history after it, also where the rest of the rewrite is discarded", func(t *testing.T) {
		before := NewHistory(Message{Text: "0"})
		done := NewComponent(Meta{RequestID: "r"}, ComponentFields{History: before}).
			Done(ComponentResult{Added: ListOf(Message{Role: RoleUser, Text: "1"}), Result: Output{Text: "2"}})
		out := after(t, p.Component, done, func(_ context.Context, x *Component) (*Component, error) {
			return NewComponent(Meta{}, ComponentFields{}).Done(ComponentResult{Result: Output{Text: "two"}}), nil
		})
		var texts []string
		for _, m := range out.HistoryAfter().All() {
			texts = append(texts, m.Text)
		}
		if !slices.Equal(texts, []string{"0", "1", "two"}) || out.Meta().RequestID != "r" {
			t.Errorf("got %v", texts)
		}
		if !out.HistoryAfter().Same(out.HistoryAfter()) {
			t.Error("two reads give two histories")
		}
	})
	t.Run("another history is another view", func(t *testing.T) {
		c := NewComponent(Meta{}, ComponentFields{History: NewHistory(Message{Text: "a"}, Message{Text: "b"}), Window: Some(1)})
		if last, _ := c.View().Last(); c.View().Len() != 1 || last.Text != "b" {
			t.Errorf("view %v", c.View().Messages())
		}
		if c = c.WithHistory(History{}); c.View().Len() != 0 {
			t.Errorf("view %v", c.View().Messages())
		}
		if c := NewComponent(Meta{}, ComponentFields{History: NewHistory(Message{}, Message{})}); c.View().Len() != 2 {
			t.Error("without a window the model sees everything")
		}
	})
	t.Run("another component is rendered anew", func(t *testing.T) {
		c := NewCreate(Meta{}, CreateFields{})
		if m, err := c.Rendered(); m != nil || err != nil {
			t.Errorf("without a component: %v, %v", m, err)
		}
		c = c.Done(CreateResult{Component: note{"old"}}).WithComponent(note{"new"})
		if m, err := c.Rendered(); err != nil || len(m) != 1 || m[0].Text != "new" {
			t.Errorf("%v, %v", m, err)
		}
	})
	t.Run("another tool name is another callable", func(t *testing.T) {
		x := NewTool(Meta{}, ToolFields{Name: "search", Available: ListOf(Callable{Name: "search"}, Callable{Name: "finish", ControlFlow: true})})
		if x.ControlFlow() || !x.WithName("finish").ControlFlow() {
			t.Error("control flow does not follow the name")
		}
		if _, ok := x.WithName("nothing").Callable(); ok {
			t.Error("found a tool that is not available")
		}
	})
	t.Run("an iteration's counts follow its findings", func(t *testing.T) {
		i := NewIteration(Meta{}, IterationFields{Attempt: Attempt{Findings: ListOf(Finding{}, Finding{Verdict: Verdict{Ruling: Pass}})}})
		if i.AllValid() || i.Passed() != 1 || i.Failed() != 1 || i.Results().Len() != 2 {
			t.Errorf("%v %d %d", i.AllValid(), i.Passed(), i.Failed())
		}
	})
}

// A link that answers and does not say where from has answered itself.
func TestSourceOfAnAnswer(t *testing.T) {
	for _, tc := range []struct {
		name         string
		source, want Source
	}{
		{"none", "", SourceShortCircuit},
		{"a cache", SourceCache, SourceCache},
		{"the backend", SourceBackend, SourceBackend},
		{"its own", "other", "other"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := NewGeneration(Meta{}, GenerationFields{})
			if g.Source() != "" || g.Partial(GenerationResult{Source: tc.source}).Source() != tc.source {
				t.Error("there is no answer yet")
			}
			if got := g.Done(GenerationResult{Source: tc.source}).Source(); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestMeta(t *testing.T) {
	var before, behind Meta
	out, _, err := generate(t, ask, answer("x"),
		chain.Before("in", func(_ context.Context, g *Generation) (*Generation, error) { before = g.Meta(); return g, nil }),
		chain.After("out", func(_ context.Context, g *Generation) (*Generation, error) { behind = g.Meta(); return g, nil }))
	if err != nil || before != behind || before != out.Meta() || before.CorrelationID != "c1" {
		t.Errorf("the hooks before and after have %+v and %+v", before, behind)
	}
	if before.Version != PayloadVersion {
		t.Errorf("version %d", before.Version)
	}
}
