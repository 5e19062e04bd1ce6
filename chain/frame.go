package chain

import (
	"context"
	"sync"
	"sync/atomic"
)

// What is known of next in one invocation of an Around.
const (
	begun   uint32 = 1 << iota // next was called
	back                       // and returned: the result is on record
	several                    // next was called again
	over                       // the link was bypassed: a later call of next is refused
)

// inlineSlots is the number of Arounds whose state fits into the frame's own allocation.
const inlineSlots = 12

// frame is the one allocation of a call through Arounds: a context that carries what is known of each Around's next, by
// slot. An Around that calls next a second time (retry, hedge) gets a fresh frame for everything below it, so that slots
// are never shared by two runs. A frame is never pooled: a link may keep its context.
type frame[P any] struct {
	context.Context // the caller's
	b               *bound[P]
	pl              *plan[P]
	root            *frame[P] // the call's first frame, with the record
	states          []atomic.Uint32
	passed          []passage[P] // only in a wide plan
	few             [inlineSlots]atomic.Uint32

	mu  sync.Mutex // of rec: hedged Arounds write to it from several goroutines
	rec record[P]
}

// passage is what went into next and came out again.
type passage[P any] struct {
	in, out P
	err     error
}

type wideFrame[P any] struct {
	frame[P]
	fewPassed [inlineSlots]passage[P]
}

// Value finds the frame of a bound chain in any context derived from it.
func (f *frame[P]) Value(k any) any {
	if k == any(f.b) {
		return f
	}
	return f.Context.Value(k)
}

func (pl *plan[P]) newFrame(ctx context.Context, root *frame[P]) *frame[P] {
	var f *frame[P]
	n := len(pl.hops)
	switch {
	case pl.wide && n <= inlineSlots:
		w := new(wideFrame[P])
		f, w.passed = &w.frame, w.fewPassed[:n]
	case pl.wide:
		f = &frame[P]{passed: make([]passage[P], n)}
	default:
		f = new(frame[P])
	}
	if n <= inlineSlots {
		f.states = f.few[:n]
	} else {
		f.states = make([]atomic.Uint32, n)
	}
	f.Context, f.b, f.pl, f.root, f.rec.mu, f.rec.frame = ctx, pl.b, pl, f, &f.mu, f
	if root != nil {
		f.root, f.rec.traced = root, root.rec.traced
	}
	return f
}

// frameOf finds the call's frame. Every link below callFramed runs under a context that leads to one: where a link
// dropped it, lostNext has put a new one in its place.
func (pl *plan[P]) frameOf(ctx context.Context) *frame[P] {
	if f, ok := ctx.(*frame[P]); ok && f.b == pl.b {
		return f
	}
	f, _ := ctx.Value(pl.b).(*frame[P])
	return f
}

func (pl *plan[P]) callFramed(ctx context.Context, p P) (P, error) {
	f := pl.newFrame(ctx, nil)
	f.rec.traced = pl.tracer != nil && pl.sample(ctx)
	if len(pl.observers) > 0 {
		return pl.callObserved(ctx, f, p, &f.rec)
	}
	return pl.enter(f, p, &f.rec)
}

// enter runs the rings of one call.
func (pl *plan[P]) enter(ctx context.Context, p P, rec *record[P]) (P, error) {
	if pl.outer != nil {
		return pl.outer(ctx, p)
	}
	return pl.gate(ctx, p, rec)
}

// result is what next last returned to the Around in this slot.
func (f *frame[P]) result(slot int) (out P, err error, returned bool) { //nolint:revive // the error is a value here
	st := f.states[slot].Load()
	if st&back == 0 {
		return out, nil, false
	}
	if f.passed != nil && st&several == 0 {
		return f.passed[slot].out, f.passed[slot].err, true
	}
	x, ok := f.root.rec.result(&f.states[slot])
	return x.out, x.err, ok
}

// record is what a call's outcome will tell beside its result. Empty and without a lock until something happens.
type record[P any] struct {
	traced  bool
	reached atomic.Bool // the handler was
	frame   *frame[P]   // the call's first, nil without Arounds
	mu      *sync.Mutex // nil in a call without Arounds: it has one goroutine, and a lock would move the record to the heap
	more    *notes[P]
}

type notes[P any] struct {
	last    *P    // the payload as the last link left it
	exit    error // who called Goexit: a *LinkError, or ErrGoexit for the handler
	results map[*atomic.Uint32]passage[P]
}

func (r *record[P]) note(f func(*notes[P])) {
	if r == nil {
		return
	}
	if r.mu != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
	}
	if r.more == nil {
		r.more = new(notes[P])
	}
	f(r.more)
}

// exit notes who called Goexit and whether this is news: on its way up the Goexit passes every Around, and they are not
// to blame.
func (r *record[P]) exit(err error) (first bool) {
	first = r == nil
	r.note(func(n *notes[P]) {
		if first = n.exit == nil; first {
			n.exit = err
		}
	})
	return first
}

func (r *record[P]) keep(p P) { r.note(func(n *notes[P]) { n.last = &p }) }

func (r *record[P]) kept() (yes bool) {
	r.note(func(n *notes[P]) { yes = n.last != nil })
	return yes
}

// setResult remembers what next returned where the frame has no place for it.
func (r *record[P]) setResult(slot *atomic.Uint32, out P, err error) {
	r.note(func(n *notes[P]) {
		if n.results == nil {
			n.results = map[*atomic.Uint32]passage[P]{}
		}
		n.results[slot] = passage[P]{out: out, err: err}
	})
}

func (r *record[P]) result(slot *atomic.Uint32) (x passage[P], ok bool) {
	r.note(func(n *notes[P]) { x, ok = n.results[slot] })
	return x, ok
}

// seal takes the notes; a next that is still running somewhere (a hedge, a refresh) writes to new ones.
func (r *record[P]) seal() (n notes[P]) {
	r.note(func(m *notes[P]) { n, *m = *m, notes[P]{} })
	return n
}
