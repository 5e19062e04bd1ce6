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

// free says that no model made an answer.
func free(g *stages.Generation) bool {
	return g.Source() == stages.SourceCache || g.Source() == stages.SourceShortCircuit
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
	amounts := make([]int64, len(r.charges))
	for i, l := range r.limits {
		amounts[i] = int64(u.Total())
		if l.unit == UnitCost {
			amounts[i] = int64(r.price.Cost(u))
		}
	}
	p.close(ctx, r, amounts)
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
