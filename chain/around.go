package chain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
)

// instance is a Middleware applied to the next of one Then. It outlives plans: its next finds the plan of the call in the
// frame, so that the Middleware runs once, and the state in its closure survives every Use, Remove and reload.
type instance[P any] struct {
	slot int
	h    Handler[P]
	last atomic.Pointer[plan[P]] // the newest plan it is part of
}

// instanceKey keeps the same Link apart when a scope and its parent both have it.
type instanceKey struct {
	link  *byte
	scope int
}

// hop is what a plan knows of one slot: the link there and where its next leads.
type hop[P any] struct {
	n         *node[P]
	in        *instance[P]
	next      Handler[P]
	remembers bool // also what a healthy next passes
	shadow    bool
}

// remembers says that the end of the link may need what a healthy next passed: for a policy, or to go on without the link.
func (pl *plan[P]) remembers(n *node[P]) bool {
	return n.mode != Audit && (pl.filters(n) || n.failure != Fail || !n.blocks)
}

// instanceOf applies n's Middleware, once per Then. One that panics or returns nil is a link that always fails.
func (b *bound[P]) instanceOf(n *node[P]) *instance[P] {
	key := instanceKey{n.id, n.scope}
	if in := b.instances[key]; in != nil {
		return in
	}
	in := &instance[P]{slot: slices.Index(b.slots, nil), h: refusing[P](errors.New("the middleware was not applied to the end"))}
	if in.slot < 0 {
		in.slot = len(b.slots)
		b.slots = append(b.slots, nil)
	}
	b.instances[key], b.slots[in.slot] = in, in
	in.h = b.applied(n, b.nextOf(in))
	return in
}

func (b *bound[P]) applied(n *node[P], next Handler[P]) (h Handler[P]) {
	defer func() {
		if v := recover(); v != nil {
			h = refusing[P](fmt.Errorf("the middleware could not be applied: %w", contained(v)))
		}
	}()
	if h = n.around(next); h == nil {
		return refusing[P](errors.New("the middleware returned a nil handler"))
	}
	return h
}

// forgetUnused frees the slots of instances that the new plan has not. Calls on older plans keep theirs.
func (b *bound[P]) forgetUnused(pl *plan[P]) {
	for key, in := range b.instances {
		if in.slot < len(pl.hops) && pl.hops[in.slot].in == in {
			in.last.Store(pl)
			continue
		}
		delete(b.instances, key)
		b.slots[in.slot] = nil
	}
}

// nextOf is next as an Around sees it. Inlined into its caller it would lose the inlining of what it calls.
//
//go:noinline
func (b *bound[P]) nextOf(in *instance[P]) Handler[P] {
	slot, isWord := in.slot, b.c.id.word
	return func(ctx context.Context, p P) (P, error) {
		f, ok := ctx.(*frame[P])
		if !ok || f.b != b {
			if ctx == nil {
				return b.lostNext(context.Background(), in, p)
			}
			if f, _ = ctx.Value(b).(*frame[P]); f == nil {
				return b.lostNext(ctx, in, p)
			}
		}
		if slot >= len(f.pl.hops) || f.pl.hops[slot].in != in { // a frame of a plan without this link
			return b.lostNext(ctx, in, p)
		}
		hp := &f.pl.hops[slot]
		if hp.remembers || hp.shadow || isWord && word(p) == nil || !isWord && f.pl.c.id.isNil(p) || !f.states[slot].CompareAndSwap(0, begun) {
			return f.pl.trackedNext(ctx, f, slot, p)
		}
		r, err := hp.next(ctx, p)
		if err != nil || hp.n.g.flags.Load() != 0 {
			f.cameBack(slot, hp.n.g, r, err)
		}
		return r, err
	}
}

