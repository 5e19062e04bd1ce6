package session

import (
	"fmt"
	"math"

	"github.com/maillon-go/maillon/stages"
)

// DefaultLoopBudget is how often an instruction is tried unless LoopBudget says otherwise.
const DefaultLoopBudget = 3

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
	return stages.MapOf(map[string]any{"loop_budget": s.LoopBudget})
}

// loopBudget is how many attempts a strategy asks for. No strategy at all, which a hook can choose, is one attempt.
func loopBudget(s stages.Strategy) (int, error) {
	switch s := s.(type) {
	case nil:
		return 1, nil
	case RejectionSampling:
		return s.LoopBudget, nil
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
