package session_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// rewriteIn and rewriteOut register a hook that rewrites the payload.
func rewriteIn[P any](of func(*stages.Pipeline) *chain.Chain[P], f func(P) P) func(*stages.Pipeline) error {
	return func(p *stages.Pipeline) error {
		_, err := of(p).Use(chain.Before("rewrite", func(_ context.Context, p P) (P, error) { return f(p), nil }))
		return err
	}
}

func rewriteOut[P any](of func(*stages.Pipeline) *chain.Chain[P], f func(P) P) func(*stages.Pipeline) error {
	return func(p *stages.Pipeline) error {
		_, err := of(p).Use(chain.After("rewrite", func(_ context.Context, p P) (P, error) { return f(p), nil }))
		return err
	}
}

// edit is a hook that rewrites.
func edit[P any](f func(P) P) doing { return func(p any) (any, error) { return f(p.(P)), nil } }

// told is what happened to an instruction whose payloads a hook rewrote.
type told struct {
	res     *session.Result
	asked   []*stages.Generation
	rec     *recorder
	history []string
}

// prompt is the last message of the n-th request.
func (o told) prompt(n int) string {
	m := o.asked[n].Messages()
	return m.At(m.Len() - 1).Text
}

func always(r stages.Ruling) stages.List[stages.Requirement] {
	return stages.ListOf(stages.Requirement{Description: "always " + r.String(), Check: func(context.Context, stages.Target) (stages.Verdict, error) {
		return stages.Verdict{Ruling: r}, nil
	}})
}