// trackedNext is next where it is not the first call in a healthy link without memory.
func (pl *plan[P]) trackedNext(ctx context.Context, f *frame[P], slot int, p P) (P, error) {
	hp := &pl.hops[slot]
	if hp.shadow {
		return pl.shadowNext(ctx, hp.n, p)
	}
	if f.passed != nil && pl.filters(hp.n) && !pl.c.id.same(p, f.passed[slot].in) && !pl.c.id.isNil(p) {
		kept, err := pl.filter(hp.n, In, f.passed[slot].in, p)
		if err != nil {
			return p, err
		}
		p = kept
	}
	if pl.c.id.isNil(p) {
		return p, fmt.Errorf("next: %w", ErrNilPayload)
	}
	if !f.states[slot].CompareAndSwap(0, begun) {
		return pl.nextAgain(ctx, f, slot, p)
	}
	r, err := hp.next(ctx, p)
	f.cameBack(slot, hp.n.g, r, err)
	return r, err
}

// cameBack records what the first next returned.
func (f *frame[P]) cameBack(slot int, g *guard, r P, err error) {
	if err != nil {
		g.blame.nextFailed(err)
	}
	if f.passed != nil {
		f.passed[slot].out, f.passed[slot].err = r, err
	} else {
		f.root.rec.setResult(&f.states[slot], r, err)
	}
	f.states[slot].Or(back)
}

// nextAgain is a further next within one invocation. What it returned is what counts from then on.
func (pl *plan[P]) nextAgain(ctx context.Context, f *frame[P], slot int, p P) (P, error) {
	hp := &pl.hops[slot]
	if f.states[slot].Load()&over != 0 {
		var zero P
		return zero, &LinkError{pl.c.name, hp.n.name, ErrNextTooLate}
	}
	r, err := hp.next(pl.newFrame(ctx, f.root), p)
	if err != nil {
		hp.n.g.blame.nextFailed(err)
	}
	f.root.rec.setResult(&f.states[slot], r, err)
	f.states[slot].Or(several | back)
	return r, err
}

// lostNext is a next whose context does not lead to the call: a frame of its own, and no memory of it in the call.
func (b *bound[P]) lostNext(ctx context.Context, in *instance[P], p P) (P, error) {
	pl := in.last.Load()
	if pl == nil { // called by the factory itself
		var zero P
		return zero, fmt.Errorf("chain %s: next was called before the middleware was applied", b.c.name)
	}
	hp := &pl.hops[in.slot]
	if hp.shadow {
		return pl.shadowNext(ctx, hp.n, p)
	}
	if pl.c.id.isNil(p) {
		return p, fmt.Errorf("next: %w", ErrNilPayload)
	}
	hp.n.g.lost.Add(1)
	r, err := hp.next(pl.newFrame(ctx, nil), p)
	if err != nil {
		hp.n.g.blame.nextFailed(err)
	}
	return r, err
}

// guardAround is one Around with its guard. The healthy way through touches no lock and allocates nothing.
func (pl *plan[P]) guardAround(n *node[P], next Handler[P]) Handler[P] {
	in := pl.b.instanceOf(n)
	filtered := pl.filters(n)
	for len(pl.hops) <= in.slot {
		pl.hops = append(pl.hops, hop[P]{})
	}
	pl.hops[in.slot] = hop[P]{n: n, in: in, next: next, remembers: pl.remembers(n), shadow: n.mode == Audit}
	if n.mode == Audit {
		return pl.shadow(n, in.h, next)
	}
	slot, h, g, remembers, traces, isWord := in.slot, in.h, n.g, pl.remembers(n), pl.tracer != nil, pl.c.id.word
	return func(ctx context.Context, p P) (r P, err error) {
		if g.flags.Load() != 0 || traces && pl.frameOf(ctx).rec.traced {
			return pl.aroundGuarded(ctx, slot, p)
		}
		since, returned := g.blame.count.Load(), false
		if remembers {
			pl.frameOf(ctx).passed[slot].in = p
		}
		defer func() {
			if !returned {
				err = contained(pl.recovered(recover()))
				r, err = pl.endAround(ctx, aroundRun[P]{slot, ticket{g: g}, p, since}, r, err, true)
			}
		}()
		r, err = h(ctx, p)
		returned = true
		if err != nil || filtered || g.flags.Load() != 0 || isWord && word(r) == nil || !isWord && pl.c.id.isNil(r) {
			return pl.endAround(ctx, aroundRun[P]{slot, ticket{g: g}, p, since}, r, err, false)
		}
		return r, nil
	}
}

