package session

import (
	"context"
	"fmt"
	"math"

	"github.com/maillon-go/maillon/stages"
)

// DefaultLoopBudget is how often an instruction is tried unless LoopBudget says otherwise.
const DefaultLoopBudget = 3

// Strategy is a stages.Strategy that says how to go on after an answer that failed its requirements. The session owns
// the loop, its hooks and the validation. It is asked only when there is an attempt left; its error ends the loop.
//
// It may also have these methods:
//   - Budget() int: attempts at most, instead of DefaultLoopBudget;
//   - RepairKind() stages.RepairKind: instead of stages.RepairCustom;
//   - Requirements() []stages.Requirement: checked instead of those of the call. They are not shown to the model.
//
// Repair may be called concurrently, for different calls.
type Strategy interface {
	stages.Strategy
	Repair(ctx context.Context, f Failed) (stages.Action, stages.History, error)
}

var (
	_ Strategy = RejectionSampling{}
	_ Strategy = TemplateRepair{}
	_ Strategy = MultiTurn{}
)

// Using sets how an instruction is sampled, by default RejectionSampling. Of Using and LoopBudget the last one given
// holds.
func Using(strategy Strategy) InstructOption {
	return instructOption(func(i *instruction) error {
		if strategy == nil {
			return fmt.Errorf("%w: Using a nil strategy", ErrOption)
		}
		i.strategy = strategy
		return nil
	})
}

// rejectionName is the strategy's name, for NamedStrategy and logs.
const rejectionName = "rejection_sampling"

// RejectionSampling asks the same again until an answer fulfils all requirements or the loop budget is used up. It is
// the default. By name, as a hook sets it, it is "rejection_sampling" with the optional setting "loop_budget".
type RejectionSampling struct {
	LoopBudget int // attempts at most; below 1 is an error
}

// Name is "rejection_sampling".
func (RejectionSampling) Name() string { return rejectionName }

// Settings hold the loop budget.
func (s RejectionSampling) Settings() stages.Map[any] {
	return budgetSetting(s.LoopBudget)
}

// RepairKind is stages.RepairIdentity.
func (RejectionSampling) RepairKind() stages.RepairKind { return stages.RepairIdentity }

// Repair asks the same again.
func (RejectionSampling) Repair(_ context.Context, f Failed) (stages.Action, stages.History, error) {
	return f.Start, f.StartHistory, nil
}

func budgetSetting(n int) stages.Map[any] { return stages.MapOf(map[string]any{"loop_budget": n}) }

// runnable is the strategy that runs: one that only has a name is known to be rejection sampling, see loopBudget.
func runnable(s stages.Strategy) (Strategy, stages.RepairKind) {
	run, ok := s.(Strategy)
	if !ok {
		run = RejectionSampling{}
	}
	if k, ok := run.(interface{ RepairKind() stages.RepairKind }); ok {
		return run, k.RepairKind()
	}
	return run, stages.RepairCustom
}

// required is what answers have to fulfil: the strategy's own requirements, where it has some, else the call's.
func required(s stages.Strategy, call stages.List[stages.Requirement]) stages.List[stages.Requirement] {
	if own, ok := s.(interface{ Requirements() []stages.Requirement }); ok {
		return stages.ListOf(own.Requirements()...)
	}
	return call
}

// loopBudget is how many attempts a strategy asks for. No strategy at all, which a hook can choose, is one attempt.
func loopBudget(s stages.Strategy) (int, error) {
	switch s := s.(type) {
	case nil:
		return 1, nil
	case RejectionSampling:
		return s.LoopBudget, nil
	case interface{ Budget() int }:
		return s.Budget(), nil
	case Strategy:
		return DefaultLoopBudget, nil
	}
	if s.Name() != rejectionName {
		return 0, fmt.Errorf("%w: %q", ErrUnknownStrategy, s.Name())
	}
	v, ok := s.Settings().Get("loop_budget")
	if !ok {
		return DefaultLoopBudget, nil
	}
	switch n := v.(type) {
	case int:
		return n, nil
	case int64:
		return int(n), nil
	case float64: // as JSON and YAML decode numbers
		if n == math.Trunc(n) {
			return int(n), nil
		}
	}
	return 0, fmt.Errorf("%w: it is %v, a %T", ErrLoopBudget, v, v)
}
