package session_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// nagging is a user's own strategy. It has nothing but what it must have.
type nagging struct{}

func (nagging) Name() string              { return "nagging" }
func (nagging) Settings() stages.Map[any] { return stages.Map[any]{} }
func (nagging) Repair(_ context.Context, f session.Failed) (stages.Action, stages.History, error) {
	return session.Reply("Again!"), f.FailedHistory, nil
}

// strategies are all of the package and one of a user's, each with three attempts, one after the other.
var strategies = []struct {
	name string
	kind stages.RepairKind
	make func(strong session.Backend) session.Strategy
}{
	{"rejection_sampling", stages.RepairIdentity, func(session.Backend) session.Strategy { return session.RejectionSampling{LoopBudget: 3} }},
	{"template_repair", stages.RepairTemplate, func(session.Backend) session.Strategy { return session.TemplateRepair{LoopBudget: 3} }},
	{"multi_turn", stages.RepairMultiTurn, func(session.Backend) session.Strategy { return session.MultiTurn{LoopBudget: 3} }},
	{"majority_voting", stages.RepairIdentity, func(session.Backend) session.Strategy {
		return session.MajorityVoting{Samples: 1, LoopBudget: 3}
	}},
	{"two_solver", stages.RepairTwoSolver, twoSolver(session.FreshStart)},
	{"two_solver", stages.RepairTwoSolver, twoSolver(session.ContinueChat)},
	{"two_solver", stages.RepairTwoSolver, twoSolver(session.BestAttempt)},
	{"nagging", stages.RepairCustom, func(session.Backend) session.Strategy { return nagging{} }},
}

// strategyBy is a strategy, unary or streamed.
type strategyBy struct {
	name string
	kind stages.RepairKind
	make func(strong session.Backend) session.Strategy
	way  string
	give func(t *testing.T, s *session.Session, description string, opts ...session.InstructOption) (*session.Result, error)
}

func byWay() (out []strategyBy) {
	for _, way := range calls {
		for _, st := range strategies {
			out = append(out, strategyBy{st.name, st.kind, st.make, way.name, way.give})
		}
	}
	return out
}

func twoSolver(m session.TwoSolverMode) func(session.Backend) session.Strategy {
	return func(strong session.Backend) session.Strategy {
		return session.TwoSolver{Strong: strong, LoopBudget: 2, Mode: m}
	}
}

// Behaviour 38: sampling_repair between attempts only, sampling_loop_end on success, exhaustion and error, and each strategy
// with its own repair kind.
func TestSamplingHooksOfEveryStrategy(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name       string
		steps      []step
		iterations int
		repairs    int
		success    bool
		err        error
	}{
		{"the first passes", []step{answer("yes")}, 1, 0, true, nil},
		{"the second passes", []step{answer("no"), answer("yes")}, 2, 1, true, nil},
		{"the last passes", []step{answer("no"), answer("no"), answer("yes")}, 3, 2, true, nil},
		{"none passes", []step{answer("no"), answer("no"), answer("no")}, 3, 2, false, nil},
		{"nothing but errors", []step{fails(errDown), fails(errScript), fails(errScript)}, 3, 2, false, errDown},
		{"an error at first", []step{fails(errDown), answer("yes")}, 2, 1, true, nil},
		{"errors, then an answer", []step{fails(errDown), fails(errDown), answer("no")}, 3, 2, false, nil},
		{"an error after a repair", []step{answer("no"), fails(errDown), answer("yes")}, 3, 2, true, nil},
		{"an error in the last attempt", []step{answer("no"), answer("no"), fails(errDown)}, 3, 2, false, nil},
	} {
		for _, st := range byWay() {
			t.Run(fmt.Sprintf("%s by %s %s", tc.name, st.name, st.way), func(t *testing.T) {
				t.Parallel()
				rec, b := &recorder{}, script(tc.steps...)
				s := start(t, session.WithBackend(b), session.WithSetup(rec.register))
				res, err := st.give(t, s, "Say yes.", session.Require(mentions("yes")), session.Using(st.make(b)))
				if !errors.Is(err, tc.err) || err == nil && res.Success != tc.success {
					t.Fatalf("got %+v, %v", res, err)
				}
				for hook, want := range map[string]int{
					"sampling_loop_start": 1, "sampling_iteration": tc.iterations, "sampling_repair": tc.repairs, "sampling_loop_end": 1,
				} {
					if got := rec.count(hook); got != want {
						t.Errorf("%s fired %d times, want %d", hook, got, want)
					}
				}
				number, repairs := 0, 0
				for _, e := range rec.all() {
					switch p := e.payload.(type) {
					case *stages.Iteration:
						if number++; p.Number() != number || p.Remaining() != 3-number {
							t.Errorf("iteration %d with %d left, want %d", p.Number(), p.Remaining(), number)
						}
					case *stages.Repair:
						if repairs++; p.Kind() != st.kind || p.Number() != repairs || p.Past().Len() != repairs-1 {
							t.Errorf("repair %d of kind %s", p.Number(), p.Kind())
						}
					case *stages.Sampling:
						if p.Meta().Strategy != st.name || p.Strategy().Name() != st.name {
							t.Errorf("the strategy is %q", p.Meta().Strategy)
						}
					}
				}
				end := last[*stages.Sampling](t, rec, "sampling_loop_end")
				exhausted := !tc.success && tc.err == nil
				if end.Success() != tc.success || !errors.Is(end.Err(), tc.err) || end.Iterations() != tc.iterations ||
					end.Attempts().Len() != tc.iterations || exhausted && end.FailureReason() == "" || exhausted && res.FailureReason != end.FailureReason() {
					t.Errorf("sampling_loop_end got %+v", end)
				}
				answered := 0
				for i, a := range end.Attempts().All() {
					if a.Err == nil {
						answered++
						continue
					}
					if !errors.Is(a.Err, errDown) && !errors.Is(a.Err, errScript) || a.Passed() {
						t.Errorf("attempt %d failed with %v", i+1, a.Err)
					}
				}
				if said := strings.Contains(end.FailureReason(), errDown.Error()); exhausted && said != (answered < tc.iterations) {
					t.Errorf("the reason is %q", end.FailureReason())
				}
				if want := (stages.Usage{InputTokens: 2 * answered, OutputTokens: answered}); end.Usage() != want {
					t.Errorf("usage %+v, want %+v", end.Usage(), want)
				}
			})
		}
	}
}

