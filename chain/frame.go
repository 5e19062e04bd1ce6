package chain

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"
)

// What is known of next in one invocation of an Around.
const (
	begun   uint32 = 1 << iota // next was called
	back                       // and returned: the result is on record
	several                    // next was called again: all results are on record
	over                       // the link was bypassed: a later call of next is refused
	stored                     // the first call of next has returned, and what it passed can be read

	running uint32 = 1 << 8 // a further next that has not returned, counted from this bit on
)

// inlineSlots is the number of Arounds whose state fits into the frame's own allocation.
const inlineSlots = 12

// frame is the one allocation of a call through Arounds: a context that carries what is known of each Around's next, by
// slot. An Around that calls next a second time (retry, hedge) gets a fresh frame for everything below it, so that slots
// are never shared by two runs. A frame is never pooled: a link may keep its context.
type frame[P any] struct {
	context.Context // the caller's
	pl              *plan[P]
	root            *frame[P]                  // the call's first frame, with the record
	lost            uint64                     // nexts without a frame before this call
	states          *atomic.Uint32             // the first of as many as the plan has hops
	passed          atomic.Pointer[passage[P]] // likewise; in a wide plan from the start, in others when a next returns an error
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
	if k == any(f.pl.b) {
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
		f = &w.frame
		f.passed.Store(&w.fewPassed[0])
	case pl.wide:
		f = new(frame[P])
		f.passed.Store(&make([]passage[P], n)[0])
	default:
		f = new(frame[P])
	}
	if n <= inlineSlots {
		f.states = &f.few[0]
	} else {
		f.states = &make([]atomic.Uint32, n)[0]
	}
	f.Context, f.pl, f.root, f.rec.frame, f.lost = ctx, pl, f, f, pl.b.lost.Load()
	if root != nil {
		f.root, f.rec.traced = root, root.rec.traced
	}
	return f
}

// frameOf finds the call's frame. Every link below callFramed runs under a context that leads to one: where a link
// dropped it, lostNext has put a new one in its place.
func (pl *plan[P]) frameOf(ctx context.Context) *frame[P] {
	if f, ok := ctx.(*frame[P]); ok && f.pl.b == pl.b {
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
	switch {
	case pl.outer != nil:
		return pl.outer(ctx, p)
	case len(pl.steps) == 1 && len(pl.observers) == 0: // nothing but the inner ring, and nobody to keep anything for
		return pl.inner(ctx, p)
	}
	return pl.gate(ctx, p, rec)
}

// state is what is known of the next of the Around in this slot.
func (f *frame[P]) state(slot int) *atomic.Uint32 {
	_ = f.pl.hops[slot] // as many as there are
	return (*atomic.Uint32)(unsafe.Add(unsafe.Pointer(f.states), uintptr(slot)*unsafe.Sizeof(*f.states)))
}

// passage is the place for what passes the next of the Around in this slot.
func (f *frame[P]) passage(slot int) *passage[P] {
	if x := f.passedAt(slot); x != nil {
		return x
	}
	f.passed.CompareAndSwap(nil, &make([]passage[P], len(f.pl.hops))[0])
	return f.passedAt(slot)
}

// passedAt is that place, or nil where there is none so far.
func (f *frame[P]) passedAt(slot int) *passage[P] {
	x := f.passed.Load()
	if x == nil {
		return nil
	}
	return &unsafe.Slice(x, len(f.pl.hops))[slot]
}

// result is what next last returned to the Around in this slot. Where nothing is remembered of a healthy one it is empty.
func (f *frame[P]) result(slot int) (x passage[P], returned bool) {
	st := f.state(slot).Load()
	if st&back == 0 {
		return x, false
	}
	if st&several != 0 {
		if all := f.root.rec.results(f.state(slot)); len(all) > 0 {
			return all[len(all)-1], true
		}
	}
	if last := f.passedAt(slot); last != nil {
		x = *last
	}
	return x, true
}

// returned says whether p is, identically, something that next returned to the Around in this slot.
func (f *frame[P]) returned(slot int, p P) bool {
	st := f.state(slot).Load()
	if x := f.passedAt(slot); x != nil && st&stored != 0 && f.pl.c.id.same(p, x.out) {
		return true
	}
	return st&several != 0 && slices.ContainsFunc(f.root.rec.results(f.state(slot)), func(x passage[P]) bool {
		return f.pl.c.id.same(p, x.out)
	})
}

// inNext says whether the Around in this slot is waiting for a next.
func (f *frame[P]) inNext(slot int) bool {
	st := f.state(slot).Load()
	return st&(begun|back|several) == begun || st >= running
}

// record is what a call's outcome will tell beside its result. Nothing is written to it, and no lock taken, until
// something happens.
type record[P any] struct {
	traced bool
	has    bool          // last is set
	seen   atomic.Uint32 // reached and nextFailed
	frame  *frame[P]     // that it is part of; nil in a call without Arounds, which has one goroutine and needs no lock
	last   P             // the payload as the last link left it, in a call that somebody observes
	more   *notes[P]
}

const (
	reached    uint32 = 1 << iota // the handler was
	nextFailed                    // some next did
)

type notes[P any] struct {
	exit error // who called Goexit: a *LinkError, or ErrGoexit for the handler
	next map[*atomic.Uint32][]passage[P]
}

// lock is for records that several goroutines may reach.
func (r *record[P]) lock() (unlock func()) {
	if r.frame == nil {
		return func() {}
	}
	r.frame.mu.Lock()
	return r.frame.mu.Unlock
}

func (r *record[P]) notes() *notes[P] {
	if r.more == nil {
		r.more = new(notes[P])
	}
	return r.more
}

// exit notes who called Goexit and whether this is news: on its way up the Goexit passes every Around, and they are not
// to blame.
func (r *record[P]) exit(err error) (first bool) {
	if r == nil {
		return true
	}
	defer r.lock()()
	n := r.notes()
	if first = n.exit == nil; first {
		n.exit = err
	}
	return first
}

func (r *record[P]) keep(p P) {
	defer r.lock()()
	r.last, r.has = p, true
}

func (r *record[P]) kept() bool {
	defer r.lock()()
	return r.has
}

// addResult remembers what a next returned to an Around that called it several times.
func (r *record[P]) addResult(slot *atomic.Uint32, x passage[P]) {
	defer r.lock()()
	n := r.notes()
	if n.next == nil {
		n.next = map[*atomic.Uint32][]passage[P]{}
	}
	n.next[slot] = append(n.next[slot], x)
}

func (r *record[P]) results(slot *atomic.Uint32) []passage[P] {
	defer r.lock()()
	if r.more == nil {
		return nil
	}
	return r.more.next[slot]
}

// end takes what an outcome needs. A next that is still running somewhere (a hedge, a refresh) may go on writing.
func (r *record[P]) end() (last P, has bool, exit error) {
	defer r.lock()()
	if r.more != nil {
		exit = r.more.exit
	}
	return r.last, r.has, exit
}
