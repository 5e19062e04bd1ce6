package session

import (
	"context"
	"fmt"

	"github.com/maillon-go/maillon/stages"
)

// DefaultLoopBudget is how many steps a loop takes at most unless its strategy says otherwise. A step is one attempt, or
// several at once.
const DefaultLoopBudget = 3

// Strategy is a stages.Strategy that says how to go on after an answer that failed its requirements. The session owns
// the loop, its hooks and the validation. It is asked only when there is a step left; its error ends the loop.
//
// It may also have these methods, each asked once for a loop:
//   - Budget() int: steps at most, instead of DefaultLoopBudget;
//   - InFlight() int: attempts that each step makes at once, instead of 1; see below;
//   - Choose(passed []stages.Attempt) int: the index of the answer among all attempts of a step that passed. It is asked
//     where one did, when all have ended; without it the first that passes is the answer;
//   - Escalate() Backend: answers one more attempt, by itself, after the last step, instead of the session's backend. The
//     session does not close it;
//   - JudgedBy() Backend: judges in the loop, see Judge, in the place of the session's backend; nil leaves it to that one.
//     The session does not close it;
//   - RepairKind() stages.RepairKind: instead of stages.RepairCustom;
//   - Requirements() []stages.Requirement: checked instead of those of the call. They are not shown to the model. That a
//     typed answer can be decoded is checked all the same.
//
// A struct that embeds a Strategy of this package, and has one of these methods itself, changes that and keeps the rest.
//
// The attempts of a step ask the same, concurrently. The first that passes cancels the others through their contexts, and
// the loop waits for them. Where none passes, Repair is asked once, about the best of them.
//
// An error of the backend is an attempt that failed; it is on record with its Err. After a step without any answer Repair
// is asked about the answer before, once more; where there is none, what the loop began with is asked again. No further
// step follows an error behind a tool that was run, or behind text that the reader of a stream has got, and none but that
// of Escalate a panic or a *BackendError that is not Temporary. A block, a link or a function that checks and fails, and
// the end of the call's context end the loop in any case.
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
	_ Strategy = MajorityVoting{}
	_ Strategy = TwoSolver{}
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

// RejectionSampling asks the same again until an answer fulfils all requirements or the loop budget is used up. It is
// the default. By name, as a hook sets it, it is "rejection_sampling" with the optional settings "loop_budget" and
// "concurrency".
type RejectionSampling struct {
	LoopBudget  int // steps at most; below 1 is an error
	Concurrency int // attempts of a step, at once; 0 is 1

	implied bool // nobody asked for it
}

// Name is "rejection_sampling".
func (RejectionSampling) Name() string { return rejectionName }

// Settings hold the loop budget and the concurrency.
func (s RejectionSampling) Settings() stages.Map[any] {
	return loopSettings(s.LoopBudget, s.Concurrency)
}

// Budget is the loop budget.
func (s RejectionSampling) Budget() int { return s.LoopBudget }

// InFlight is the concurrency.
func (s RejectionSampling) InFlight() int { return orOne(s.Concurrency) }

// RepairKind is stages.RepairIdentity.
func (RejectionSampling) RepairKind() stages.RepairKind { return stages.RepairIdentity }

// Repair asks the same again.
func (RejectionSampling) Repair(_ context.Context, f Failed) (stages.Action, stages.History, error) {
	return f.Start, f.StartHistory, nil
}

func loopSettings(budget, concurrency int) stages.Map[any] {
	return stages.MapOf(map[string]any{settingBudget: budget, settingConcurrency: orOne(concurrency)})
}

func orOne(n int) int {
	if n == 0 {
		return 1
	}
	return n
}
