package chain

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/samber/lo"
)

// plan is what one call runs: the links of a chain and its parents, in order, around one handler. Immutable.
type plan[P any] struct {
	// What every call looks at.
	family *family
	calmAt atomic.Uint64 // see calm
	first  *flat         // where a call may run in one stretch, its begin
	steps  []step[P]     // Before hooks, the handler or the ring around it, After hooks
	word   bool          // see identity

	c         *Chain[P]
	b         *bound[P]
	seen      []*snapshot[P] // one per scope, own first: the plan is stale when one of them is replaced
	order     []*node[P]
	notes     []string
	beside    map[*node[P]][]*node[P] // candidates, by the link whose place they are for
	inert     []string                // overrides of links that are not there
	closed    bool
	tracer    Tracer
	shape     shape
	handlerAt int // its place in steps
	inner     Handler[P]
	outer     Handler[P] // nil without Outer Arounds
	arounds   []*node[P]
	hops      []hop[P] // what each Around's next leads to, by slot
	wide      bool     // frames remember what next returned
	observers []*node[P]
	timed     bool
}

// shape picks the cheapest way to run a plan.
type shape uint8

const (
	empty    shape = iota // no links
	hooks                 // hooks only
	observed              // hooks and observers
	framed                // Arounds
)

// step is one entry of the flat run. A nil n is the handler, or the ring around it.
type step[P any] struct {
	flat
	fn Handler[P]
	n  *node[P]
}

// never is no count of changes.
const never = math.MaxUint64

// calm is the family's count of changes, or never if the plan is out of date or some link of it restless, or if a glance
// does not tell whether a payload is the same as before.
func (pl *plan[P]) calm() uint64 {
	now := pl.family.changes.Load() // before the look at the chains and guards
	if pl.calmAt.Load() == now {
		return now
	}
	if !pl.word || pl.stale() {
		return never
	}
	for i := range pl.steps {
		if s := &pl.steps[i]; !s.slow && s.restless() {
			return never
		}
	}
	pl.calmAt.Store(now)
	return now
}

// bound is a chain bound to one handler: what Then returned.
type bound[P any] struct {
	c   *Chain[P]
	h   Handler[P]
	cur atomic.Pointer[plan[P]]

	lost atomic.Uint64 // nexts whose context did not lead to their call

	mu        sync.Mutex // of the change of plan, and of:
	instances map[instanceKey]*instance[P]
	slots     []*instance[P]
}

// Then binds the links to a handler. The Handler it returns follows every later Use, Remove, Replace and Reload of the
// chain; each call runs wholly on the plan that was current when it began. A nil h gives a Handler that returns ErrNilHandler.
func (c *Chain[P]) Then(h Handler[P]) Handler[P] {
	switch {
	case c.setup != nil:
		return refusing[P](c.setup)
	case c.snap.Load() == nil:
		return refusing[P](c.usable())
	case h == nil:
		return refusing[P](fmt.Errorf("chain %s: %w", c.name, ErrNilHandler))
	}
	b := &bound[P]{c: c, h: h, instances: map[instanceKey]*instance[P]{}}
	b.replan()
	return b.call
}

func (b *bound[P]) call(ctx context.Context, p P) (P, error) {
	if ctx == nil || ctx.Err() != nil {
		return b.plan().refuse(ctx, p)
	}
	pl := b.cur.Load()
	calm := pl.family.changes.Load()
	if pl.first == nil || pl.calmAt.Load() != calm || word(p) == nil {
		return b.plan().call(ctx, p)
	}
	var rec record[P]
	if pl.tracer != nil && pl.sample(ctx) {
		rec.traced = true
		return pl.gate(ctx, p, &rec)
	}
	r, at, how, err := pl.runFlat(ctx, pl.first, p, &rec, calm)
	if at == nil {
		return r, nil
	}
	return pl.resume(ctx, at.k, r, how, err, &rec)
}

// plan is the current one.
func (b *bound[P]) plan() *plan[P] {
	if pl := b.cur.Load(); !pl.stale() {
		return pl
	}
	return b.replan()
}

// call is the way of all calls that do not run in one stretch, as far as is known.
func (pl *plan[P]) call(ctx context.Context, p P) (P, error) {
	if pl.closed || pl.c.id.isNil(p) {
		return pl.refuse(ctx, p)
	}
	if pl.shape == framed {
		return pl.callFramed(ctx, p)
	}
	var rec record[P]
	rec.traced = pl.tracer != nil && pl.sample(ctx)
	if pl.shape == observed {
		return pl.callObserved(ctx, ctx, p, &rec)
	}
	return pl.gate(ctx, p, &rec)
}

var errNilContext = errors.New("nil context")

// refuse ends a call before its first link. Observers see it like any other.
func (pl *plan[P]) refuse(ctx context.Context, p P) (zero P, err error) {
	switch {
	case ctx == nil:
		ctx, err = context.Background(), errNilContext
	case pl.closed:
		err = ErrClosed
	case ctx.Err() != nil:
		if err = ctx.Err(); !isCause(context.Cause(ctx), err) {
			err = errors.Join(err, context.Cause(ctx))
		}
	default:
		err = ErrNilPayload
	}
	err = fmt.Errorf("chain %s: %w", pl.c.name, err)
	var rec record[P]
	pl.observe(ctx, p, zero, err, &rec, 0)
	return zero, err
}

