package session_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// Without a session the judge is the backend of the call.
func TestMeetJudgeWithoutSession(t *testing.T) {
	t.Parallel()
	h := stages.NewHistory(
		stages.Message{Role: stages.RoleUser, Text: "Write."}, stages.Message{Role: stages.RoleAssistant, Text: "High at noon."},
	)
	kind := session.Judge("Be kind.")
	for _, tc := range []struct {
		name  string
		steps []step
		judge func(b session.Backend) (passed bool, err error)
	}{
		{"of an instruction", []step{answer("High at noon."), answer("yes")}, func(b session.Backend) (bool, error) {
			res, err := session.Instruct(t.Context(), b, h, "Write.", session.Require(kind))
			return res != nil && res.Success, err
		}},
		{"of the last answer", []step{answer("yes")}, func(b session.Backend) (bool, error) {
			rep, err := session.Validate(t.Context(), b, h, kind)
			return rep != nil && rep.Passed, err
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if passed, err := tc.judge(script(tc.steps...)); err != nil || !passed {
				t.Errorf("got %v, %v", passed, err)
			}
		})
	}
}

// What a link answers in the place of a judge goes through the chunk stage like any other answer.
func TestMeetJudgeScreened(t *testing.T) {
	t.Parallel()
	s := start(t, session.WithBackend(script(answer("High at noon."))), session.WithSetup(around(
		func(p *stages.Pipeline) *chain.Chain[*stages.Generation] { return p.Generation },
		func(ctx context.Context, g *stages.Generation, next handler[*stages.Generation]) (*stages.Generation, error) {
			if strings.HasPrefix(g.Messages().At(0).Text, "Judge whether") {
				return g.Done(stages.GenerationResult{Output: stages.Output{Text: "no secret"}}), nil
			}
			return next(ctx, g)
		})))
	use(t, s.Pipeline().Chunk, chain.Before("redact", func(_ context.Context, c *stages.Chunk) (*stages.Chunk, error) {
		return c.WithText(strings.ReplaceAll(c.Text(), "secret", "***")), nil
	}))
	res, err := s.Instruct(t.Context(), "Write.", session.Require(session.Judge("Be kind.")), session.LoopBudget(1))
	if err != nil {
		t.Fatal(err)
	}
	if got := res.Attempts.At(0).Findings.At(0).Verdict.Reason; got != "***" {
		t.Errorf("the reason is %q", got)
	}
}

// Behaviour 41: a requirement judges what the links leave of an answer, streamed or not: also one that could judge a part of
// it before they have seen it.
func TestMeetRewriteBeforeThePrefix(t *testing.T) {
	t.Parallel()
	for _, way := range calls {
		for _, of := range []string{"generation", "sampling"} {
			t.Run(way.name+", rewritten behind the "+of, func(t *testing.T) {
				t.Parallel()
				s := start(t, session.WithBackend(inPieces("the ", "secret", " is", " out")))
				if of == "generation" {
					use(t, s.Pipeline().Generation, chain.After("redact", func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
						return g.WithText(strings.ReplaceAll(g.Output().Text, "secret", "***")), nil
					}))
				} else {
					use(t, s.Pipeline().Validation, chain.Before("lenient", func(_ context.Context, v *stages.Validation) (*stages.Validation, error) {
						return v.WithRequirements(stages.List[stages.Requirement]{}), nil
					}))
				}
				res, err := way.give(t, s, "x", session.Require(session.NoMatch("no secret", regexp.MustCompile("secret"))), session.LoopBudget(1))
				if err != nil || !res.Success {
					t.Errorf("got %+v, %v", res, err)
				}
			})
		}
	}
}

// Without a session the tools that a turn of the history took count as they do in one.
func TestMeetToolsOfAHistory(t *testing.T) {
	t.Parallel()
	asks := func(id, tool string) stages.Message {
		return stages.Message{Role: stages.RoleAssistant, ToolCalls: stages.ListOf(stages.ToolCall{ID: id, Name: tool, Arguments: `{}`})}
	}
	told := func(id, tool, text string) stages.Message {
		return stages.Message{Role: stages.RoleTool, ToolCallID: id, Name: tool, Text: text}
	}
	for _, tc := range []struct {
		name          string
		turn          []stages.Message
		used, notUsed bool // what MustUse and MustNotUse say of the tool "tide"
	}{
		{"no tool", nil, false, true},
		{"used", []stages.Message{asks("1", "tide"), told("1", "tide", "06:40")}, true, false},
		{"used, with no id", []stages.Message{asks("", "tide"), told("", "tide", "06:40")}, true, false},
		{"it failed", []stages.Message{asks("1", "tide"), told("1", "tide", "error: the sea is closed")}, false, false},
		{"it failed, then it was used", []stages.Message{
			asks("1", "tide"), told("1", "tide", "error: the sea is closed"), asks("1", "tide"), told("1", "tide", "06:40"),
		}, true, false},
		{"never answered", []stages.Message{asks("1", "tide")}, false, false},
		{"another one", []stages.Message{asks("1", "moon"), told("1", "moon", "full")}, false, true},
		{"a hook sent the call elsewhere", []stages.Message{asks("1", "moon"), told("1", "tide", "06:40")}, true, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			h := stages.NewHistory(
				stages.Message{Role: stages.RoleUser, Text: "Before?"}, asks("1", "tide"), told("1", "tide", "an earlier turn"),
				stages.Message{Role: stages.RoleAssistant, Text: "Before."}, stages.Message{Role: stages.RoleUser, Text: "When?"},
			).Append(tc.turn...).Append(stages.Message{Role: stages.RoleAssistant, Text: "At 06:40."})
			for requirement, want := range map[string]bool{"used": tc.used, "not used": tc.notUsed} {
				q := session.MustUse("tide")
				if requirement == "not used" {
					q = session.MustNotUse("tide")
				}
				if rep, err := session.Validate(t.Context(), echo(), h, q); err != nil || rep.Passed != want {
					t.Errorf("%s: got %+v, %v", requirement, rep, err)
				}
			}
		})
	}
}

// Without a session there is nothing that opens a backend by its name, or that ends with a parent.
func TestMeetOptionsThatNeedASession(t *testing.T) {
	t.Parallel()
	named := session.NewBackends()
	if err := named.Add("echo", func(context.Context, stages.Map[any]) (session.Backend, error) { return echo(), nil }); err != nil {
		t.Fatal(err)
	}
	byName := session.WithBackendName("echo", stages.Map[any]{})
	for name, on := range map[string]session.Caller{
		"a name instead of a backend": session.On(nil, stages.History{}, session.WithBackends(named), byName),
		"a name beside a backend":     session.On(echo(), stages.History{}, session.WithBackends(named), byName),
		"backends without a name":     session.On(nil, stages.History{}, session.WithBackends(named)),
		"a parent":                    session.On(echo(), stages.History{}, session.WithParent(t.Context())),
	} {
		if _, err := on.Instruct(t.Context(), "hello"); !errors.Is(err, session.ErrOption) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