// aroundGuarded is an Around that is switched off, asks its breaker or is traced.
func (pl *plan[P]) aroundGuarded(ctx context.Context, slot int, p P) (r P, err error) {
	hp := &pl.hops[slot]
	n, f := hp.n, pl.frameOf(ctx)
	if n.g.flags.Load()&off != 0 {
		return hp.next(ctx, p)
	}
	if f.passed != nil {
		f.passed[slot].in = p
	}
	a := aroundRun[P]{slot: slot, p: p, since: n.g.blame.count.Load()}
	a.t, err = n.g.enter(func() bool { return f.states[slot].Load()&(begun|back|several) == begun })
	if err != nil { // the breaker is open
		if err = pl.fail(n, err); err == nil {
			return hp.next(ctx, p)
		}
		return r, err
	}
	lctx := ctx
	if f.rec.traced {
		lctx = pl.linkStart(ctx, n)
	}
	res := pl.containInline(lctx, hp.in.h, p, a.t, func(t ticket) { pl.exited(n, t, &f.root.rec) })
	if f.rec.traced {
		pl.linkEnd(lctx, n, res.err)
	}
	return pl.endAround(ctx, a, res.p, res.err, res.own)
}

// aroundRun is one invocation of an Around: its slot, its ticket, what went in, and how many errors next had returned to
// the link before.
type aroundRun[P any] struct {
	slot  int
	t     ticket
	p     P
	since uint64
}

// endAround judges what an Around returned, blames it or not, and applies policy and failure policy.
func (pl *plan[P]) endAround(ctx context.Context, a aroundRun[P], r P, err error, own bool) (P, error) {
	n, f := pl.hops[a.slot].n, pl.frameOf(ctx)
	if own && err == ErrGoexit { //nolint:errorlint // identity is what tells
		pl.exited(n, a.t, &f.root.rec)
		return r, err
	}
	lastOut, lastErr, returned := f.result(a.slot)
	if err == nil {
		base := a.p
		if returned && !pl.c.id.isNil(lastOut) {
			base = lastOut
		}
		r, err = pl.acceptAround(n, base, r)
	}
	foreign := err != nil && !own && (returned && lastErr != nil || n.g.blame.shared(err, a.since))
	a.t.report(n.g.judge(ctx, err, own, foreign))
	switch {
	case err == nil:
		return r, nil
	case foreign && pl.filters(n): // of the payload beside an error, too, only what next returned passes
		return lastOut, err
	case foreign:
		return r, err
	}
	var zero P
	if v, ok := asViolation(err); ok && !own {
		err = pl.blocked(n, v, err)
	} else {
		err = pl.fail(n, err)
	}
	if err != nil {
		return zero, err
	}
	return pl.bypass(ctx, f, a, lastOut, lastErr, returned)
}

// acceptAround checks the result of an Around that says it succeeded against what next gave it, or what it was given.
func (pl *plan[P]) acceptAround(n *node[P], base, r P) (P, error) {
	switch {
	case pl.c.id.isNil(r):
		return r, ErrNilPayload
	case !pl.filters(n), pl.c.id.same(r, base):
		return r, nil
	}
	return pl.filter(n, Out, base, r)
}

// bypass goes on without a link that failed open: with what next returned to it, or by calling next in its place, but
// never for the second time.
func (pl *plan[P]) bypass(ctx context.Context, f *frame[P], a aroundRun[P], lastOut P, lastErr error, returned bool) (P, error) {
	state, hp := &f.states[a.slot], &pl.hops[a.slot]
	switch {
	case returned:
		state.Or(over)
		return lastOut, lastErr
	case hp.n.g.lost.Load() == 0 && state.CompareAndSwap(0, begun|over):
		return hp.next(ctx, a.p)
	}
	// next is still running somewhere, or one without a frame may have been this call's
	state.Or(over)
	var zero P
	return zero, &LinkError{pl.c.name, hp.n.name, errors.New("failed open, but next may still be running and cannot be called twice")}
}
