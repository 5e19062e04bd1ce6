package session

import (
	"context"
	"fmt"

	"github.com/maillon-go/maillon/stages"
)

// plan is how a strategy runs: what it says of itself, asked once for a loop.
type plan struct {
	strategy Strategy
	kind     stages.RepairKind
	budget   int // steps, unless sampling_loop_start changes it
	inFlight int // attempts of a step
	choose   func(passed []stages.Attempt) int
	strong   *solver // nil where there is none
	judge    *solver // of requirements that a model decides on; nil: the session's backend
	own      func() []stages.Requirement
}

// solver is a backend that answers in the place of the session's, with what it says of itself.
type solver struct {
	backend Backend
	says    stages.Backend
}

func newSolver(b Backend) *solver {
	return &solver{b, newOpened(b, "", stages.Map[any]{}).describe("")}
}

// delegate says which backend answers a generation, or judges for a validation. One in the place of the session's is remembered by the correlation
// id, for as long as the request lasts: a link may call it late.
func (r *request) delegate(m stages.Meta, to *solver) stages.Backend {
	if to == nil {
		return r.backend
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.solvers == nil {
		r.solvers = map[string]*solver{}
	}
	r.solvers[m.CorrelationID] = to
	return to.says
}

// delegated is the one that answers in the place of the session's backend, or nil.
func (r *request) delegated(m stages.Meta) *solver {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.solvers[m.CorrelationID]
}

// answering is the backend of a generation.
func (s *Session) answering(r *request, m stages.Meta) Backend {
	switch to := r.delegated(m); {
	case to != nil:
		return to.backend
	case s.apart:
		return r.answers
	}
	return s.instance()
}

// plans finds out how to run a strategy. No strategy at all, which a hook can choose, is one attempt.
// The backends that it names are those of the session.
func plans(ctx context.Context, in *Session, s stages.Strategy) (plan, error) {
	p := plan{kind: stages.RepairCustom, budget: DefaultLoopBudget, inFlight: 1}
	switch run, ok := s.(Strategy); {
	case s == nil:
		p.strategy, p.budget = RejectionSampling{}, 1
		return p, nil
	case ok:
		p.strategy = run
	default:
		var err error
		if p.strategy, err = named(s.Name(), s.Settings(), func(name string) (Backend, error) { return in.helper(ctx, name) }); err != nil {
			return p, err
		}
	}
	if x, ok := p.strategy.(interface{ valid() error }); ok {
		if err := x.valid(); err != nil {
			return p, err
		}
	}
	if x, ok := p.strategy.(interface{ Budget() int }); ok {
		p.budget = x.Budget()
	}
	if x, ok := p.strategy.(interface{ InFlight() int }); ok {
		p.inFlight = x.InFlight()
	}
	if p.inFlight < 1 {
		return p, fmt.Errorf("%w: strategy %q: %d attempts at once", ErrOption, p.strategy.Name(), p.inFlight)
	}
	if x, ok := p.strategy.(interface {
		Choose(passed []stages.Attempt) int
	}); ok {
		p.choose = x.Choose
	}
	if x, ok := p.strategy.(interface{ Escalate() Backend }); ok {
		b := x.Escalate()
		if nilBackend(b) {
			return p, fmt.Errorf("%w: strategy %q escalates to no backend", ErrOption, p.strategy.Name())
		}
		p.strong = newSolver(b)
	}
	if x, ok := p.strategy.(interface{ JudgedBy() Backend }); ok {
		if b := x.JudgedBy(); !nilBackend(b) {
			p.judge = newSolver(b)
		} else if b != nil {
			return p, fmt.Errorf("%w: strategy %q: the judge is a nil function", ErrOption, p.strategy.Name())
		}
	}
	if x, ok := p.strategy.(interface{ RepairKind() stages.RepairKind }); ok {
		p.kind = x.RepairKind()
	}
	if x, ok := p.strategy.(interface{ Requirements() []stages.Requirement }); ok {
		p.own = x.Requirements
	}
	return p, nil
}

// required is what answers have to fulfil: the strategy's own requirements, where it has some, else the call's. That they
// can be decoded stays one, where links have left it.
func (p *plan) required(call stages.List[stages.Requirement], typed bool) stages.List[stages.Requirement] {
	if p.own == nil {
		return call
	}
	own := stages.ListOf(p.own()...)
	for _, q := range call.All() {
		if typed && q.Name == decodeName && q.Description == decodeText && q.CheckOnly {
			own = own.Append(q)
		}
	}
	return own
}

// steps are those that are left after step n of a loop with this budget.
func (p *plan) steps(n, budget int) int {
	left := budget - n
	if p.strong != nil {
		left++
	}
	return left
}
