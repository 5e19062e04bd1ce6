package session_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// strongly is a scripted backend under another name.
type strongly struct{ *scripted }

func (strongly) Describe() stages.Backend { return stages.Backend{Name: "strong", Model: "strong-1"} }

// dialogue is what a backend was asked last, one line for each message.
func dialogue(b *scripted) (out []string) {
	asked := b.requests()
	for _, m := range asked[len(asked)-1].Messages().All() {
		out = append(out, fmt.Sprintf("%s: %s", m.Role, m.Text))
	}
	return out
}

// The fast backend tries with feedback, the strong one is asked once, and is shown what the mode says.
func TestTwoSolverModes(t *testing.T) {
	t.Parallel()
	const ask = "Say a and b."
	again := func(why string) string {
		return "user: That answer was turned down:\n- " + why + "\n\nPlease answer again."
	}
	for _, tc := range []struct {
		mode session.TwoSolverMode
		want []string
	}{
		{"", []string{"user: " + ask}},
		{session.FreshStart, []string{"user: " + ask}},
		{session.ContinueChat, []string{
			"user: " + ask, "assistant: a", again("it does not mention b"),
			"assistant: nothing", again("it does not mention a\n- it does not mention b"),
		}},
		{session.BestAttempt, []string{"user: " + ask + "\n\nThis is the best answer so far:\na\n\nIt was turned down:\n" +
			"- it does not mention b\n\nPlease give a better one."}},
	} {
		t.Run("mode "+string(tc.mode), func(t *testing.T) {
			t.Parallel()
			fast, strong := script(answer("a"), answer("nothing")), strongly{script(answer("a b"))}
			s := start(t, session.WithBackend(fast))
			res, err := s.Instruct(t.Context(), ask, session.Using(session.TwoSolver{Strong: strong, LoopBudget: 2, Mode: tc.mode}),
				session.Require(checkOnly(mentions("a"), mentions("b"))...))
			if err != nil || !res.Success || res.Text() != "a b" || res.Attempts.Len() != 3 {
				t.Fatalf("got %+v, %v", res, err)
			}
			if len(fast.requests()) != 2 || len(strong.requests()) != 1 {
				t.Errorf("the fast backend was asked %d times, the strong one %d times", len(fast.requests()), len(strong.requests()))
			}
			if got := dialogue(fast); !slices.Equal(got, []string{"user: " + ask, "assistant: a", again("it does not mention b")}) {
				t.Errorf("the fast backend was asked %q", got)
			}
			if got := dialogue(strong.scripted); !slices.Equal(got, tc.want) {
				t.Errorf("the strong backend was asked\n%q, want\n%q", got, tc.want)
			}
			if got := s.Totals(); got.Generations != 3 || got.Usage != res.Usage {
				t.Errorf("totals %+v", got)
			}
		})
	}
}

func checkOnly(rs ...stages.Requirement) []stages.Requirement {
	for i := range rs {
		rs[i].CheckOnly = true
	}
	return rs
}

// Whatever comes of it, the strong backend is asked once at most, and its generation is one like any other.
func TestTwoSolverAsksTheStrongBackendOnce(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		fast    []step
		strong  []step
		asked   []string // the backends, as the links saw them
		success bool
		text    string
		err     error
	}{
		{"the fast one passes", steps("no", "yes"), nil, []string{"scripted", "scripted"}, true, "yes", nil},
		{"the strong one passes", steps("no", "no"), steps("yes"), []string{"scripted", "scripted", "strong"}, true, "yes", nil},
		{"neither passes", steps("no", "no"), steps("strongly no", "yes"), []string{"scripted", "scripted", "strong"}, false, "strongly no", nil},
		{"the strong one fails", steps("no", "nope"), []step{fails(errDown)}, []string{"scripted", "scripted", "strong"}, false, "nope", nil},
		{"the fast one fails", []step{fails(errDown), fails(errDown)}, steps("yes"), []string{"scripted", "scripted", "strong"}, true, "yes", nil},
		{"the fast one is refused", []step{fails(errAuth)}, steps("yes"), []string{"scripted", "strong"}, true, "yes", nil},
		{"the fast one panics", []step{func() (stages.Output, error) { panic("no memory") }}, steps("yes"), []string{"scripted", "strong"}, true, "yes", nil},
		{"both fail", []step{fails(errDown), fails(errScript)}, []step{fails(errAuth)}, []string{"scripted", "scripted", "strong"}, false, "", errDown},
		{
			"the fast one fails behind a tool",
			[]step{call("tide", "{}"), fails(errDown)},
			steps("yes"),
			[]string{"scripted", "scripted"},
			false, "", errDown,
		},
		{
			"the strong one asks for a tool", steps("no", "no"),
			[]step{call("tide", "{}"), answer("yes")},
			[]string{"scripted", "scripted", "strong", "strong"},
			true, "yes", nil,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			fast, strong := script(tc.fast...), strongly{script(tc.strong...)}
			s := start(t, session.WithBackend(fast), session.WithTools(tideTool()))
			var asked []string
			use(t, s.Pipeline().Generation, chain.Before("who", func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
				asked = append(asked, g.Backend().Name)
				return g, nil
			}))
			res, err := s.Instruct(t.Context(), "Say yes.", session.Require(mentions("yes")),
				session.Using(session.TwoSolver{Strong: strong, LoopBudget: 2}))
			if !errors.Is(err, tc.err) || err == nil && (res.Success != tc.success || res.Text() != tc.text) {
				t.Errorf("got %+v, %v", res, err)
			}
			if !slices.Equal(asked, tc.asked) {
				t.Errorf("asked %v, want %v", asked, tc.asked)
			}
			if got := len(fast.requests()) + len(strong.requests()); got != len(asked) {
				t.Errorf("%d requests", got)
			}
		})
	}
}

