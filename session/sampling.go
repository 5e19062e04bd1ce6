package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/maillon-go/maillon/stages"
)

// loop is what the handler of the sampling stage needs to know beyond its payload. It finds it by its correlation id.
type loop struct {
	outer     *loop             // in the request's list
	component *stages.Component // being executed
	tools     stages.List[stages.Callable]
	meta      stages.Meta // of the sampling stage
	plan      plan

	requirements stages.List[stages.Requirement]

	// Of the final answer: what precedes it in the history. Guarded by the request's mutex.
	added []stages.Message
	// And the tools that it took.
	ran []stages.ToolRun
}

// trySampling runs the sampling stage for a component. An error that the loop ended in is returned after its hooks have
// seen it.
func (s *Session) trySampling(ctx context.Context, r *request, c *stages.Component) (*stages.Sampling, *loop, error) {
	if absent(c.Action()) {
		return nil, nil, errors.New("session: component_pre_execute left no action")
	}
	what, err := s.describe(r, c.Action())
	if err != nil {
		return nil, nil, err
	}
	m := r.after(c.Meta())
	l := &loop{component: c}
	if l.plan, err = plans(ctx, s, c.Strategy()); err != nil {
		return nil, nil, err
	}
	m.ComponentKind, m.ComponentName, m.Strategy = what.kind, what.name, ""
	if c.Strategy() != nil {
		m.Strategy = c.Strategy().Name()
	}
	l.meta = m
	if c.ToolsEnabled() {
		l.tools = r.tools
	}
	l.requirements = l.plan.required(c.Requirements(), r.decode != nil)
	r.enter(l)
	defer r.leave(l)
	out, err := s.call.sampling(ctx, stages.NewSampling(m, stages.SamplingFields{
		Strategy: c.Strategy(), Action: c.Action(), History: c.History(), Requirements: l.requirements, LoopBudget: l.plan.budget,
	}))
	if err == nil && !out.HasResult() {
		err = noResult("sampling")
	}
	if err != nil {
		return nil, nil, err
	}
	return out, l, out.Err()
}

func (r *request) enter(l *loop) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l.outer, r.loops = r.loops, l
}

func (r *request) leave(l *loop) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for at := &r.loops; *at != nil; at = &(*at).outer {
		if *at == l {
			*at = l.outer
			return
		}
	}
}

func (r *request) loopOf(m stages.Meta) (*loop, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for l := r.loops; l != nil; l = l.outer { // there is one, but where a link runs a component several times at once
		if l.meta.CorrelationID == m.CorrelationID {
			return l, nil
		}
	}
	return nil, fmt.Errorf("session: %s: a loop that is over", m.CorrelationID)
}

// sampling is one run of a loop.
type sampling struct {
	*plan
	s     *Session
	r     *request
	l     *loop
	p     *stages.Sampling
	begun time.Time

	done    tries
	pending int // attempts of this step that have not ended
	later   int // those that later steps may make
	over    bool
	final   int // index of the answer, after success
	res     stages.SamplingResult

	repaired int   // index of the last attempt that has an answer and was repaired; -1: none
	failed   int   // attempts without an answer
	failure  error // of the first of them
	last     bool  // there must not be another step
	hopeless bool  // the backend need not be asked again
}

// sample is the handler of the sampling stage. An error that ends the loop is part of the result.
func (s *Session) sample(ctx context.Context, p *stages.Sampling) (*stages.Sampling, error) {
	r, err := s.requestOf(p.Meta())
	if err != nil {
		return nil, err
	}
	l, err := r.loopOf(p.Meta())
	if err != nil {
		return nil, err
	}
	x := sampling{plan: &l.plan, s: s, r: r, l: l, p: p, begun: time.Now(), repaired: -1}
	x.done.all = x.done.first[:0]
	res := &x.res
	res.FinalAction, res.FinalHistory = p.Action(), p.History()
	if res.Err = s.contain(func() error { return x.run(ctx) }); res.Err != nil {
		res.Success = false
	}
	res.Attempts, res.Duration = x.done.attempts.List(), time.Since(x.begun)
	if !res.Success {
		if x.final = best(x.done.all); x.final < 0 && res.Err == nil {
			res.Err = x.failure
		}
	}
	if x.final >= 0 {
		final := x.done.all[x.final]
		res.FinalResult, res.FinalAction, res.FinalHistory = final.Result, final.Action, final.history
		r.mu.Lock()
		l.ran = final.ran
		l.added = final.added
		if final.turns > 0 {
			l.added = append(final.history.Tail(final.turns).Messages().Slice(), final.added...)
		}
		r.mu.Unlock()
	}
	return p.Done(x.res), nil
}

