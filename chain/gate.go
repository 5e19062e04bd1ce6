package chain

import (
	"context"
	"fmt"
	"unsafe"
)

// ending is how a stretch of the flat run ended.
type ending uint8

const (
	crashed ending = iota // a step panicked (or called Goexit: then nobody reads this)
	paused                // steps[k] comes next, if there is one
	failed                // steps[k] returned an error
)

// gate runs the hooks on both sides of the inner ring, and the ring or the handler between them: healthy plain steps in
// one loop, the others one by one. The payload beside an error is what the handler left.
func (pl *plan[P]) gate(ctx context.Context, p P, rec *record[P]) (P, error) {
	return pl.resume(ctx, 0, p, paused, nil, rec)
}

// resume goes on with the gate where a stretch has ended.
func (pl *plan[P]) resume(ctx context.Context, k int, p P, how ending, err error, rec *record[P]) (P, error) {
	for {
		switch {
		case how == paused && k == len(pl.steps):
			return p, nil
		case how == paused:
			s, calm := &pl.steps[k], pl.calm()
			if !rec.traced && !s.slow && (calm != never || !s.restless()) {
				var at *flat
				if p, at, how, err = pl.runFlat(ctx, &s.flat, p, rec, calm); at == nil {
					return p, nil
				}
				k = at.k
				continue
			}
			if s.n == nil { // the handler or the ring around it, in a traced call
				pl.keepUnlessKept(rec, p)
				if len(pl.arounds) == 0 {
					rec.seen.Or(reached)
				}
				inner := pl.inner
				if rec.traced && len(pl.arounds) == 0 {
					inner = pl.callTraced
				}
				if p, err = inner(ctx, p); err != nil {
					return pl.stopped(k, p, p, err, rec)
				}
				k++
				continue
			}
			p, k, err = pl.runGuarded(ctx, k, p, rec)
		case how == crashed && pl.steps[k].n == nil:
			var zero P
			return pl.stopped(k, zero, zero, err, rec)
		case pl.steps[k].n == nil: // what the handler or the ring around it returned stands
			return pl.stopped(k, p, p, err, rec)
		default:
			n := pl.steps[k].n
			res := ran[P]{p: p, err: err, own: how == crashed, found: n.g.judge(ctx, err, how == crashed, false)}
			ticket{g: n.g}.report(res.found)
			p, err = pl.settle(n, p, res)
			k++
		}
		if err != nil {
			var zero P
			return pl.stopped(k-1, p, zero, err, rec)
		}
		how = paused
	}
}

// stopped ends the gate at step k. last is the payload as it was then, ret what the caller gets.
func (pl *plan[P]) stopped(k int, last, ret P, err error, rec *record[P]) (P, error) {
	if k >= pl.handlerAt && len(pl.arounds) == 0 {
		rec.seen.Or(reached)
	}
	pl.keep(rec, last)
	return ret, err
}

// keep remembers the last payload for the observers of a call that will end in an error.
func (pl *plan[P]) keep(rec *record[P], p P) {
	if len(pl.observers) > 0 && !pl.c.id.isNil(p) {
		rec.keep(p)
	}
}

// runFlat runs a stretch of steps, with one deferred recover for all of them. It ends with the step at which it failed or
// panicked, the one that comes next, or nil if there is none.
func (pl *plan[P]) runFlat(ctx context.Context, s *flat, in P, rec *record[P], calm uint64) (p P, at *flat, how ending, err error) {
	p, at = in, s
	defer func() {
		if how == crashed {
			err = contained(pl.crashedAt(at.k, p, recover(), rec))
		}
	}()
	for cur := in; ; { // a local: the results live in memory, for the recover
		var r P
		var e error
		if pl.word {
			q, whole, failure := glide(ctx, s, word(cur), &pl.family.changes, calm, &at)
			if whole {
				at, how = pl.after(at), paused
				return
			}
			r, e = *(*P)(unsafe.Pointer(&q)), failure
		} else {
			at = s
			r, e = pl.steps[at.k].fn(ctx, cur)
		}
		n := pl.steps[at.k].n
		next := at.next
		if e == nil {
			next = at.look()
			r, e = pl.accept(n, cur, r)
		}
		if e != nil {
			p = pl.leaves(n, cur, r, rec)
			how, err = failed, e
			return
		}
		p, cur = r, r
		if next == nil {
			at, how = pl.after(at), paused
			return
		}
		s = next
	}
}

