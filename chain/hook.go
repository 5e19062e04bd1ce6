package chain

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.uber.org/zap"

	"github.com/maillon-go/maillon/internal/errlog"
)

// ran is what one run of a link came to.
type ran[P any] struct {
	p     P
	err   error
	own   bool // the engine saw it panic, time out or exit
	found finding
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
	case len(pl.beside) > 0 && len(pl.beside[n]) > 0:
		return pl.runBeside(ctx, k, p, rec)
	case n.g.flags.Load()&off != 0:
		return p, k + 1, nil
	case n.mode == FireAndForget:
		pl.runBackground(ctx, n, p, rec.traced)
		return p, k + 1, nil
	}
	res := pl.runHook(ctx, n, p, rec.traced, false, func(t ticket, err error) {
		_, _ = pl.stopped(k, p, p, err, rec)
		pl.left(n, t, rec, err)
	})
	p, err := pl.settle(n, p, res)
	return p, k + 1, err
}

func (pl *plan[P]) runBackground(ctx context.Context, n *node[P], p P, traced bool) {
	pl.c.cfg.Dispatcher.Go(ctx, func(ctx context.Context) {
		_, _ = pl.settle(n, p, pl.runHook(ctx, n, p, traced, true, func(t ticket, err error) {
			pl.left(n, t, nil, err)
		}))
	})
}

// runHook runs one hook through its breaker, its timeout and the tracer. alone says that the goroutine is the engine's own.
// leaving is called when the hook does not come back, with ErrGoexit or the panic that the host lets pass.
func (pl *plan[P]) runHook(ctx context.Context, n *node[P], p P, traced, alone bool, leaving func(ticket, error)) ran[P] {
	t, err := n.g.enter(nil)
	if err != nil {
		return ran[P]{p: p, err: err, found: unclear}
	}
	if traced {
		ctx = pl.linkStart(ctx, n)
	}
	leave := func(err error) {
		if leaving(t, err); traced {
			pl.linkEnd(ctx, n, err)
		}
	}
	var res ran[P]
	switch {
	case n.timeout > 0:
		res = runApart(ctx, n.g, n.timeout, func(ctx context.Context) ran[P] { return contain(ctx, n.hook, p, nil) })
	case alone:
		res = contain(ctx, n.hook, p, leave)
	default:
		res = pl.containInline(ctx, n.hook, p, leave)
	}
	if res.err == nil && pl.c.id.isNil(res.p) {
		res.err = ErrNilPayload
	}
	res.found = n.g.judge(ctx, res.err, res.own, false)
	t.report(res.found)
	if traced {
		pl.linkEnd(ctx, n, res.err)
	}
	return res
}

// contain calls h, turns its panic into an error and tells of a Goexit, if somebody wants to know.
func contain[P any](ctx context.Context, h Handler[P], p P, leave func(error)) (res ran[P]) {
	returned := false
	defer func() {
		if returned {
			return
		}
		res.own = true
		if res.err = contained(recover()); res.err == ErrGoexit && leave != nil { //nolint:errorlint // identity is what tells
			leave(res.err)
		}
	}()
	res.p, res.err = h(ctx, p)
	returned = true
	return res
}

// containInline is contain on the caller's goroutine, where the host may want a panic to pass.
func (pl *plan[P]) containInline(ctx context.Context, h Handler[P], p P, leave func(error)) ran[P] {
	res := contain(ctx, h, p, leave)
	if pe, ok := res.err.(*PanicError); ok && res.own && pl.passes(pe.Value) { //nolint:errorlint // made by contain
		leave(pe)
		panic(pe.Value)
	}
	return res
}

// left books a link that does not come back to its caller: by a Goexit, which nothing can stop, but breaker and observers
// must know; or by a panic that the host lets pass, of which a breaker learns nothing. Without a record the goroutine is
// the engine's own, and a Goexit is a failure like any other.
func (pl *plan[P]) left(n *node[P], t ticket, rec *record[P], err error) {
	switch {
	case err != ErrGoexit: //nolint:errorlint // identity is what tells
		t.report(unclear)
	case rec == nil:
		t.report(faulty)
		_ = pl.fail(n, err, faulty)
	case rec.exit(&LinkError{pl.c.name, n.name, ErrGoexit}):
		n.g.failures.Add(1)
		t.report(faulty)
	default:
		t.report(unclear)
	}
}

// settle applies mode, policy and failure policy to what a hook returned: the payload to go on with, or why not.
func (pl *plan[P]) settle(n *node[P], p P, res ran[P]) (P, error) {
	if res.err == nil {
		switch {
		case pl.c.id.same(p, res.p):
			return p, nil
		case n.mode > Transform:
			n.g.wouldRewrites.Add(1)
			pl.keepCase(n, p, choice{rewrote: true}, nil)
			return p, nil
		}
		var r P
		if r, res.err = pl.accept(n, p, res.p); res.err == nil {
			return r, nil
		}
		res.found = faulty
	}
	if v, ok := asViolation(res.err); ok && !res.own {
		return p, pl.blocked(n, p, v, res.err)
	}
	return p, pl.fail(n, res.err, res.found)
}

// blocked books a violation. Nil means that the call goes on.
func (pl *plan[P]) blocked(n *node[P], p P, v *Violation, err error) error {
	v = pl.stamp(n, v, err)
	if n.blocks {
		n.g.blocks.Add(1)
		return v
	}
	n.g.wouldBlocks.Add(1)
	pl.keepCase(n, p, choice{v: v}, nil)
	n.g.warn("would block", zap.String("code", v.Code), zap.String("reason", v.Reason), zap.Stringer("severity", v.Severity), zap.Stringer("mode", n.mode))
	return nil
}

// stamp names the link in a violation, on a copy: a link may hand out one shared value, or one of a call nested in it.
func (pl *plan[P]) stamp(n *node[P], v *Violation, err error) *Violation {
	w := *v
	w.Chain, w.Link, w.cause = pl.c.name, n.name, err
	return &w
}

// fail applies the failure policy. Nil means that the call goes on. Only a fault of the link's own switches it off.
func (pl *plan[P]) fail(n *node[P], err error, found finding) error {
	n.g.failures.Add(1)
	switch n.failure {
	case Fail:
		return &LinkError{pl.c.name, n.name, err}
	case Disable:
		if found == faulty {
			n.g.set(off)
		}
	}
	n.g.ignored.Add(1)
	fields := []zap.Field{errlog.Field(err, pl.c.cfg.LogErrorText), zap.Stringer("policy", n.failure)}
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
