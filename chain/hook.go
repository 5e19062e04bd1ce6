package chain

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.uber.org/zap"
)

// ran is what one run of a link came to.
type ran[P any] struct {
	p   P
	err error
	own bool // the engine saw it panic, time out or exit
}

// runGuarded runs steps[k] with its mode, timeout, breaker and trace, or the whole batch of Concurrent hooks that starts there.
func (pl *plan[P]) runGuarded(ctx context.Context, k int, p P, rec *record[P]) (P, int, error) {
	n := pl.steps[k].n
	switch {
	case n.mode == Concurrent:
		end := k + 1
		for end < len(pl.steps) && pl.steps[end].n != nil && pl.steps[end].n.mode == Concurrent {
			end++
		}
		return p, end, pl.runConcurrent(ctx, pl.steps[k:end], p, rec.traced)
	case n.g.flags.Load()&off != 0:
		return p, k + 1, nil
	case n.mode == FireAndForget:
		pl.runBackground(ctx, n, p, rec.traced)
		return p, k + 1, nil
	}
	res := pl.runHook(ctx, n, p, rec.traced, false, func(t ticket) { pl.exited(n, t, rec) })
	p, err := pl.settle(n, p, res.p, res.err)
	return p, k + 1, err
}

func (pl *plan[P]) runBackground(ctx context.Context, n *node[P], p P, traced bool) {
	pl.c.cfg.Dispatcher.Go(ctx, func(ctx context.Context) {
		res := pl.runHook(ctx, n, p, traced, true, func(t ticket) { pl.exited(n, t, nil) })
		_, _ = pl.settle(n, p, res.p, res.err)
	})
}

// runHook runs one hook through its breaker, its timeout and the tracer. alone says that the goroutine is the engine's own.
// exited books a Goexit, after which runHook never returns.
func (pl *plan[P]) runHook(ctx context.Context, n *node[P], p P, traced, alone bool, exited func(ticket)) ran[P] {
	t, err := n.g.enter(nil)
	if err != nil {
		return ran[P]{p: p, err: err}
	}
	if traced {
		ctx = pl.linkStart(ctx, n)
	}
	var res ran[P]
	switch {
	case n.timeout > 0:
		res = runApart(ctx, n.g, n.timeout, func(ctx context.Context, exited func()) ran[P] { return contain(ctx, n.hook, p, exited) })
	case alone:
		res = contain(ctx, n.hook, p, func() { exited(t) })
	default:
		res = pl.containInline(ctx, n.hook, p, t, exited)
	}
	if res.err == nil && pl.c.id.isNil(res.p) {
		res.err = ErrNilPayload
	}
	t.report(n.g.judge(ctx, res.err, res.own, false))
	if traced {
		pl.linkEnd(ctx, n, res.err)
	}
	return res
}

// contain calls h, turns its panic into an error and tells of a Goexit.
func contain[P any](ctx context.Context, h Handler[P], p P, exited func()) (res ran[P]) {
	returned := false
	defer func() {
		if returned {
			return
		}
		res.own = true
		if res.err = contained(recover()); res.err == ErrGoexit { //nolint:errorlint // identity is what tells
			exited()
		}
	}()
	res.p, res.err = h(ctx, p)
	returned = true
	return res
}

// containInline is contain on the caller's goroutine, where the host may want a panic to pass. A breaker's probe then gives
// its place back.
func (pl *plan[P]) containInline(ctx context.Context, h Handler[P], p P, t ticket, exited func(ticket)) ran[P] {
	res := contain(ctx, h, p, func() { exited(t) })
	if pe, ok := res.err.(*PanicError); ok && res.own && pl.passes(pe.Value) { //nolint:errorlint // made by contain
		t.report(unclear)
		panic(pe.Value)
	}
	return res
}

// exited books a link that ends its caller's goroutine. Nothing can stop that; breaker and observers must know all the same.
func (pl *plan[P]) exited(n *node[P], t ticket, rec *record[P]) {
	if !rec.exit(&LinkError{pl.c.name, n.name, ErrGoexit}) {
		t.report(unclear)
		return
	}
	n.g.failures.Add(1)
	t.report(faulty)
}