func steps(texts ...string) (out []step) {
	for _, text := range texts {
		out = append(out, answer(text))
	}
	return out
}

// A hook can keep a request from the strong backend, and a context of a link's own does not lead to the other one.
func TestLinksAroundTheStrongBackend(t *testing.T) {
	t.Parallel()
	t.Run("a block", func(t *testing.T) {
		t.Parallel()
		strong := strongly{script(answer("yes"))}
		s := start(t, session.WithBackend(script(answer("no"))))
		use(t, s.Pipeline().Generation, chain.Before("stay", func(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
			if g.Backend().Name == "strong" {
				return blocking(ctx, g)
			}
			return g, nil
		}))
		_, err := s.Instruct(t.Context(), "Say yes.", session.Require(mentions("yes")), session.Using(session.TwoSolver{Strong: strong, LoopBudget: 1}))
		wantBlock(t, err, "generation")
		if len(strong.requests()) != 0 {
			t.Error("it was asked all the same")
		}
	})
	t.Run("another context", func(t *testing.T) {
		t.Parallel()
		fast, strong := script(answer("no")), strongly{script(answer("yes"))}
		s := start(t, session.WithBackend(fast), session.WithSetup(around(ofGeneration,
			func(_ context.Context, g *stages.Generation, next handler[*stages.Generation]) (*stages.Generation, error) {
				return next(context.Background(), g)
			})))
		res, err := s.Instruct(t.Context(), "Say yes.", session.Require(mentions("yes")), session.Using(session.TwoSolver{Strong: strong, LoopBudget: 1}))
		if err != nil || res.Text() != "yes" || len(fast.requests()) != 1 || len(strong.requests()) != 1 {
			t.Errorf("got %+v, %v", res, err)
		}
	})
	t.Run("a budget of its own", func(t *testing.T) {
		t.Parallel()
		strong := strongly{script(answer("yes"))}
		s := start(t, session.WithBackend(script(answer("no"))), session.WithSetup(
			rewriteIn(ofSampling, func(p *stages.Sampling) *stages.Sampling { return p.WithLoopBudget(1) })))
		res, err := s.Instruct(t.Context(), "Say yes.", session.Require(mentions("yes")), session.Using(session.TwoSolver{Strong: strong, LoopBudget: 9}))
		if err != nil || res.Text() != "yes" || res.Attempts.Len() != 2 {
			t.Errorf("got %+v, %v", res, err)
		}
	})
}

// Feedback of the user's own, such as a judge's.
func TestTwoSolverFeedback(t *testing.T) {
	t.Parallel()
	t.Run("a judge", func(t *testing.T) {
		t.Parallel()
		fast, strong := script(answer("a"), answer("too vague"), answer("nothing"), answer("too short"), answer("still vague")), strongly{script(answer("a b"))}
		s := start(t, session.WithBackend(fast))
		judge := func(ctx context.Context, f session.Failed) (string, error) {
			out, err := stages.From(ctx).Generate(ctx, []stages.Message{{Role: stages.RoleUser, Text: "Judge " + f.Result.Text}}, stages.ModelOptions{})
			return out.Text, err
		}
		res, err := s.Instruct(t.Context(), "Say a and b.", session.Require(mentions("a"), mentions("b")), session.Using(
			session.TwoSolver{Strong: strong, LoopBudget: 2, Mode: session.BestAttempt, Feedback: judge}))
		if err != nil || res.Text() != "a b" {
			t.Fatalf("got %+v, %v", res, err)
		}
		if got := dialogue(strong.scripted)[0]; !strings.HasSuffix(got, "This is the best answer so far:\na\n\nIt was turned down:\ntoo short\n\nPlease give a better one.") {
			t.Errorf("the strong backend was asked %q", got)
		}
	})
	t.Run("an error", func(t *testing.T) {
		t.Parallel()
		strong := strongly{script(answer("yes"))}
		s := start(t, session.WithBackend(script(answer("no"), answer("no"))))
		_, err := s.Instruct(t.Context(), "Say yes.", session.Require(mentions("yes")), session.Using(session.TwoSolver{
			Strong: strong, LoopBudget: 2, Feedback: func(context.Context, session.Failed) (string, error) { return "", errDown },
		}))
		if !errors.Is(err, errDown) || err.Error() != `session: strategy "two_solver": feedback: `+errDown.Error() || len(strong.requests()) != 0 {
			t.Errorf("got %v", err)
		}
	})
}