// demanding changes one thing of a strategy, and keeps the rest.
type demanding struct{ session.MultiTurn }

func (demanding) Requirements() []stages.Requirement {
	return []stages.Requirement{mentions("sure")}
}

func TestStrategyRequirementsOverrideThoseOfTheCall(t *testing.T) {
	t.Parallel()
	rec, b := &recorder{}, script(answer("yes"), answer("sure"))
	s := start(t, session.WithBackend(b), session.WithSetup(rec.register))
	res, err := s.Instruct(t.Context(), "Say yes.", session.Require(mentions("yes")),
		session.Using(demanding{session.MultiTurn{LoopBudget: 2}}))
	if err != nil || !res.Success || res.Text() != "sure" {
		t.Fatalf("got %+v, %v", res, err)
	}
	if got := b.requests()[0].Messages().At(0).Text; got != "Say yes.\n\nRequirements:\n- Mention yes" {
		t.Errorf("the model was asked %q", got)
	}
	if p := last[*stages.Sampling](t, rec, "sampling_loop_start"); p.Requirements().Len() != 1 || p.Requirements().At(0).Description != "Mention sure" {
		t.Errorf("sampling_loop_start got %v", p.Requirements())
	}
	if p := last[*stages.Repair](t, rec, "sampling_repair"); p.Kind() != stages.RepairMultiTurn || p.RepairHistory().Len() != 2 {
		t.Errorf("what it does not change is not that of multi_turn: %+v", p)
	}
}