// settle applies mode, policy and failure policy to what a hook returned: the payload to go on with, or why not.
func (pl *plan[P]) settle(n *node[P], p, r P, err error) (P, error) {
	if err == nil {
		switch {
		case pl.c.id.same(p, r):
			return p, nil
		case n.mode > Transform:
			n.g.wouldRewrites.Add(1)
			return p, nil
		}
		if r, err = pl.accept(n, p, r); err == nil {
			return r, nil
		}
	}
	if v, ok := asViolation(err); ok {
		return p, pl.blocked(n, v, err)
	}
	return p, pl.fail(n, err)
}

// blocked books a violation. Nil means that the call goes on.
func (pl *plan[P]) blocked(n *node[P], v *Violation, err error) error {
	v = pl.stamp(n, v, err)
	if n.blocks {
		n.g.blocks.Add(1)
		return v
	}
	n.g.wouldBlocks.Add(1)
	n.g.warn("would block", zap.String("code", v.Code), zap.String("reason", v.Reason), zap.Stringer("severity", v.Severity), zap.Stringer("mode", n.mode))
	return nil
}

// stamp names the link in a violation, on a copy: a link may hand out one shared value, or one of a call nested in it.
func (pl *plan[P]) stamp(n *node[P], v *Violation, err error) *Violation {
	w := *v
	w.Chain, w.Link, w.cause = pl.c.name, n.name, err
	return &w
}

// fail applies the failure policy. Nil means that the call goes on.
func (pl *plan[P]) fail(n *node[P], err error) error {
	n.g.failures.Add(1)
	switch n.failure {
	case Fail:
		return &LinkError{pl.c.name, n.name, err}
	case Disable:
		n.g.flags.Or(off)
	}
	n.g.ignored.Add(1)
	fields := []zap.Field{zap.Error(err), zap.Stringer("policy", n.failure)}
	var pe *PanicError
	if isPanic(err, &pe) {
		fields = append(fields, zap.ByteString("stack", pe.Stack))
	}
	n.g.warn("link failed, the call goes on", fields...)
	return nil
}

func isPanic(err error, pe **PanicError) (is bool) {
	defer func() {
		if recover() != nil {
			is = false
		}
	}()
	return errors.As(err, pe)
}

// warn logs; an error whose text panics is no reason to fail.
func (g *guard) warn(msg string, fields ...zap.Field) {
	defer func() { _ = recover() }()
	g.log.Warn(msg, fields...)
}

// filters says whether somebody wants to see n's rewrites: the chain's policy or the link's own limit.
func (pl *plan[P]) filters(n *node[P]) bool { return pl.c.cfg.Policy.Rewrite != nil || n.limit != nil }

// filter applies policy and limit to a rewrite and counts it.
func (pl *plan[P]) filter(n *node[P], pos Position, old, proposed P) (kept P, err error) {
	n.g.rewrites.Add(1)
	if !pl.filters(n) {
		return proposed, nil
	}
	defer func() {
		if v := recover(); v != nil {
			kept, err = old, fmt.Errorf("policy: %w", contained(v))
		}
	}()
	kept = proposed
	var discarded []string
	for _, f := range [...]func(Position, P, P) (P, []string){pl.c.cfg.Policy.Rewrite, n.limit} {
		if f == nil || pl.c.id.same(old, kept) {
			continue
		}
		var more []string
		if kept, more = f(pos, old, kept); pl.c.id.isNil(kept) {
			return old, fmt.Errorf("policy: %w", ErrNilPayload)
		}
		discarded = append(slices.Clip(discarded), more...)
	}
	if len(discarded) > 0 {
		n.g.discarded.Add(int64(len(discarded)))
		n.g.warn("discarded changes of fields that are not writable here", zap.Strings("fields", slices.Clone(discarded)))
	}
	return kept, nil
}
