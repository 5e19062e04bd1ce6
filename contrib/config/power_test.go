package config_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/config"
	"github.com/maillon-go/maillon/stages"
)

// Structs with one method each, which is a function of the test.
type (
	preCall struct {
		f chain.Handler[*stages.Generation]
	}
	postCall struct {
		f chain.Handler[*stages.Generation]
	}
	wrapping struct {
		f chain.Middleware[*stages.Generation]
	}
	watching struct {
		f func(context.Context, chain.Outcome[*stages.Generation])
	}
	erring struct {
		f func(context.Context, chain.Outcome[*stages.Generation])
	}
)

func (x *preCall) OnGenerationPreCall(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
	return x.f(ctx, g)
}

func (x *postCall) OnGenerationPostCall(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
	return x.f(ctx, g)
}

func (x *wrapping) WrapGeneration(next chain.Handler[*stages.Generation]) chain.Handler[*stages.Generation] {
	return x.f(next)
}

func (x *watching) ObserveGeneration(ctx context.Context, o chain.Outcome[*stages.Generation]) {
	x.f(ctx, o)
}

func (x *erring) OnGenerationError(ctx context.Context, o chain.Outcome[*stages.Generation]) {
	x.f(ctx, o)
}

// way is one way to write a plugin: it registers f under a link name that it returns.
type way struct {
	name                         string
	yaml                         bool // registered by a file
	before, after, around, watch func(f any) (plugin any, link string)
	onError                      func(f any) (plugin any, link string)
}

type (
	hookFunc  = func(context.Context, *stages.Generation) (*stages.Generation, error)
	wrapFunc  = func(chain.Handler[*stages.Generation]) chain.Handler[*stages.Generation]
	watchFunc = func(context.Context, chain.Outcome[*stages.Generation])
)

var ways = []way{
	{
		name:    "function",
		before:  func(f any) (any, string) { return chain.Before("x", f.(hookFunc)), "x" },
		after:   func(f any) (any, string) { return chain.After("x", f.(hookFunc)), "x" },
		around:  func(f any) (any, string) { return chain.Around("x", f.(wrapFunc)), "x" },
		watch:   func(f any) (any, string) { return chain.Observe("x", f.(watchFunc)), "x" },
		onError: func(f any) (any, string) { return chain.OnError("x", f.(watchFunc)), "x" },
	},
	{
		name:    "struct",
		before:  func(f any) (any, string) { return &preCall{f.(hookFunc)}, "preCall.generation_pre_call" },
		after:   func(f any) (any, string) { return &postCall{f.(hookFunc)}, "postCall.generation_post_call" },
		around:  func(f any) (any, string) { return &wrapping{f.(wrapFunc)}, "wrapping.wrap_generation" },
		watch:   func(f any) (any, string) { return &watching{f.(watchFunc)}, "watching.observe_generation" },
		onError: func(f any) (any, string) { return &erring{f.(watchFunc)}, "erring.generation_error" },
	},
	{
		name:    "function in YAML",
		yaml:    true,
		before:  func(f any) (any, string) { return chain.Before("x", f.(hookFunc)), "x" },
		after:   func(f any) (any, string) { return chain.After("x", f.(hookFunc)), "x" },
		around:  func(f any) (any, string) { return chain.Around("x", f.(wrapFunc)), "x" },
		watch:   func(f any) (any, string) { return chain.Observe("x", f.(watchFunc)), "x" },
		onError: func(f any) (any, string) { return chain.OnError("x", f.(watchFunc)), "x" },
	},
	{
		name:    "struct in YAML",
		yaml:    true,
		before:  func(f any) (any, string) { return &preCall{f.(hookFunc)}, "x.generation_pre_call" },
		after:   func(f any) (any, string) { return &postCall{f.(hookFunc)}, "x.generation_post_call" },
		around:  func(f any) (any, string) { return &wrapping{f.(wrapFunc)}, "x.wrap_generation" },
		watch:   func(f any) (any, string) { return &watching{f.(watchFunc)}, "x.observe_generation" },
		onError: func(f any) (any, string) { return &erring{f.(watchFunc)}, "x.generation_error" },
	},
}

// trial is a generation chain with the link under test and one beside it.
type trial struct {
	*testing.T
	w     way
	p     *stages.Pipeline
	link  string
	order []string
	fails error // of the handler
}