func (pl *plan[P]) stale() bool {
	c := pl.c
	for _, s := range pl.seen {
		if c.snap.Load() != s {
			return true
		}
		c = c.parent
	}
	return false
}

// replan compiles the current links, unless another call has just done so.
func (b *bound[P]) replan() *plan[P] {
	b.mu.Lock()
	defer b.mu.Unlock()
	pl := b.cur.Load()
	if pl == nil || pl.stale() {
		pl = b.c.survey()
		pl.compile(b)
		b.cur.Store(pl)
	}
	return pl
}

// survey is a plan without its functions: all that Explain and Stats need.
func (c *Chain[P]) survey() *plan[P] {
	pl := &plan[P]{c: c, family: c.family, word: c.id.word}
	var nodes, over []*node[P]
	for a := c; a != nil; a = a.parent {
		a.planned.Store(true) // before the look
		s := a.current()
		pl.seen = append(pl.seen, s)
		pl.closed = pl.closed || s.closed
		if pl.tracer == nil {
			pl.tracer = s.tracer
		}
		nodes = append(slices.Clone(s.nodes), nodes...)
		over = append(over, s.over...)
	}
	no := func(*node[P]) bool { return false }
	nodes, notes, inert, _ := c.overridden(nodes, over, no)
	pl.inert = inert
	pl.order, pl.notes, _ = arrange(nodes, no)
	pl.notes = append(notes, pl.notes...)
	return pl
}

// compile turns the ordered links into functions.
func (pl *plan[P]) compile(b *bound[P]) {
	pl.b = b
	var before, after []step[P]
	for _, n := range pl.order {
		if e := pl.incumbent(n); e != nil {
			if pl.beside == nil {
				pl.beside = map[*node[P]][]*node[P]{}
			}
			pl.beside[e] = append(pl.beside[e], n)
		}
	}
	for _, n := range lo.Reject(pl.order, func(n *node[P], _ int) bool { return n.mode == Disabled || pl.incumbent(n) != nil }) {
		switch n.ring() {
		case ringIn:
			before = append(before, pl.hookStep(n))
		case ringOut:
			after = append(after, pl.hookStep(n))
		case ringObserve:
			pl.observers = append(pl.observers, n)
			pl.timed = pl.timed || n.timed
		default:
			pl.arounds = append(pl.arounds, n)
			pl.wide = pl.wide || pl.remembers(n)
		}
	}
	switch {
	case len(pl.arounds) > 0:
		pl.shape = framed
	case len(pl.observers) > 0:
		pl.shape = observed
	case len(before)+len(after) > 0:
		pl.shape = hooks
	}
	pl.nest(append(before, step[P]{}), after)
	b.forgetUnused(pl)
}

func (pl *plan[P]) hookStep(n *node[P]) step[P] {
	slow := n.mode != Sequential || n.timeout > 0 || len(pl.beside[n]) > 0 || n.g.flags.Load()&(pinned|counted) != 0
	return step[P]{flat{g: n.g, slow: slow}, n.hook, n}
}

// link joins the steps of each stretch.
func (pl *plan[P]) link() {
	for i := range pl.steps {
		s := &pl.steps[i]
		if s.k = i; pl.word {
			s.flat.fn = rawOf(s.fn)
		}
		if i+1 < len(pl.steps) && !s.slow && !pl.steps[i+1].slow {
			s.next = &pl.steps[i+1].flat
		}
	}
	if s := &pl.steps[0].flat; pl.word && !pl.closed && pl.shape <= hooks && !s.slow {
		pl.first = s
	}
	pl.calmAt.Store(never)
}

// nest puts the Arounds around the handler and the gate. Without an Inner one the handler stands in the flat run itself.
func (pl *plan[P]) nest(before, after []step[P]) {
	pl.inner = pl.callHandler
	i := len(pl.arounds)
	for ; i > 0 && !pl.arounds[i-1].outer; i-- {
		pl.inner = pl.guardAround(pl.arounds[i-1], pl.inner)
	}
	pl.handlerAt = len(before) - 1
	before[pl.handlerAt].fn = pl.inner
	if len(pl.arounds) == 0 {
		before[pl.handlerAt].fn = pl.b.h // the flat run contains its panic
	}
	pl.steps = slices.Concat(before, after)
	pl.link()
	if i == 0 {
		return
	}
	pl.outer = func(ctx context.Context, p P) (P, error) {
		rec := &pl.frameOf(ctx).root.rec
		r, err := pl.gate(ctx, p, rec)
		if err == nil {
			pl.keep(rec, r) // in case an Outer Around fails from here on
		}
		return r, err
	}
	for ; i > 0; i-- {
		pl.outer = pl.guardAround(pl.arounds[i-1], pl.outer)
	}
}
