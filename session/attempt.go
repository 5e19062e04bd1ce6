package session

import (
	"context"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

// try is an attempt with what precedes its answer in the history.
type try struct {
	stages.Attempt
	question
	added []stages.Message
	ran   []stages.ToolRun
}

// tries are those of a loop so far.
type tries struct {
	all      []try
	few      [1]try                         // room for the first of all
	first    [1]try                         // where most loops end: the memory of all until there are more
	attempts stages.Growing[stages.Attempt] // the same, for payloads
}

func (t *tries) add(n try) {
	if t.all == nil {
		t.all = t.few[:0]
	}
	t.all = append(t.all, n)
	t.attempts.Add(n.Attempt)
}

// tried is what came of one attempt.
type tried struct {
	try
	usage stages.Usage
	err   error
}

// attempt asks and checks the answer.
func (x *sampling) attempt(ctx context.Context, q question) (t tried) {
	a, err := x.s.ask(ctx, x.r, x.l, q)
	t.usage = a.usage
	t.try = try{stages.Attempt{Action: q.action, Result: a.output, Err: err}, q, a.added, a.ran}
	if err != nil {
		if p, ok := as[*chain.PanicError](err); ok { // of a check of a part of the answer, which the backend's emit must not let through
			x.s.passOn(p)
		}
		t.Result, t.err = stages.Output{}, err
		return t
	}
	if x.p.Requirements().Len() == 0 && a.cut == nil && !stages.Active(ctx, x.s.pipeline.Validation) {
		return t // nothing to check, and nobody to tell
	}
	m := x.r.after(x.p.Meta())
	x.r.delegate(m, x.judge)
	v, err := x.s.validate(ctx, m, a.cut.with(x.p.Requirements()), stages.Target{
		Output: a.output, Action: q.action, History: q.history, Tools: stages.ListOf(a.ran...),
	}, x.l.component.ModelOptions())
	if err != nil {
		t.Err, t.err = err, err
		return t
	}
	t.Findings = v.Results()
	return t
}

// best is the latest of the tries that fulfil most requirements, -1 where none has an answer.
func best(tries []try) (index int) {
	index, most := -1, -1
	for i, t := range tries {
		if n := passes(t.Attempt); t.Err == nil && n >= most {
			most, index = n, i
		}
	}
	return index
}

// passes counts the requirements that an attempt fulfils.
func passes(a stages.Attempt) (n int) {
	for _, f := range a.Findings.All() {
		if f.Verdict.Passed() {
			n++
		}
	}
	return n
}
