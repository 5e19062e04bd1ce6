package chain

import (
	"context"
	"errors"

	"go.uber.org/zap"

	"github.com/maillon-go/maillon/internal/errlog"
)

func (n *node[P]) traced(c *Chain[P]) Traced {
	return Traced{Chain: c.name, Link: n.name, Scope: n.scopeName(), Kind: n.kind, Mode: n.mode}
}

// sample is asked in every call of a chain that has a tracer, so its recover is not, unless there is something to recover.
func (pl *plan[P]) sample(ctx context.Context) (yes bool) {
	returned := false
	defer func() {
		if !returned {
			pl.tracerPanicked(recover())
		}
	}()
	yes = pl.tracer.Sample(ctx)
	returned = true
	return yes
}

// linkStart gives the link's context, the old one when the tracer has none.
func (pl *plan[P]) linkStart(ctx context.Context, n *node[P]) (out context.Context) {
	out = ctx
	defer pl.tracerFailed()
	if c := pl.tracer.LinkStart(ctx, n.traced(pl.c)); c != nil {
		out = c
	}
	return out
}

func (pl *plan[P]) linkEnd(ctx context.Context, n *node[P], err error) {
	defer pl.tracerFailed()
	pl.tracer.LinkEnd(ctx, n.traced(pl.c), err)
}

var errNoReturn = errors.New("the handler did not return")

// tracedHandler is the handler in a sampled call.
func (pl *plan[P]) tracedHandler(ctx context.Context, p P) (r P, err error) {
	t, ok := pl.tracer.(HandlerTracer)
	if !ok {
		return pl.b.h(ctx, p)
	}
	hctx, returned := pl.handlerStart(t, ctx), false
	defer func() {
		if !returned {
			err = errNoReturn
		}
		pl.handlerEnd(t, hctx, err)
	}()
	r, err = pl.b.h(hctx, p)
	returned = true
	return r, err
}

func (pl *plan[P]) handlerStart(t HandlerTracer, ctx context.Context) (out context.Context) { //nolint:revive // the context is not the point here
	out = ctx
	defer pl.tracerFailed()
	if c := t.HandlerStart(ctx, pl.c.name); c != nil {
		out = c
	}
	return out
}

func (pl *plan[P]) handlerEnd(t HandlerTracer, ctx context.Context, err error) { //nolint:revive // the same
	defer pl.tracerFailed()
	t.HandlerEnd(ctx, pl.c.name, err)
}

// tracerFailed is deferred around the tracer's other calls.
func (pl *plan[P]) tracerFailed() {
	pl.tracerPanicked(recover())
}

func (pl *plan[P]) tracerPanicked(v any) {
	if v != nil {
		defer func() { _ = recover() }() // in the log, or in the value's own methods
		pl.c.log.Error("the tracer panicked", zap.String("chain", pl.c.name), errlog.Panic(v, pl.c.cfg.LogErrorText))
	}
}