// after is the step behind s, of whatever stretch; nil if there is none.
func (pl *plan[P]) after(s *flat) *flat {
	if s.k+1 == len(pl.steps) {
		return nil
	}
	return &pl.steps[s.k+1].flat
}

// keepUnlessKept is for the payload before the inner ring, when the ring may have kept a later one.
func (pl *plan[P]) keepUnlessKept(rec *record[P], p P) {
	if len(pl.arounds) == 0 || !rec.kept() {
		pl.keep(rec, p)
	}
}

// leaves is the payload when a step failed: what the handler returned beside its error, else the last one that there was.
// It is kept out of the hot loop.
//
//go:noinline
func (pl *plan[P]) leaves(n *node[P], cur, r P, rec *record[P]) P {
	if n != nil {
		return cur
	}
	pl.keepUnlessKept(rec, cur)
	return r
}

// crashedAt sees to the record when steps[k] panicked with v or, where v is nil, called Goexit.
//
//go:noinline
func (pl *plan[P]) crashedAt(k int, p P, v any, rec *record[P]) any {
	n := pl.steps[k].n
	if n == nil {
		pl.keepUnlessKept(rec, p)
	}
	if v != nil && !pl.passes(v) {
		return v
	}
	if n != nil { // nobody comes back to the gate
		pl.keep(rec, p)
	}
	if k >= pl.handlerAt && len(pl.arounds) == 0 {
		rec.seen.Or(reached)
	}
	if n != nil && v == nil {
		pl.left(n, ticket{g: n.g}, rec, ErrGoexit)
	}
	return pl.recovered(v)
}

// recovered lets the host's own panics (http.ErrAbortHandler) through.
func (pl *plan[P]) recovered(v any) any {
	if v != nil && pl.passes(v) {
		panic(v)
	}
	return v
}

func (pl *plan[P]) passes(v any) (pass bool) {
	if pl.c.cfg.PassPanic == nil {
		return false
	}
	defer func() {
		if recover() != nil {
			pass = false
		}
	}()
	return pl.c.cfg.PassPanic(v)
}

// accept takes another payload than before from a hook, or from the handler (n is nil).
func (pl *plan[P]) accept(n *node[P], old, proposed P) (P, error) {
	if pl.c.id.same(old, proposed) {
		return proposed, nil
	}
	if pl.c.id.isNil(proposed) {
		if n == nil {
			return proposed, pl.nilResult()
		}
		return old, ErrNilPayload
	}
	if n == nil {
		return proposed, nil
	}
	return pl.filter(n, n.position(), old, proposed)
}

func (pl *plan[P]) nilResult() error {
	return fmt.Errorf("chain %s: handler: %w", pl.c.name, ErrNilPayload)
}

// callHandler calls the handler where a panic of it must not go further: it becomes an error that every Around can see
// and that blames no link.
func (pl *plan[P]) callHandler(ctx context.Context, p P) (r P, err error) {
	if pl.shape != framed {
		return pl.containHandler(ctx, p, pl.b.h)
	}
	f := pl.frameOf(ctx)
	f.root.rec.seen.Or(reached)
	if f.rec.traced {
		return pl.callTraced(ctx, p)
	}
	return pl.containHandler(ctx, p, pl.b.h)
}

func (pl *plan[P]) callTraced(ctx context.Context, p P) (P, error) {
	return pl.containHandler(ctx, p, pl.tracedHandler)
}

func (pl *plan[P]) containHandler(ctx context.Context, p P, h Handler[P]) (r P, err error) {
	returned := false
	defer func() {
		var v any
		if !returned {
			v = recover()
			err = contained(v)
		}
		if err != nil && pl.shape == framed {
			pl.handlerFailed(&pl.frameOf(ctx).root.rec, p, r, err)
		}
		pl.recovered(v)
	}()
	r, err = h(ctx, p)
	returned = true
	if err == nil && pl.c.id.isNil(r) {
		err = pl.nilResult()
	}
	return r, err
}

func (pl *plan[P]) handlerFailed(rec *record[P], p, partial P, err error) {
	if err == ErrGoexit { //nolint:errorlint // identity is what tells
		rec.exit(err)
	}
	pl.keep(rec, p)
	pl.keep(rec, partial)
}
