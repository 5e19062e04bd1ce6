package chain

import (
	"context"

	"go.uber.org/zap"
)

func (n *node[P]) traced(c *Chain[P]) Traced {
	return Traced{Chain: c.name, Link: n.name, Scope: n.scopeName(), Kind: n.kind, Mode: n.mode}
}

func (pl *plan[P]) sample(ctx context.Context) (yes bool) {
	defer pl.tracerFailed()
	return pl.tracer.Sample(ctx)
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

// tracerFailed is deferred around every call of the tracer.
func (pl *plan[P]) tracerFailed() {
	if v := recover(); v != nil {
		defer func() { _ = recover() }() // in the log, or in the value's own methods
		pl.c.log.Error("the tracer panicked", zap.String("chain", pl.c.name), zap.Any("panic", v))
	}
}