// opt is an option in Go and in YAML.
type opt struct {
	option chain.Option
	yaml   string
}

// use registers the link with options, and "other" beside it.
func (t *trial) use(write func(f any) (any, string), f any, opts ...opt) {
	t.Helper()
	plugin, link := write(f)
	t.link = link
	e := newEnv(t.T)
	t.p = e.p
	other := func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
		t.order = append(t.order, "other")
		return g, nil
	}
	if _, err := t.p.Register(t.Context(), chain.Before("other", other)); err != nil {
		t.Fatal(err)
	}
	if t.w.yaml {
		config.Register(e.kinds, "x", func(struct{}) (any, error) { return plugin, nil })
		text := "plugins:\n- name: x\n  kind: x\n"
		for _, o := range opts {
			text += "  " + o.yaml + "\n"
		}
		e.open(text)
		return
	}
	var options []chain.Option
	for _, o := range opts {
		options = append(options, o.option)
	}
	if _, err := t.p.Register(t.Context(), stages.With(plugin, options...)); err != nil {
		t.Fatal(err)
	}
}

var question = stages.NewGeneration(stages.Meta{}, stages.GenerationFields{Messages: stages.ListOf(stages.Message{Text: "question"})})

func (t *trial) call() (*stages.Generation, error) {
	return t.p.Generation.Then(func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
		t.order = append(t.order, "handler")
		if t.fails != nil {
			return nil, t.fails
		}
		return g.Done(stages.GenerationResult{Output: stages.Output{Text: "echo: " + g.Messages().At(0).Text}}), nil
	})(t.Context(), question)
}

// answers checks what a call that succeeds says.
func (t *trial) answers(want string) {
	t.Helper()
	out, err := t.call()
	if err != nil || out.Output().Text != want {
		t.Errorf("got %v, %v, want %q", out, err, want)
	}
}

func (t *trial) blocked() {
	t.Helper()
	_, err := t.call()
	var v *chain.Violation
	if !errors.As(err, &v) || v.Link != t.link {
		t.Errorf("error %v, want a block by %s", err, t.link)
	}
}

func (t *trial) stats() chain.LinkStats {
	t.Helper()
	s, ok := t.p.Generation.Stats().Link(t.link)
	if !ok {
		t.Fatalf("no link %q", t.link)
	}
	return s
}

// cases are those that are kept of the link.
func (t *trial) cases() []chain.Case { return t.p.Generation.Stats().Cases["process/"+t.link] }

func (t *trial) ran(want ...string) {
	t.Helper()
	if !slices.Equal(t.order, want) {
		t.Errorf("ran %v, want %v", t.order, want)
	}
}

func (t *trial) mark(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
	t.order = append(t.order, "x")
	return g, nil
}

func rewrite(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
	return g.WithMessages(stages.ListOf(stages.Message{Text: "rewritten"})), nil
}

func refuseAll(context.Context, *stages.Generation) (*stages.Generation, error) {
	return nil, chain.Block("no")
}

var errBroken = errors.New("broken")

func broken(context.Context, *stages.Generation) (*stages.Generation, error) { return nil, errBroken }

