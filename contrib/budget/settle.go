package budget

import (
	"context"
	"errors"

	"go.uber.org/zap"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// used is what an attempt took: what was reported, and an estimate of what was not.
//
// An attempt that failed without an answer took nothing, unless it was broken off: then the model may have read all of the
// request, and nobody knows what it has written.
func (p *Plugin) used(r *reservation, out *stages.Generation, err error, broken bool) stages.Usage {
	var o stages.Output
	if out != nil {
		if o = out.Output(); err == nil && free(out) {
			return stages.Usage{}
		}
		broken = broken || out.Chunks() > 0
	}
	u := sane(o.Usage)
	wrote := o.Text != "" || o.ToolCalls.Len() > 0
	if err != nil && u.Total() == 0 && !wrote && !broken {
		return stages.Usage{}
	}
	if u.InputTokens == 0 {
		u.InputTokens = int(r.input)
	}
	if u.OutputTokens == 0 && wrote {
		u.OutputTokens = int(p.output(r.model, o))
	}
	return u
}

// free says that no model made an answer. One of a link that names no source, as code of a backend that answers in place of another one may
// not, is free unless it reports usage.
func free(g *stages.Generation) bool {
	return g.Source() == stages.SourceCache || g.Source() == stages.SourceShortCircuit && sane(g.Output().Usage).Total() == 0
}

// brokenOff says that an attempt ended while the model was at work, for a reason on this side.
func brokenOff(ctx context.Context, err error) bool {
	if err == nil {
		return false
	}
	var (
		panicked *chain.PanicError
		blocked  *chain.Violation
		failed   *chain.LinkError
		backend  *session.BackendError
	)
	return ctx.Err() != nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, chain.ErrGoexit) || errors.As(err, &panicked) || errors.As(err, &blocked) || errors.As(err, &failed) ||
		errors.As(err, &backend) && backend.Kind == session.BackendTimeout
}

// settle ends a reservation with what was used.
func (p *Plugin) settle(ctx context.Context, r *reservation, u stages.Usage) {
	p.close(ctx, r, r.amounts(u))
}

// amounts is what usage counts in each limit.
func (r *reservation) amounts(u stages.Usage) []int64 {
	amounts := make([]int64, len(r.charges))
	for i, l := range r.limits {
		amounts[i] = int64(u.Total())
		if l.unit == UnitCost {
			amounts[i] = int64(r.price.Cost(u))
		}
	}
	return amounts
}

// overdue settles an answer that nothing is reserved for any more: a link has asked another model after an attempt had used the
// reservation. In a limit that has no room for it all of it is overdraft.
func (p *Plugin) overdue(ctx context.Context, g *stages.Generation) {
	r, err := p.draft(ctx, g, true)
	if r == nil || err != nil { // there is no limit for it; with force there is no error
		return
	}
	amounts := r.amounts(p.used(r, g, nil, false))
	for i := range r.charges {
		r.charges[i].Amount, r.charges[i].Force = amounts[i], r.limits[i].Action == Warn
	}
	for range len(r.charges) + 1 { // each time at least one more limit is forced
		balances, ok, err := p.store.Reserve(ctx, r.id, r.charges)
		switch {
		case err != nil:
			stages.From(ctx).Logger().Warn("budget: an answer was not settled", zap.String("error", chain.DescribeError(err)))
			return
		case ok:
			p.close(ctx, r, amounts)
			return
		}
		for i := range balances {
			if c := &r.charges[i]; !c.Force && c.Amount > balances[i].Left(c.Limit) {
				c.Amount, c.Force = 0, true
			}
		}
	}
}

// refund gives all of a reservation back. A nil one is nothing.
func (p *Plugin) refund(ctx context.Context, r *reservation) {
	if r != nil {
		p.close(ctx, r, nil)
	}
}

func (p *Plugin) close(ctx context.Context, r *reservation, amounts []int64) {
	known, err := p.store.Settle(context.WithoutCancel(ctx), r.id, amounts)
	if err != nil || !known { // the store settles it in full, or has done so
		stages.From(ctx).Logger().Warn("budget: a reservation was not settled", zap.String("reservation", r.id), zap.String("error", chain.DescribeError(err)))
	}
}
