package chain

import (
	"context"
	"errors"
	"sync/atomic"
)

// errShadowLost is what the next of a shadow returns when the link has dropped the call's context: the shadow cannot
// judge such a call.
var errShadowLost = errors.New("shadow: next was called with a context that does not derive from the call's")

// actual is what happened without the shadow.
type actual[P any] struct {
	in, out P
	err     error
	calls   atomic.Int32
	changed atomic.Bool
}

type shadowKey[P any] struct{ n *node[P] }

// shadow is an Around in Audit mode. next runs first, with the original payload and out of the link's reach; then the link
// runs against the recorded result, and what it would have done differently is counted.
func (pl *plan[P]) shadow(n *node[P], h, next Handler[P]) Handler[P] {
	return func(ctx context.Context, p P) (P, error) {
		out, err := next(ctx, p)
		if n.g.flags.Load()&off == 0 {
			pl.runShadow(ctx, n, h, &actual[P]{in: p, out: out, err: err})
		}
		return out, err
	}
}

func (pl *plan[P]) runShadow(ctx context.Context, n *node[P], h Handler[P], a *actual[P]) {
	rec := &pl.frameOf(ctx).root.rec
	t, err := n.g.enter(nil)
	if err != nil {
		_ = pl.fail(n, err, unclear)
		return
	}
	sctx := context.WithValue(ctx, shadowKey[P]{n}, a)
	if rec.traced {
		sctx = pl.linkStart(sctx, n)
	}
	res := contain(sctx, h, a.in, func(err error) {
		if pl.left(n, t, rec, err); rec.traced {
			pl.linkEnd(sctx, n, err)
		}
	})
	if rec.traced {
		pl.linkEnd(sctx, n, res.err)
	}
	if res.err == nil && pl.c.id.isNil(res.p) {
		res.err = ErrNilPayload
	}
	lost := isCause(res.err, errShadowLost)
	v, blocks := asViolation(res.err)
	if w, ok := asViolation(a.err); ok && w == v || res.own {
		blocks = false // what next returned is not this link's
	}
	foreign := !res.own && !blocks && res.err != nil && (a.err != nil && a.calls.Load() > 0 || lost)
	res.found = n.g.judge(ctx, res.err, res.own, foreign)
	t.report(res.found)
	switch {
	case blocks:
		_ = pl.blocked(n, a.in, v, res.err)
	case res.err != nil && !foreign:
		_ = pl.fail(n, res.err, res.found)
	case lost:
		n.g.warn("shadow cannot judge this call: the link dropped its context")
	case a.differs(&pl.c.id, res):
		n.g.wouldRewrites.Add(1)
		pl.keepCase(n, a.in, choice{rewrote: true}, nil)
	}
}

// differs says whether the link would have made another call, or another result, of this one.
func (a *actual[P]) differs(id *identity[P], res ran[P]) bool {
	switch {
	case a.calls.Load() != 1 || a.changed.Load():
		return true
	case res.err != nil:
		return !isCause(res.err, a.err)
	}
	return a.err != nil || !id.same(res.p, a.out)
}

func (pl *plan[P]) shadowNext(ctx context.Context, n *node[P], p P) (P, error) {
	a, _ := ctx.Value(shadowKey[P]{n}).(*actual[P])
	if a == nil {
		return p, errShadowLost
	}
	a.calls.Add(1)
	if !pl.c.id.same(p, a.in) {
		a.changed.Store(true)
	}
	return a.out, a.err
}
