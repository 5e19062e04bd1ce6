package chain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/samber/lo"
)

// instance is a Middleware applied to the next of one Then. It outlives plans: its next finds the plan of the call in the
// frame, so that the Middleware runs once, and the state in its closure survives every Use, Remove and reload.
type instance[P any] struct {
	slot int
	h    Handler[P]
	last atomic.Pointer[plan[P]] // the newest plan it is part of
	held held[P]
}

// instanceKey keeps the same Link apart when a scope and its parent both have it.
type instanceKey struct {
	link  *byte
	scope int
}

// hop is what a plan knows of one slot: the link there and where its next leads.
type hop[P any] struct {
	n         *node[P]
	g         *guard
	in        *instance[P]
	h         Handler[P] // the link, as it is called
	next      Handler[P]
	remembers bool // also what a healthy next passes
	shadow    bool
	slow      bool // next takes the long way
}

// remembers says that the end of the link may need what a healthy next passed: for a policy, or to go on without the link.
func (pl *plan[P]) remembers(n *node[P]) bool {
	return n.mode != Audit && (pl.filters(n) || n.failure != Fail)
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

// forgetUnused frees the slots of instances whose links the new plan has not, switched off or not. Calls on older plans
// keep theirs.
func (b *bound[P]) forgetUnused(pl *plan[P]) {
	planned := lo.SliceToMap(pl.order, func(n *node[P]) (instanceKey, bool) { return instanceKey{n.id, n.scope}, true })
	for key, in := range b.instances {
		switch {
		case in.slot < len(pl.hops) && pl.hops[in.slot].in == in:
			in.last.Store(pl)
		case !planned[key]:
			delete(b.instances, key)
			b.slots[in.slot] = nil
		}
	}
}

// nextOf is next as an Around sees it. Inlined into its caller it would lose the inlining of what it calls.
//
//go:noinline
func (b *bound[P]) nextOf(in *instance[P]) Handler[P] {
	slot := in.slot
	return func(ctx context.Context, p P) (P, error) {
		f, ok := ctx.(*frame[P])
		if !ok || f.pl.b != b {
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
		if hp.slow || word(p) == nil || !f.state(slot).CompareAndSwap(0, begun) {
			return f.pl.trackedNext(ctx, f, slot, p)
		}
		r, err := hp.next(ctx, p)
		if err != nil || hp.g.flags.Load() != 0 {
			f.cameBack(slot, hp.g, r, err)
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
	if pl.filters(hp.n) && !pl.c.id.same(p, f.passage(slot).in) && !pl.c.id.isNil(p) {
		kept, err := pl.filter(hp.n, In, f.passage(slot).in, p)
		if err != nil {
			return p, err
		}
		p = kept
	}
	if pl.c.id.isNil(p) {
		return p, fmt.Errorf("next: %w", ErrNilPayload)
	}
	if !f.state(slot).CompareAndSwap(0, begun) {
		return pl.nextAgain(ctx, f, slot, p)
	}
	r, err := hp.next(ctx, p)
	f.cameBack(slot, hp.n.g, r, err)
	return r, err
}

// cameBack records what the first next returned.
func (f *frame[P]) cameBack(slot int, g *guard, r P, err error) {
	f.note(g, err)
	if err != nil || f.pl.wide {
		x := f.passage(slot)
		x.out, x.err = r, err
	}
	if f.state(slot).Or(back|stored)&several != 0 {
		f.root.rec.addResult(f.state(slot), passage[P]{out: r, err: err})
	}
}

// note remembers an error of next for all who may meet it.
func (f *frame[P]) note(g *guard, err error) {
	if err != nil {
		g.blame.nextFailed(err)
		f.root.rec.seen.Or(nextFailed)
	}
}

// nextAgain is a further next within one invocation. What the last one to return returned is what counts.
func (pl *plan[P]) nextAgain(ctx context.Context, f *frame[P], slot int, p P) (P, error) {
	hp := &pl.hops[slot]
	if f.state(slot).Or(several)&over != 0 {
		var zero P
		return zero, &LinkError{pl.c.name, hp.n.name, ErrNextTooLate}
	}
	f.state(slot).Add(running)
	defer f.state(slot).Add(^running + 1)
	r, err := hp.next(pl.newFrame(ctx, f.root), p)
	f.note(hp.n.g, err)
	f.root.rec.addResult(f.state(slot), passage[P]{out: r, err: err})
	f.state(slot).Or(back)
	return r, err
}

// guardAround is one Around with its guard.
func (pl *plan[P]) guardAround(n *node[P], next Handler[P]) Handler[P] {
	in := pl.b.instanceOf(n)
	for len(pl.hops) <= in.slot {
		pl.hops = append(pl.hops, hop[P]{})
	}
	h := in.h
	if n.when != nil {
		h = conditional(n.when, h, pl.b.nextOf(in))
	}
	hp := hop[P]{n: n, g: n.g, in: in, h: h, next: next, shadow: n.mode == Audit, remembers: pl.remembers(n)}
	hp.slow = hp.shadow || hp.remembers || !pl.c.id.word
	pl.hops[in.slot] = hp
	switch {
	case hp.shadow:
		return pl.shadow(n, h, next)
	case hp.slow:
		return pl.watchedAround(in, n, h)
	}
	return pl.plainAround(in.slot, h, n.g)
}

// conditional goes past h where cond is not true.
func conditional[P any](cond func(context.Context, P) bool, h, next Handler[P]) Handler[P] {
	return func(ctx context.Context, p P) (P, error) {
		if !cond(ctx, p) {
			return next(ctx, p)
		}
		return h(ctx, p)
	}
}

// plainAround is an Around of which nothing need be remembered. The healthy way through touches no lock and allocates
// nothing.
//
//go:noinline
func (pl *plan[P]) plainAround(slot int, h Handler[P], g *guard) Handler[P] {
	mayTrace := pl.tracer != nil
	return func(ctx context.Context, p P) (r P, err error) {
		if g.flags.Load() != 0 || mayTrace && pl.frameOf(ctx).rec.traced {
			return pl.aroundGuarded(ctx, slot, p)
		}
		since, returned := g.blame.count.Load(), false
		defer func() {
			if !returned {
				r, err = pl.aroundCrashed(ctx, aroundRun[P]{slot, ticket{g: g}, p, since}, r, recover())
			}
		}()
		r, err = h(ctx, p)
		returned = true
		if err != nil || g.flags.Load() != 0 || word(r) == nil {
			return pl.endAround(ctx, aroundRun[P]{slot, ticket{g: g}, p, since}, r, err, false)
		}
		return r, nil
	}
}

// watchedAround is an Around whose payloads are remembered: for a policy, or to go on without it.
func (pl *plan[P]) watchedAround(in *instance[P], n *node[P], h Handler[P]) Handler[P] {
	slot, g, remembers, filtered := in.slot, n.g, pl.remembers(n), pl.filters(n)
	return func(ctx context.Context, p P) (r P, err error) {
		f := pl.frameOf(ctx)
		if g.flags.Load() != 0 || f.rec.traced {
			return pl.aroundGuarded(ctx, slot, p)
		}
		a, returned := aroundRun[P]{slot, ticket{g: g}, p, g.blame.count.Load()}, false
		if remembers {
			f.passage(slot).in = p
		}
		if filtered {
			in.held.add(p, f)
		}
		if filtered {
			defer in.held.remove(p, f)
		}
		defer func() {
			if !returned {
				r, err = pl.aroundCrashed(ctx, a, r, recover())
			}
		}()
		r, err = h(ctx, p)
		returned = true
		if err != nil || filtered || g.flags.Load() != 0 || pl.c.id.isNil(r) {
			return pl.endAround(ctx, a, r, err, false)
		}
		return r, nil
	}
}

// aroundCrashed ends an Around that panicked with v or, where v is nil, called Goexit.
func (pl *plan[P]) aroundCrashed(ctx context.Context, a aroundRun[P], r P, v any) (P, error) {
	return pl.endAround(ctx, a, r, contained(pl.recovered(v)), true)
}

// aroundGuarded is an Around that is switched off, asks its breaker or is traced.
func (pl *plan[P]) aroundGuarded(ctx context.Context, slot int, p P) (r P, err error) {
	hp := &pl.hops[slot]
	n, f := hp.n, pl.frameOf(ctx)
	if n.g.flags.Load()&off != 0 {
		return hp.next(ctx, p)
	}
	if pl.wide {
		f.passage(slot).in = p
	}
	a := aroundRun[P]{slot: slot, p: p, since: n.g.blame.count.Load()}
	a.t, err = n.g.enter(func() bool { return f.inNext(slot) })
	if err != nil { // the breaker is open
		if err = pl.fail(n, err, unclear); err == nil {
			return hp.next(ctx, p)
		}
		return r, err
	}
	if pl.filters(n) { // not before: a link that is bypassed has no next that could lead here
		hp.in.held.add(p, f)
		defer hp.in.held.remove(p, f)
	}
	lctx := ctx
	if f.rec.traced {
		lctx = pl.linkStart(ctx, n)
	}
	res := pl.containInline(lctx, hp.h, p, func(err error) {
		if pl.left(n, a.t, &f.root.rec, err); f.rec.traced {
			pl.linkEnd(lctx, n, err)
		}
	})
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
		pl.left(n, a.t, &f.root.rec, err)
		return r, err
	}
	last, returned := f.result(a.slot)
	if returned && err != nil && sameError(err, last.err) && a.t.idle() { // what next returned is passed on, and nothing to book
		if pl.filters(n) {
			r = last.out
		}
		return r, err
	}
	if err == nil {
		base := a.p
		if returned && !pl.c.id.isNil(last.out) {
			base = last.out
		}
		r, err = pl.acceptAround(f, a, base, r)
	}
	v, blocks := asViolation(err)
	blocks = blocks && !own && !n.g.blame.knows(v, last.err, a.since)
	foreign := err != nil && !own && !blocks && (returned && last.err != nil || n.g.blame.shared(err, a.since))
	found := n.g.judge(ctx, err, own, foreign)
	a.t.report(found)
	switch {
	case err == nil:
		return r, nil
	case foreign && pl.filters(n): // of the payload beside an error, too, only what next returned passes
		return last.out, err
	case foreign:
		return r, err
	case blocks:
		err = pl.blocked(n, a.p, v, err)
	default:
		err = pl.fail(n, err, found)
	}
	if err != nil {
		var zero P
		return zero, err
	}
	return pl.bypass(ctx, f, a, last, returned)
}

// acceptAround checks the result of an Around that says it succeeded against base: what next gave it, or what it was given.
// A result that is, identically, one that next returned has been through the policy, if not as the last.
func (pl *plan[P]) acceptAround(f *frame[P], a aroundRun[P], base, r P) (P, error) {
	hp := &pl.hops[a.slot]
	switch {
	case pl.c.id.isNil(r):
		return r, ErrNilPayload
	case !pl.filters(hp.n), pl.c.id.same(r, base), f.returned(a.slot, r), hp.in.held.returned(a.p, a.slot, r):
		return r, nil
	}
	return pl.filter(hp.n, Out, base, r)
}

// bypass goes on without a link that failed open: with what next returned to it, or by calling next in its place, but
// never for the second time.
func (pl *plan[P]) bypass(ctx context.Context, f *frame[P], a aroundRun[P], last passage[P], returned bool) (P, error) {
	state, hp := f.state(a.slot), &pl.hops[a.slot]
	switch {
	case returned:
		state.Or(over)
		return last.out, last.err
	case f.lost == pl.b.lost.Load() && state.CompareAndSwap(0, begun|over):
		return hp.next(ctx, a.p)
	}
	// next is still running somewhere, or one without a frame may have been this call's
	state.Or(over)
	var zero P
	return zero, &LinkError{pl.c.name, hp.n.name, errors.New("failed open, but next may still be running and cannot be called twice")}
}