// Behaviour 34, the runtime's half: what a link may write takes effect. Every row has the story of three answers (too
// short, a tool call, a good one) unless its rewrite changes that. The fields of session_pre_init are in start_ext_test.go.
func TestWritesTakeEffect(t *testing.T) {
	t.Parallel()
	greedy := stages.ModelOptions{Temperature: stages.Some(0.0)}
	other, err := session.NewInstruction(session.InstructionSpec{Description: "Say nothing."})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name  string
		write doing
		holds func(o told) bool
	}{
		{
			"component_pre_create: description",
			edit(func(c *stages.Create) *stages.Create { return c.WithDescription("Sing.") }),
			func(o told) bool { return strings.HasPrefix(o.prompt(0), "Sing.\n") },
		},
		{
			"component_pre_create: images",
			edit(func(c *stages.Create) *stages.Create {
				return c.WithImages(stages.ListOf(stages.Image{URL: "https://harbour.example/a.png"}))
			}),
			func(o told) bool { return o.asked[0].Messages().At(2).Images.Len() == 1 },
		},
		{
			"component_pre_create: requirements",
			edit(func(c *stages.Create) *stages.Create { return c.WithRequirements(always(stages.Pass)) }),
			func(o told) bool {
				return len(o.asked) == 1 && o.res.Success && strings.Contains(o.prompt(0), "- always pass")
			},
		},
		{
			"component_pre_create: examples",
			edit(func(c *stages.Create) *stages.Create { return c.WithExamples(stages.ListOf("Low water.")) }),
			func(o told) bool { return strings.Contains(o.prompt(0), "Example 1 of a good answer:\nLow water.") },
		},
		{
			"component_pre_create: grounding",
			edit(func(c *stages.Create) *stages.Create {
				return c.WithGrounding(stages.ListOf(stages.ContextItem{Name: "table", Text: "06:40"}))
			}),
			func(o told) bool { return strings.Contains(o.prompt(0), "Context (table):\n06:40") },
		},
		{
			"component_pre_create: variables",
			edit(func(c *stages.Create) *stages.Create {
				return c.WithDescription("Write to {{.who}}.").WithVariables(stages.MapOf(map[string]string{"who": "Ada"}))
			}),
			func(o told) bool { return strings.HasPrefix(o.prompt(0), "Write to Ada.") },
		},
		{
			"component_pre_create: prefix",
			edit(func(c *stages.Create) *stages.Create { return c.WithPrefix("Dear Ada,") }),
			func(o told) bool { return strings.HasSuffix(o.prompt(0), "\nDear Ada,") },
		},
		{
			"component_post_create: component",
			edit(func(c *stages.Create) *stages.Create { return c.WithComponent(other) }),
			func(o told) bool { return o.prompt(0) == "Say nothing." && len(o.asked) == 1 },
		},
		{
			"component_pre_execute: action",
			edit(func(c *stages.Component) *stages.Component { return c.WithAction(other) }),
			func(o told) bool { return o.prompt(0) == "Say nothing." && o.history[2] == "user: Say nothing." },
		},
		{
			"component_pre_execute: history, for this call only",
			edit(func(c *stages.Component) *stages.Component {
				return c.WithHistory(stages.NewHistory(stages.Message{Role: stages.RoleSystem, Text: "Be brief."}))
			}),
			func(o told) bool {
				return o.asked[0].Messages().Len() == 2 && o.asked[0].Messages().At(0).Text == "Be brief." &&
					o.history[0] == "user: before"
			},
		},
		{
			"component_pre_execute: requirements",
			edit(func(c *stages.Component) *stages.Component { return c.WithRequirements(always(stages.Pass)) }),
			func(o told) bool { return len(o.asked) == 1 && o.res.Success },
		},
		{
			"component_pre_execute: model options",
			edit(func(c *stages.Component) *stages.Component { return c.WithModelOptions(greedy) }),
			func(o told) bool { return o.asked[0].ModelOptions().Temperature == greedy.Temperature },
		},
		{
			"component_pre_execute: format",
			edit(func(c *stages.Component) *stages.Component { return c.WithFormat(stages.Format{Name: "note"}) }),
			func(o told) bool { return o.asked[0].Format().Name == "note" },
		},
		{
			"component_pre_execute: strategy",
			edit(func(c *stages.Component) *stages.Component {
				return c.WithStrategy(stages.NamedStrategy("rejection_sampling", stages.MapOf(map[string]any{"loop_budget": 1.0})))
			}),
			func(o told) bool { return len(o.asked) == 1 && !o.res.Success },
		},
		{
			"component_pre_execute: strategy by name with its default",
			edit(func(c *stages.Component) *stages.Component {
				return c.WithStrategy(stages.NamedStrategy("rejection_sampling", stages.Map[any]{}))
			}),
			func(o told) bool { return o.res.Success },
		},
		{
			"component_pre_execute: strategy cleared, which is one attempt",
			edit(func(c *stages.Component) *stages.Component { return c.WithStrategy(nil) }),
			func(o told) bool {
				return len(o.asked) == 1 && !o.res.Success && o.rec.count("sampling_loop_end") == 1
			},
		},
		{
			"component_pre_execute: tools enabled",
			edit(func(c *stages.Component) *stages.Component { return c.WithToolsEnabled(false) }),
			func(o told) bool {
				return o.asked[0].Tools().Len() == 0 && o.prompt(2) == `error: there is no tool "tide"`
			},
		},
		{
			"component_post_success: result, and the history after it",
			edit(func(c *stages.Component) *stages.Component {
				out := c.Result()
				out.Text = "rewritten"
				return c.WithResult(out)
			}),
			func(o told) bool {
				return o.res.Text() == "rewritten" && slices.Contains(o.history, "assistant: rewritten") &&
					!slices.Contains(o.history, "assistant: High water is at 06:40.")
			},
		},
		{
			"generation_pre_call: messages",
			edit(func(g *stages.Generation) *stages.Generation {
				return g.WithMessages(g.Messages().Append(stages.Message{Role: stages.RoleSystem, Text: "Be brief."}))
			}),
			func(o told) bool { return o.prompt(0) == "Be brief." && o.prompt(1) == "Be brief." },
		},
		{
			"generation_pre_call: model options",
			edit(func(g *stages.Generation) *stages.Generation { return g.WithModelOptions(greedy) }),
			func(o told) bool { return o.asked[0].ModelOptions().Temperature == greedy.Temperature },
		},
		{
			"generation_pre_call: tools",
			edit(func(g *stages.Generation) *stages.Generation {
				return g.WithTools(stages.ListOf(stages.Callable{Name: "tide", Call: func(context.Context, json.RawMessage) (any, error) {
					return map[string]int{"hour": 7}, nil
				}}))
			}),
			func(o told) bool { return o.prompt(2) == `{"hour":7}` },
		},
		{
			"generation_pre_call: format",
			edit(func(g *stages.Generation) *stages.Generation { return g.WithFormat(stages.Format{Name: "note"}) }),
			func(o told) bool { return o.asked[0].Format().Name == "note" },
		},
		{
			"generation_post_call: text",
			edit(func(g *stages.Generation) *stages.Generation {
				return g.WithText(strings.ReplaceAll(g.Output().Text, "06:40", "[time]"))
			}),
			func(o told) bool { return o.res.Text() == "High water is at [time]." },
		},
		{
			"generation_post_call: tool calls",
			edit(func(g *stages.Generation) *stages.Generation {
				return g.WithText("High water without tools").WithToolCalls(stages.List[stages.ToolCall]{})
			}),
			func(o told) bool { return o.res.Success && o.rec.count("tool_pre_invoke") == 0 && len(o.asked) == 1 },
		},
		{
			"validation_pre_check: requirements",
			edit(func(v *stages.Validation) *stages.Validation { return v.WithRequirements(always(stages.Pass)) }),
			func(o told) bool { return len(o.asked) == 1 && o.res.Success },
		},
		{
			"validation_post_check: results, from which the verdict follows",
			edit(func(v *stages.Validation) *stages.Validation {
				return v.WithResults(v.Results().Map(func(f stages.Finding) stages.Finding {
					f.Verdict = stages.Verdict{Ruling: stages.Pass}
					return f
				}))
			}),
			func(o told) bool {
				return len(o.asked) == 1 && o.res.Success && o.res.Attempts.At(0).Passed() &&
					last[*stages.Iteration](t, o.rec, "sampling_iteration").AllValid()
			},
		},
		{
			"sampling_loop_start: loop budget",
			edit(func(s *stages.Sampling) *stages.Sampling { return s.WithLoopBudget(1) }),
			func(o told) bool { return len(o.asked) == 1 && !o.res.Success },
		},
		{
			"sampling_loop_end: final result",
			edit(func(s *stages.Sampling) *stages.Sampling {
				out := s.FinalResult()
				out.Text = "final"
				return s.WithFinalResult(out)
			}),
			func(o told) bool { return o.res.Text() == "final" },
		},
		{
			"sampling_repair: repair action",
			edit(func(r *stages.Repair) *stages.Repair { return r.WithRepairAction(other) }),
			func(o told) bool {
				return o.prompt(1) == "Say nothing." && slices.Contains(o.history, "user: Say nothing.")
			},
		},
		{
			"sampling_repair: repair history",
			edit(func(r *stages.Repair) *stages.Repair { return r.WithRepairHistory(r.FailedHistory()) }),
			func(o told) bool {
				return o.asked[1].Messages().Len() == 5 && o.asked[1].Messages().At(3).Text == "too short"
			},
		},
		{
			"tool_pre_invoke: name",
			edit(func(t *stages.Tool) *stages.Tool { return t.WithName("clock") }),
			func(o told) bool { return o.prompt(2) == "clock {}" },
		},
		{
			"tool_pre_invoke: arguments",
			edit(func(t *stages.Tool) *stages.Tool { return t.WithArguments(`{"day":"tomorrow"}`) }),
			func(o told) bool { return o.prompt(2) == `tide {"day":"tomorrow"}` },
		},
		{
			"tool_pre_invoke: arguments are checked again",
			edit(func(t *stages.Tool) *stages.Tool { return t.WithArguments(`{"day":`) }),
			func(o told) bool { return o.prompt(2) == "error: the arguments are not valid JSON" },
		},
		{
			"tool_post_invoke: output, from which the message follows",
			edit(func(t *stages.Tool) *stages.Tool { return t.WithOutput("[redacted]") }),
			func(o told) bool {
				return o.prompt(2) == "[redacted]" && slices.Contains(o.history, "tool: [redacted]")
			},
		},
	} {
		for _, way := range ways {
			t.Run(tc.name+" by "+way.name, func(t *testing.T) {
				t.Parallel()
				hook, _, _ := strings.Cut(tc.name, ":")
				tool := func(name string) stages.Callable {
					return stages.Callable{Name: name, Call: func(_ context.Context, a json.RawMessage) (any, error) {
						return fmt.Sprintf("%s %s", name, a), nil
					}}
				}
				rec, b := &recorder{}, story()
				s := start(t, session.WithBackend(b), session.WithTools(tool("tide"), tool("clock")),
					session.WithHistory(stages.NewHistory(
						stages.Message{Role: stages.RoleUser, Text: "before"}, stages.Message{Role: stages.RoleAssistant, Text: "yes?"})),
					session.WithSetup(rec.register), way.register(t, hook, tc.write))
				res, err := s.Instruct(t.Context(), "Write about the tide.", session.Require(mentions("High water")))
				if err != nil {
					t.Fatal(err)
				}
				if o := (told{res, b.requests(), rec, texts(s.History())}); !tc.holds(o) {
					t.Errorf("it took no effect: %+v; history %q; %d requests, the last prompt %q", res, o.history, len(o.asked), o.prompt(len(o.asked)-1))
				}
			})
		}
	}
}

