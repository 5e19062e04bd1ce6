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
		_ = pl.fail(n, err)
		return
	}
	sctx := context.WithValue(ctx, shadowKey[P]{n}, a)
	if rec.traced {
		sctx = pl.linkStart(sctx, n)
	}
	res := pl.containInline(sctx, h, a.in, t, func(t ticket) { pl.exited(n, t, rec) })
	if rec.traced {
		pl.linkEnd(sctx, n, res.err)
	}
	lost := isCause(res.err, errShadowLost)
	if res.err == nil && pl.c.id.isNil(res.p) {
		res.err = ErrNilPayload
	}
	foreign := !res.own && res.err != nil && (a.err != nil && a.calls.Load() > 0 || lost)
	t.report(n.g.judge(ctx, res.err, res.own, foreign))
	v, blocks := asViolation(res.err)
	switch {
	case blocks && !foreign && !res.own:
		_ = pl.blocked(n, v, res.err)
	case res.err != nil && !foreign:
		_ = pl.fail(n, res.err)
	case lost:
		n.g.warn("shadow cannot judge this call: the link dropped its context")
	case a.calls.Load() != 1 || a.changed.Load() || res.err == nil && (a.err != nil || !pl.c.id.same(res.p, a.out)):
		n.g.wouldRewrites.Add(1)
	}
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
