package session

import (
	"fmt"
	"math"
	"slices"

	"github.com/maillon-go/maillon/stages"
)

// The names of the strategies of this package, for stages.NamedStrategy and logs.
const (
	rejectionName = "rejection_sampling"
	templateName  = "template_repair"
	multiTurnName = "multi_turn"
	votingName    = "majority_voting"
	twoSolverName = "two_solver"
)

// The settings that they have.
const (
	settingBudget      = "loop_budget"
	settingConcurrency = "concurrency"
	settingSamples     = "samples"
	settingMode        = "mode"
	settingStrong      = "strong"
	settingJudge       = "judge"
)

// named is the strategy of this package that stages.NamedStrategy asks for. A setting that it does not have is an error.
func named(name string, from stages.Map[any], open func(name string) (Backend, error)) (s Strategy, err error) {
	set := settings{strategy: name, from: from, open: open}
	switch name {
	case rejectionName:
		s = RejectionSampling{LoopBudget: set.budget(DefaultLoopBudget), Concurrency: set.number(settingConcurrency, 1)}
	case templateName:
		s = TemplateRepair{LoopBudget: set.budget(DefaultLoopBudget), Concurrency: set.number(settingConcurrency, 1)}
	case multiTurnName:
		s = MultiTurn{LoopBudget: set.budget(DefaultLoopBudget), Concurrency: set.number(settingConcurrency, 1)}
	case votingName:
		s = MajorityVoting{Samples: set.number(settingSamples, DefaultSamples), LoopBudget: set.budget(1)}
	case twoSolverName:
		s = TwoSolver{
			Strong: set.backend(settingStrong), Judge: set.backend(settingJudge),
			LoopBudget: set.budget(DefaultLoopBudget), Mode: set.mode(settingMode),
		}
	default:
		return nil, fmt.Errorf("%w: %q", ErrUnknownStrategy, name)
	}
	return s, set.end()
}

// settings reads the settings of a strategy that was chosen by name. The first error counts.
type settings struct {
	strategy string
	from     stages.Map[any]
	open     func(name string) (Backend, error)
	known    []string
	err      error
}

func (s *settings) get(key string) (any, bool) {
	s.known = append(s.known, key)
	return s.from.Get(key)
}

func (s *settings) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// wholeNumber is a whole number, as Go, JSON and YAML have them.
func wholeNumber(v any) (int, bool) {
	switch n := v.(type) {
	case int:
		return n, true
	case int64:
		return int(n), true
	case uint64:
		if n <= math.MaxInt {
			return int(n), true
		}
	case float64:
		if n == math.Trunc(n) && math.Abs(n) < 1<<53 {
			return int(n), true
		}
	}
	return 0, false
}

func (s *settings) budget(otherwise int) int {
	v, ok := s.get(settingBudget)
	if !ok {
		return otherwise
	}
	n, ok := wholeNumber(v)
	if !ok {
		s.fail(fmt.Errorf("%w: it is %v, a %T", ErrLoopBudget, v, v))
	}
	return n
}

func (s *settings) number(key string, otherwise int) int {
	v, ok := s.get(key)
	if !ok {
		return otherwise
	}
	n, ok := wholeNumber(v)
	if !ok || n < 1 {
		s.fail(fmt.Errorf("%w: strategy %q: %s must be a whole number of at least 1", ErrOption, s.strategy, key))
	}
	return n
}

func (s *settings) mode(key string) TwoSolverMode {
	switch v, _ := s.get(key); v := v.(type) {
	case nil:
		return FreshStart
	case TwoSolverMode:
		return v
	case string:
		return TwoSolverMode(v)
	default:
		s.fail(fmt.Errorf("%w: strategy %q: %s is a %T", ErrOption, s.strategy, key, v))
		return ""
	}
}

func (s *settings) backend(key string) Backend {
	v, ok := s.get(key)
	if !ok {
		return nil
	}
	switch v := v.(type) {
	case Backend:
		return v
	case string:
		b, err := s.open(v)
		if err != nil {
			s.fail(fmt.Errorf("strategy %q: %s: %w", s.strategy, key, err))
		}
		return b
	}
	s.fail(fmt.Errorf("%w: strategy %q: %s is a %T and neither a Backend nor the name of one", ErrOption, s.strategy, key, v))
	return nil
}

// end is the error of reading, or that there is a setting which nobody asked for.
func (s *settings) end() error {
	for key := range s.from.All() {
		if s.err == nil && !slices.Contains(s.known, key) {
			s.err = fmt.Errorf("%w: strategy %q has no setting %q", ErrOption, s.strategy, key)
		}
	}
	return s.err
}