func hang(ctx context.Context, _ *stages.Generation) (*stages.Generation, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestEqualPower shows that it makes no difference how a plugin is written, and whether code or a file registers it.
func TestEqualPower(t *testing.T) {
	for name, f := range map[string]func(t *trial){
		"rewrites the request": func(t *trial) {
			t.use(t.w.before, rewrite)
			t.answers("echo: rewritten")
		},
		"rewrites the answer": func(t *trial) {
			t.use(t.w.after, func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
				return g.WithText("redacted"), nil
			})
			t.answers("redacted")
		},
		"cannot write what is not writable": func(t *trial) {
			t.use(t.w.before, func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
				return g.WithText("early"), nil
			})
			t.answers("echo: question")
			if t.stats().Discarded == 0 {
				t.Error("nothing was discarded")
			}
		},
		"blocks before": func(t *trial) { t.use(t.w.before, refuseAll); t.blocked() },
		"blocks after":  func(t *trial) { t.use(t.w.after, refuseAll); t.blocked() },
		"answers without the handler": func(t *trial) {
			t.use(t.w.around, func(chain.Handler[*stages.Generation]) chain.Handler[*stages.Generation] {
				return func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
					return g.Done(stages.GenerationResult{Output: stages.Output{Text: "cached"}}), nil
				}
			})
			t.answers("cached")
			t.ran("other")
		},
		"observes": func(t *trial) {
			var seen chain.Outcome[*stages.Generation]
			t.use(t.w.watch, func(_ context.Context, o chain.Outcome[*stages.Generation]) { seen = o })
			t.answers("echo: question")
			if seen.Verdict != chain.Allowed || seen.Payload.Output().Text != "echo: question" || !seen.Answered {
				t.Errorf("observed %+v", seen)
			}
		},
		"observes errors": func(t *trial) {
			var seen error
			t.use(t.w.onError, func(_ context.Context, o chain.Outcome[*stages.Generation]) { seen = o.Err })
			t.answers("echo: question")
			t.fails = errBroken
			if _, err := t.call(); !errors.Is(err, errBroken) || !errors.Is(seen, errBroken) {
				t.Errorf("error %v, observed %v", err, seen)
			}
		},
		"Priority": func(t *trial) {
			t.use(t.w.before, t.mark, opt{chain.Priority(49), "priority: 49"})
			_, _ = t.call()
			t.ran("x", "other", "handler")
		},
		"RunsBefore": func(t *trial) {
			t.use(t.w.before, t.mark, opt{chain.RunsBefore("other"), "runs_before: [other]"})
			_, _ = t.call()
			t.ran("x", "other", "handler")
		},
		"RunsAfter": func(t *trial) {
			t.use(t.w.before, t.mark, opt{chain.RunsAfter("other"), "runs_after: [other]"})
			_, _ = t.call()
			t.ran("other", "x", "handler")
		},
		"InMode(Transform)": func(t *trial) {
			t.use(t.w.before, refuseAll, opt{chain.InMode(chain.Transform), "mode: transform"})
			t.answers("echo: question")
			if s := t.stats(); s.WouldBlocks != 1 {
				t.Errorf("%+v", s)
			}
		},
		"InMode(Audit)": func(t *trial) {
			t.use(t.w.before, rewrite, opt{chain.InMode(chain.Audit), "mode: audit"})
			t.answers("echo: question")
			if s := t.stats(); s.WouldRewrites != 1 {
				t.Errorf("%+v", s)
			}
		},
		"InMode(Audit) around": func(t *trial) {
			t.use(t.w.around, func(chain.Handler[*stages.Generation]) chain.Handler[*stages.Generation] { return refuseAll }, opt{chain.InMode(chain.Audit), "mode: audit"})
			t.answers("echo: question")
			if s := t.stats(); s.WouldBlocks != 1 {
				t.Errorf("%+v", s)
			}
		},
		"InMode(Concurrent)": func(t *trial) {
			t.use(t.w.before, refuseAll, opt{chain.InMode(chain.Concurrent), "mode: concurrent"})
			t.blocked()
		},
		"InMode(FireAndForget)": func(t *trial) {
			done := make(chan struct{})
			t.use(t.w.before, func(context.Context, *stages.Generation) (*stages.Generation, error) {
				close(done)
				return nil, chain.Block("no")
			}, opt{chain.InMode(chain.FireAndForget), "mode: fire_and_forget"})
			t.answers("echo: question")
			<-done
		},
		"InMode(FireAndForget) observer": func(t *trial) {
			done := make(chan struct{})
			t.use(t.w.watch, func(context.Context, chain.Outcome[*stages.Generation]) { close(done) }, opt{chain.InMode(chain.FireAndForget), "mode: fire_and_forget"})
			t.answers("echo: question")
			<-done
		},
		"InMode(Disabled)": func(t *trial) {
			t.use(t.w.before, refuseAll, opt{chain.InMode(chain.Disabled), "mode: disabled"})
			t.answers("echo: question")
		},
		"OnFailure(Fail)": func(t *trial) {
			t.use(t.w.before, broken, opt{chain.InMode(chain.Transform), "mode: transform"}, opt{chain.OnFailure(chain.Fail), "on_error: fail"})
			if _, err := t.call(); !errors.Is(err, errBroken) {
				t.Errorf("error %v", err)
			}
		},
		"OnFailure(Ignore)": func(t *trial) {
			t.use(t.w.before, broken, opt{chain.OnFailure(chain.Ignore), "on_error: ignore"})
			t.answers("echo: question")
			if s := t.stats(); s.Ignored != 1 {
				t.Errorf("%+v", s)
			}
		},
		"OnFailure(Disable)": func(t *trial) {
			t.use(t.w.before, broken, opt{chain.OnFailure(chain.Disable), "on_error: disable"})
			t.answers("echo: question")
			t.answers("echo: question")
			if s := t.stats(); s.Failures != 1 || s.State != "off" {
				t.Errorf("%+v", s)
			}
		},
		"Timeout": func(t *trial) {
			t.use(t.w.before, hang, opt{chain.Timeout(time.Millisecond), "timeout: 1ms"})
			if _, err := t.call(); !errors.Is(err, chain.ErrTimeout) && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v", err)
			}
		},
		"TripAfter": func(t *trial) {
			t.use(t.w.before, broken, opt{chain.TripAfter(1), "breaker: {trip_after: 1}"})
			_, _ = t.call()
			if _, err := t.call(); !errors.Is(err, gobreaker.ErrOpenState) {
				t.Errorf("error %v", err)
			}
		},
		// A ReadyToTrip is a function, so that YAML has numbers only; both make every call ask the breaker.
		"Breaker": func(t *trial) {
			t.use(t.w.before, broken, opt{chain.Breaker(gobreaker.Settings{ReadyToTrip: func(gobreaker.Counts) bool { return true }}), "breaker: {trip_after: 1, interval: 1h}"})
			_, _ = t.call()
			if _, err := t.call(); !errors.Is(err, gobreaker.ErrOpenState) {
				t.Errorf("error %v", err)
			}
		},
		"Counted": func(t *trial) {
			t.use(t.w.before, t.mark, opt{chain.Counted(), "counted: true"})
			_, _ = t.call()
			if s := t.stats(); s.Calls != 1 {
				t.Errorf("%+v", s)
			}
		},
		"Timed": func(t *trial) {
			var took time.Duration
			t.use(t.w.watch, func(_ context.Context, o chain.Outcome[*stages.Generation]) { took = o.Duration }, opt{chain.Timed(), "timed: true"})
			for range 1000 { // a coarse clock may see no time pass in one call
				if t.answers("echo: question"); took > 0 {
					return
				}
			}
			t.Error("no duration")
		},
		"CandidateFor": func(t *trial) {
			t.use(t.w.before, refuseAll, opt{chain.InMode(chain.Audit), "mode: audit"}, opt{chain.CandidateFor("other"), "candidate_for: other"})
			t.answers("echo: question")
			cases := t.cases()
			if s := t.stats(); s.Disagreements != 1 || len(cases) != 1 || cases[0].Incumbent != "allow" || cases[0].Payload != nil {
				t.Errorf("%+v, %+v", s, cases)
			}
		},
		"KeepCases": func(t *trial) {
			t.use(t.w.before, rewrite, opt{chain.InMode(chain.Audit), "mode: audit"}, opt{chain.KeepCases(1, true), "keep_cases: 1\n  case_payloads: true"})
			t.answers("echo: question")
			t.answers("echo: question")
			cases := t.cases()
			if s := t.stats(); s.WouldRewrites != 2 || len(cases) != 1 || cases[0].Payload == nil {
				t.Errorf("%+v, %+v", s, cases)
			}
		},
		"KeepCases(0)": func(t *trial) {
			t.use(t.w.before, rewrite, opt{chain.InMode(chain.Audit), "mode: audit"}, opt{chain.KeepCases(0, false), "keep_cases: 0"})
			t.answers("echo: question")
			if s := t.stats(); s.WouldRewrites != 1 || len(t.cases()) != 0 {
				t.Errorf("%+v, %+v", s, t.cases())
			}
		},
		"Outer": func(t *trial) {
			t.use(t.w.around, func(next chain.Handler[*stages.Generation]) chain.Handler[*stages.Generation] {
				return func(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
					t.order = append(t.order, "x")
					return next(ctx, g)
				}
			}, opt{chain.Outer(), "outer: true"})
			_, _ = t.call()
			t.ran("x", "other", "handler")
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, w := range ways {
				t.Run(w.name, func(t *testing.T) { f(&trial{T: t, w: w}) })
			}
		})
	}
}