// run makes steps until an answer passes or the budget is used up. What a link blocks between two attempts ends the
// loop too, without an error. An attempt without an answer is one that failed.
func (x *sampling) run(ctx context.Context) error {
	budget := x.p.LoopBudget()
	if budget < 1 {
		return fmt.Errorf("%w: it is %d", ErrLoopBudget, budget)
	}
	q := question{action: x.p.Action(), history: x.p.History()}
	for n := 1; ; n++ {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		left, attempts := x.steps(n, budget), x.inFlight
		x.later = left * attempts
		if x.strong != nil {
			x.later = max(0, left-1)*attempts + min(left, 1)
			if left == 0 {
				q.solver, attempts = x.strong, 1
			}
		}
		first := x.done.attempts.List()
		if err := x.step(ctx, q, attempts); err != nil || x.over {
			return err
		}
		if left > 0 && x.hopeless && best(x.done.all[first.Len():]) < 0 { // nothing is left but the strong backend's step
			budget, left = n, x.steps(n, n)
		}
		x.hopeless = false
		switch {
		case left == 0 || x.last:
			x.res.FailureReason = fmt.Sprintf("no answer passed in %d attempts", x.res.Iterations)
			if x.failed > 0 {
				x.res.FailureReason += fmt.Sprintf(", %d of which failed: %v", x.failed, x.failure)
			}
			return nil
		case x.r.sink.hasReleased():
			x.r.sink.event(ctx, EventRetryRefused, stages.Map[any]{})
			x.res.FailureReason = ErrReleased.Error()
			return nil
		}
		var err error
		if q, err = x.next(ctx, n, left, first); err != nil || x.over {
			return err
		}
	}
}

// next asks the strategy what to ask next, and fires sampling_repair. A step without an answer leaves it with the answer
// before, and with what the loop began with where there is none.
func (x *sampling) next(ctx context.Context, n, left int, past stages.List[stages.Attempt]) (q question, err error) {
	if i := best(x.done.all[past.Len():]); i >= 0 {
		x.repaired = past.Len() + i
	}
	failed := x.done.all[max(x.repaired, 0)]
	f := Failed{
		Attempt: failed.Attempt, Number: n, Left: left, Past: past, Start: x.p.Action(), StartHistory: x.p.History(),
		History: failed.history, FailedHistory: failed.history,
	}
	action, history := f.Start, f.StartHistory
	if x.repaired >= 0 {
		f.FailedHistory = failed.history.Append(failed.added...).Append(failed.Result.Message())
		action, history, err = x.strategy.Repair(ctx, f)
	}
	switch {
	case err != nil:
		return q, fmt.Errorf("session: strategy %q: %w", x.strategy.Name(), err)
	case absent(action):
		return q, fmt.Errorf("session: strategy %q gave no action to go on with", x.strategy.Name())
	}
	rep, err := x.s.call.repair(ctx, stages.NewRepair(x.r.after(x.p.Meta()), stages.RepairFields{
		Kind: x.kind, Failed: f.Attempt, Number: n, Past: past, History: f.History, FailedHistory: f.FailedHistory,
		RepairAction: action, RepairHistory: history,
	}))
	if err != nil {
		return q, x.stopped(err)
	}
	q = question{action: rep.RepairAction(), history: rep.RepairHistory(), turns: grown(x.p.History(), rep.RepairHistory())}
	if absent(q.action) {
		return q, errors.New("session: sampling_repair left no action")
	}
	return q, nil
}

// grown is how many messages a loop has put behind the history that it began with; 0 for another history.
func grown(start, now stages.History) int {
	if now.Len() <= start.Len() {
		return 0
	}
	later := now.Messages()
	for i, m := range start.All() {
		if !m.Equal(later.At(i)) {
			return 0
		}
	}
	return now.Len() - start.Len()
}
