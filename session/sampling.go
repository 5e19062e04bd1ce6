package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

// loop is what the handler of the sampling stage needs to know beyond its payload. It finds it by its correlation id.
type loop struct {
	component *stages.Component // being executed
	tools     stages.List[stages.Callable]

	requirements stages.List[stages.Requirement]
	meta         stages.Meta // of the sampling stage

	// Of the final answer: what precedes it in the history. Guarded by the request's mutex.
	added []stages.Message
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
	budget, err := loopBudget(c.Strategy())
	if err != nil {
		return nil, nil, err
	}
	m := r.after(c.Meta())
	l := &loop{component: c}
	m.ComponentKind, m.ComponentName, m.Strategy = what.kind, what.name, ""
	if c.Strategy() != nil {
		m.Strategy = c.Strategy().Name()
	}
	l.meta = m
	if c.ToolsEnabled() {
		l.tools = r.tools
	}
	l.requirements = required(c.Strategy(), c.Requirements())
	r.enter(m.CorrelationID, l)
	defer r.leave(m.CorrelationID)
	out, err := s.call.sampling(ctx, stages.NewSampling(m, stages.SamplingFields{
		Strategy: c.Strategy(), Action: c.Action(), History: c.History(), Requirements: l.requirements, LoopBudget: budget,
	}))
	if err == nil && !out.HasResult() {
		err = noResult("sampling")
	}
	if err != nil {
		return nil, nil, err
	}
	return out, l, out.Err()
}

func (r *request) enter(correlation string, l *loop) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.loops == nil {
		r.loops = map[string]*loop{}
	}
	r.loops[correlation] = l
}

func (r *request) leave(correlation string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.loops, correlation)
}

func (r *request) loopOf(m stages.Meta) (*loop, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.loops[m.CorrelationID]; l != nil {
		return l, nil
	}
	return nil, fmt.Errorf("session: %s: a loop that is over", m.CorrelationID)
}

// try is an attempt with what precedes its answer in the history.
type try struct {
	stages.Attempt
	question
	added []stages.Message
}

// tries are those of a loop so far.
type tries struct {
	all      []try
	attempts stages.Growing[stages.Attempt] // the same, for payloads
}

func (t *tries) add(n try) {
	t.all = append(t.all, n)
	t.attempts.Add(n.Attempt)
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
	begun := time.Now()
	res := stages.SamplingResult{FinalAction: p.Action(), FinalHistory: p.History()}
	var done tries
	res.Err = s.contain(func() error { return s.loop(ctx, r, l, p, begun, &done, &res) })
	res.Attempts, res.Duration = done.attempts.List(), time.Since(begun)
	if final, ok := best(done.all, res.Success); ok {
		res.FinalResult, res.FinalAction, res.FinalHistory = final.Result, final.Action, final.history
		r.mu.Lock()
		l.added = append(final.history.Tail(final.turns).Messages().Slice(), final.added...)
		r.mu.Unlock()
	}
	return p.Done(res), nil
}

// loop tries until an answer passes or the budget is used up. What a link blocks between two tries ends the
// loop too, without an error.
func (s *Session) loop(
	ctx context.Context, r *request, l *loop, p *stages.Sampling, begun time.Time, done *tries, res *stages.SamplingResult,
) error {
	budget := p.LoopBudget()
	if budget < 1 {
		return fmt.Errorf("%w: it is %d", ErrLoopBudget, budget)
	}
	strategy, kind := runnable(p.Strategy())
	q := question{action: p.Action(), history: p.History()}
	for n := 1; ; n++ {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		a, err := s.ask(ctx, r, l, q)
		res.Usage = res.Usage.Add(a.usage)
		if err != nil {
			return err
		}
		res.Iterations = n
		v, err := s.validate(ctx, r.after(p.Meta()), a.cut.with(p.Requirements()), stages.Target{
			Output: a.output, Action: q.action, History: q.history,
		}, l.component.ModelOptions())
		if err != nil {
			return err
		}
		t := try{stages.Attempt{Action: q.action, Result: a.output, Findings: v.Results()}, q, a.added}
		past := done.attempts.List()
		done.add(t)
		if _, err := s.call.iteration(ctx, stages.NewIteration(r.after(p.Meta()), stages.IterationFields{
			Number: n, Attempt: t.Attempt, Remaining: budget - n, Elapsed: time.Since(begun),
		})); err != nil {
			return stopped(err, res)
		}
		switch {
		case v.AllPassed():
			res.Success = true
			return nil
		case n == budget:
			res.FailureReason = fmt.Sprintf("no answer passed in %d attempts", n)
			return nil
		case r.sink.hasReleased():
			r.sink.event(ctx, EventRetryRefused, stages.Map[any]{})
			res.FailureReason = ErrReleased.Error()
			return nil
		}
		fields, err := repair(ctx, strategy, p, t, n, past)
		if err != nil {
			return err
		}
		fields.Kind = kind
		rep, err := s.call.repair(ctx, stages.NewRepair(r.after(p.Meta()), fields))
		if err != nil {
			return stopped(err, res)
		}
		q = question{rep.RepairAction(), rep.RepairHistory(), grown(p.History(), rep.RepairHistory())}
		if absent(q.action) {
			return errors.New("session: sampling_repair left no action")
		}
	}
}

// stopped ends a loop: a block is the reason why it failed, anything else its error.
func stopped(err error, res *stages.SamplingResult) error {
	if v, ok := as[*chain.Violation](err); ok {
		res.FailureReason = v.Error()
		return nil
	}
	return err
}

// repair asks the strategy what to ask next.
func repair(
	ctx context.Context, strategy Strategy, p *stages.Sampling, failed try, n int, past stages.List[stages.Attempt],
) (stages.RepairFields, error) {
	f := Failed{
		Attempt: failed.Attempt, Number: n, Past: past, Start: p.Action(), StartHistory: p.History(), History: failed.history,
		FailedHistory: failed.history.Append(failed.added...).Append(failed.Result.Message()),
	}
	action, history, err := strategy.Repair(ctx, f)
	switch {
	case err != nil:
		return stages.RepairFields{}, fmt.Errorf("session: strategy %q: %w", strategy.Name(), err)
	case absent(action):
		return stages.RepairFields{}, fmt.Errorf("session: strategy %q gave no action to go on with", strategy.Name())
	}
	return stages.RepairFields{
		Failed: f.Attempt, Number: n, Past: past, History: f.History, FailedHistory: f.FailedHistory,
		RepairAction: action, RepairHistory: history,
	}, nil
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

// best is the try to return: the one that passed, else the latest of those that fulfil most requirements.
func best(tries []try, success bool) (final try, ok bool) {
	most := -1
	for i, t := range tries {
		n := 0
		for _, f := range t.Findings.All() {
			if f.Verdict.Passed() {
				n++
			}
		}
		if success {
			n = i // the last one
		}
		if n >= most {
			most, final, ok = n, t, true
		}
	}
	return final, ok
}