// Values that no link may choose are errors that say so.
func TestBadWrites(t *testing.T) {
	t.Parallel()
	type P = stages.Pipeline
	for _, tc := range []struct {
		name  string
		write func(*P) error
		want  string
	}{
		{
			"sampling_loop_start: a loop budget below 1",
			rewriteIn(ofSampling, func(s *stages.Sampling) *stages.Sampling { return s.WithLoopBudget(0) }),
			session.ErrLoopBudget.Error(),
		},
		{
			"component_pre_execute: an unknown strategy",
			rewriteIn(ofComponent, func(c *stages.Component) *stages.Component {
				return c.WithStrategy(stages.NamedStrategy("wishful", stages.Map[any]{}))
			}),
			`unknown strategy: "wishful"`,
		},
		{
			"component_pre_execute: a loop budget that is no whole number",
			rewriteIn(ofComponent, func(c *stages.Component) *stages.Component {
				return c.WithStrategy(stages.NamedStrategy("rejection_sampling", stages.MapOf(map[string]any{"loop_budget": 1.5})))
			}),
			"1.5",
		},
		{
			"component_pre_execute: no action",
			rewriteIn(ofComponent, func(c *stages.Component) *stages.Component { return c.WithAction(nil) }),
			"no action",
		},
		{
			"component_pre_create: an unknown template",
			rewriteIn(ofCreate, func(c *stages.Create) *stages.Create { return c.WithTemplateID("fancy") }),
			`no template "fancy"`,
		},
		{
			"component_pre_create: a variable that is missing",
			rewriteIn(ofCreate, func(c *stages.Create) *stages.Create {
				return c.WithDescription("{{.what}}").WithVariables(stages.MapOf(map[string]string{"who": "Ada"}))
			}),
			"what",
		},
		{
			"component_post_create: no component",
			rewriteOut(ofCreate, func(c *stages.Create) *stages.Create { return c.WithComponent(nil) }),
			"no component",
		},
		{
			"sampling_repair: no action",
			rewriteOut(ofRepair, func(r *stages.Repair) *stages.Repair { return r.WithRepairAction(nil) }),
			"no action",
		},
		{
			"validation_pre_check: a requirement without check or description",
			rewriteIn(ofValidation, func(v *stages.Validation) *stages.Validation {
				return v.WithRequirements(stages.ListOf(stages.Requirement{Name: "kind"}))
			}),
			"without a check: kind",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			rec := &recorder{}
			s := start(t, session.WithBackend(story()), session.WithTools(tideTool()),
				session.WithSetup(rec.register), session.WithSetup(tc.write))
			_, err := s.Instruct(t.Context(), "Write about the tide.", session.Require(mentions("High water")))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
			if rec.count("error_occurred") != 1 {
				t.Errorf("error_occurred fired %d times", rec.count("error_occurred"))
			}
		})
	}
}