// A hook chooses a strategy by name.
func TestStrategiesByName(t *testing.T) {
	t.Parallel()
	strong := script(answer("maybe"), answer("maybe"))
	type set = map[string]any
	for _, tc := range []struct {
		name     string
		strategy string
		settings set
		attempts int
		kind     stages.RepairKind // of the last repair, where there is one
		want     string            // part of the error
	}{
		{"defaults", "rejection_sampling", nil, 3, stages.RepairIdentity, ""},
		{"a budget of JSON", "rejection_sampling", set{"loop_budget": 2.0}, 2, stages.RepairIdentity, ""},
		{"a budget of YAML", "template_repair", set{"loop_budget": uint64(2)}, 2, stages.RepairTemplate, ""},
		{"template repair", "template_repair", nil, 3, stages.RepairTemplate, ""},
		{"multi turn", "multi_turn", set{"loop_budget": int64(4)}, 4, stages.RepairMultiTurn, ""},
		{"attempts at once", "multi_turn", set{"loop_budget": 2, "concurrency": 3}, 6, stages.RepairMultiTurn, ""},
		{"votes", "majority_voting", nil, session.DefaultSamples, "", ""},
		{"votes twice", "majority_voting", set{"samples": 2, "loop_budget": 2}, 4, stages.RepairIdentity, ""},
		{"two solvers", "two_solver", set{"strong": strong, "loop_budget": 1}, 2, stages.RepairTwoSolver, ""},
		{"two solvers that chat", "two_solver", set{"strong": strong, "loop_budget": 1, "mode": "continue_chat"}, 2, stages.RepairTwoSolver, ""},
		{"what a strategy says of itself", "multi_turn", session.MultiTurn{LoopBudget: 2, Concurrency: 2}.Settings().Clone(), 4, stages.RepairMultiTurn, ""},
		{"a name that nobody has", "wishful", nil, 0, "", `unknown strategy: "wishful"`},
		{"a setting that it does not have", "multi_turn", set{"samples": 2}, 0, "", `no setting "samples"`},
		{"a budget that is no number", "multi_turn", set{"loop_budget": "many"}, 0, "", "loop budget must be at least 1: it is many"},
		{"a budget of nothing", "multi_turn", set{"loop_budget": 0}, 0, "", "loop budget must be at least 1"},
		{"a concurrency of nothing", "multi_turn", set{"concurrency": 0}, 0, "", "concurrency must be a whole number"},
		{"half a sample", "majority_voting", set{"samples": 0.5}, 0, "", "samples must be a whole number"},
		{"no strong backend", "two_solver", nil, 0, "", "escalates to no backend"},
		{"a strong backend that is none", "two_solver", set{"strong": 1}, 0, "", "strong is a int and neither a Backend nor the name of one"},
		{"a name without backends", "two_solver", set{"strong": "big"}, 0, "", `strategy "two_solver": strong: session: unknown backend "big": register it with WithBackends`},
		{"a judge that is none", "two_solver", set{"strong": strong, "judge": 1}, 0, "", "judge is a int"},
		{"a mode that nobody knows", "two_solver", set{"strong": strong, "mode": "guess"}, 0, "", `no mode "guess"`},
		{"a mode that is none", "two_solver", set{"strong": strong, "mode": 1}, 0, "", "mode is a int"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			rec, b := &recorder{}, script(slices.Repeat([]step{answer("no")}, 6)...)
			s := start(t, session.WithBackend(b), session.WithSetup(rec.register), session.WithSetup(
				rewriteIn(ofComponent, func(c *stages.Component) *stages.Component {
					return c.WithStrategy(stages.NamedStrategy(tc.strategy, stages.MapOf(tc.settings)))
				})))
			res, err := s.Instruct(t.Context(), "Say yes.", session.Require(mentions("yes")))
			if tc.want != "" {
				if err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Fatalf("got %v, want %q", err, tc.want)
				}
				return
			}
			if err != nil || res.Success || res.Attempts.Len() != tc.attempts {
				t.Fatalf("got %+v, %v", res, err)
			}
			if tc.kind != "" && last[*stages.Repair](t, rec, "sampling_repair").Kind() != tc.kind {
				t.Error("it is another strategy")
			}
		})
	}
}

// Settings that cannot work are errors also where the strategy is given as a value.
func TestStrategiesThatCannotRun(t *testing.T) {
	t.Parallel()
	for name, st := range map[string]session.Strategy{
		"a negative concurrency":       session.RejectionSampling{LoopBudget: 1, Concurrency: -1},
		"no samples":                   session.MajorityVoting{},
		"no strong backend":            session.TwoSolver{LoopBudget: 1},
		"a function that is none":      session.TwoSolver{LoopBudget: 1, Strong: session.BackendFunc(nil)},
		"a judge that is none":         session.TwoSolver{LoopBudget: 1, Strong: echo(), Judge: session.BackendFunc(nil)},
		"a mode that nobody knows":     session.TwoSolver{LoopBudget: 1, Strong: echo(), Mode: "guess"},
		"a choice that does not exist": choosing(3),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, session.WithBackend(echo()))
			if res, err := s.Instruct(t.Context(), "Say yes.", session.Using(st)); err == nil {
				t.Errorf("got %+v", res)
			} else if _, isChoosing := st.(choosing); !isChoosing && !errors.Is(err, session.ErrOption) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// choosing is a strategy that always chooses the same.
type choosing int

func (choosing) Name() string                  { return "choosing" }
func (choosing) Settings() stages.Map[any]     { return stages.Map[any]{} }
func (c choosing) Choose([]stages.Attempt) int { return int(c) }
func (choosing) Repair(_ context.Context, f session.Failed) (stages.Action, stages.History, error) {
	return f.Start, f.StartHistory, nil
}
