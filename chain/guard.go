package chain

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
	"go.uber.org/zap"
)

// What makes a link leave the fast path.
const (
	armed   uint32 = 1 << iota // a failure is on record: every call asks the breaker
	pinned                     // the breaker's rule needs to see every call
	off                        // switched off by OnFailure(Disable)
	counted                    // Counted
)

// A breaker that opened stays open this long unless its settings say otherwise; gobreaker's own default.
const defaultOpen = time.Minute

// maxLeft bounds the goroutines that abandoned runs of one link may hold.
const maxLeft = 1024

// finding is what one run of a link says about its health.
type finding uint8

const (
	healthy finding = iota
	faulty
	unclear // neither: somebody else's error
)

var (
	errFaulty  = errors.New("faulty")
	errUnclear = errors.New("unclear")
)

// guard is what a link keeps over all plans: its breaker, its counters and its blame. While the link is healthy
// (flags == 0) nothing in it is written.
type guard struct {
	flags  atomic.Uint32
	family *family
	_      [48]byte // counters and locks stay off the line that every caller reads

	cb     *gobreaker.TwoStepCircuitBreaker[struct{}]
	user   atomic.Pointer[gobreaker.Settings] // whose callbacks a reload may change
	log    *zap.Logger                        // with chain and link
	open   time.Duration
	probe  time.Duration
	report sync.Mutex // one report at a time, so that the breaker's counts and the armed flag agree

	state    atomic.Int32 // the breaker's, readable without its lock
	openedAt atomic.Int64

	changes stateChanges
	blame   blame
	cases   cases

	calls, failures, ignored, blocks, wouldBlocks, rewrites, wouldRewrites, discarded, trips, abandoned, running, disagreements atomic.Int64
	left                                                                                                                        atomic.Int64 // abandoned runs that are still going
}

func newGuard(chainName string, s *settings, log *zap.Logger, f *family) *guard {
	g := &guard{family: f, open: s.breaker.Timeout, log: log.With(zap.String("chain", chainName), zap.String("link", s.name))}
	if g.open == 0 {
		g.open = defaultOpen
	}
	g.probe = g.open
	if s.timeout > 0 {
		g.probe = min(g.probe, 2*s.timeout)
	}
	g.adopt(s)
	st := s.breaker
	st.Name = chainName + "/" + s.name
	st.IsSuccessful = nil                                             // the guard asks the user's before it reports, outside gobreaker's lock
	st.IsExcluded = func(err error) bool { return err == errUnclear } //nolint:errorlint // ours, never wrapped
	st.ReadyToTrip = g.readyToTrip(s.tripAfter, s.breaker.ReadyToTrip != nil)
	st.OnStateChange = func(_ string, from, to gobreaker.State) { // under gobreaker's lock: only take note
		g.state.Store(int32(to))
		if to == gobreaker.StateOpen {
			g.openedAt.Store(time.Now().UnixNano())
			g.trips.Add(1)
		}
		g.changes.add(from, to)
	}
	g.cb = gobreaker.NewTwoStepCircuitBreaker[struct{}](st)
	if !s.lazy() {
		g.set(pinned)
	}
	return g
}

// set and clear change a flag, then count the change: who has seen the count has seen the flag.
func (g *guard) set(flag uint32) {
	if g.flags.Or(flag)&flag == 0 {
		g.family.changes.Add(1)
	}
}

func (g *guard) clear(flag uint32) {
	if g.flags.And(^flag)&flag != 0 {
		g.family.changes.Add(1)
	}
}

// readyToTrip is the trip rule; a user's that panics counts as gobreaker's default.
func (g *guard) readyToTrip(after uint32, custom bool) func(gobreaker.Counts) bool {
	byDefault := func(c gobreaker.Counts) bool { return c.ConsecutiveFailures > 5 }
	if after > 0 {
		byDefault = func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= after }
	}
	if !custom {
		return byDefault
	}
	return func(c gobreaker.Counts) (trip bool) {
		defer func() {
			if recover() != nil {
				trip = byDefault(c)
			}
		}()
		return g.user.Load().ReadyToTrip(c)
	}
}

// State is the breaker's state. It takes no lock of gobreaker's, so that callbacks may ask for it.
func (g *guard) State() gobreaker.State {
	s := gobreaker.State(g.state.Load())
	if s == gobreaker.StateOpen && time.Now().UnixNano()-g.openedAt.Load() > int64(g.open) {
		return gobreaker.StateHalfOpen
	}
	return s
}

func (g *guard) stateIs(s gobreaker.State) bool { return gobreaker.State(g.state.Load()) == s }

// ticket is one run of a link. With a nil done it started without asking the breaker.
type ticket struct {
	g    *guard
	done func(error)
	once *probe
}

// probe bounds a half-open run: whoever reports first, the run or the timer, is heard.
type probe struct {
	reported atomic.Bool
	timer    *time.Timer
}

// enter asks the breaker for a run. inNext tells a probe that is late whether it is the link that hangs, or what it wraps.
func (g *guard) enter(inNext func() bool) (ticket, error) {
	t := ticket{g: g}
	g.calls.Add(1)
	if g.flags.Load()&(armed|pinned) == 0 {
		return t, nil
	}
	done, err := g.cb.Allow()
	g.tell()
	if err != nil {
		return t, err
	}
	t.done = done
	if g.stateIs(gobreaker.StateHalfOpen) {
		late := t
		late.once = new(probe)
		late.once.timer = time.AfterFunc(g.probe, func() {
			if inNext != nil && inNext() {
				late.book(unclear)
				return
			}
			late.book(faulty)
		})
		t = late
	}
	return t, nil
}

// report books a finding. The first failure arms the link; a recorded success that leaves the breaker closed with no
// consecutive failure disarms it.
func (t ticket) report(f finding) {
	if t.once != nil {
		t.once.timer.Stop()
	}
	t.book(f)
}

func (t ticket) book(f finding) {
	g := t.g
	switch {
	case t.once != nil && !t.once.reported.CompareAndSwap(false, true):
		return // the other side was first
	case f != faulty && t.idle():
		return
	}
	t.record(f, [...]error{nil, errFaulty, errUnclear}[f])
	g.tell()
}

// idle says that nothing is on record, and nothing to record unless the link is at fault.
func (t ticket) idle() bool { return t.done == nil && t.g.flags.Load()&armed == 0 }

func (t ticket) record(f finding, err error) {
	g := t.g
	g.report.Lock()
	defer g.report.Unlock() // also when the user's ReadyToTrip calls Goexit
	switch {
	case t.done != nil:
		t.done(err)
	case f != unclear: // it began before the link was armed
		g.late(err)
	}
	switch {
	case g.flags.Load()&pinned != 0: // asks its breaker anyway
	case g.stateIs(gobreaker.StateClosed) && g.cb.Counts().ConsecutiveFailures == 0:
		g.clear(armed)
	default: // also when a run that began armed fails after another one has disarmed the link
		g.set(armed)
	}
}

// late reports a run that had not asked the breaker. When that is no longer closed the result is void, as it would be
// in gobreaker. (A run that began before the breaker opened and ends after it closed again counts here, and would not
// there: telling costs every healthy run a look at the breaker.)
func (g *guard) late(err error) {
	if !g.stateIs(gobreaker.StateClosed) {
		return
	}
	if done, e := g.cb.Allow(); e == nil {
		done(err)
	}
}

// judge says what an error tells about the link. own: the engine saw the link panic, time out or exit; foreign: the
// error is that of something it wraps.
func (g *guard) judge(ctx context.Context, err error, own, foreign bool) (f finding) {
	if err == nil {
		return healthy
	}
	if own {
		return faulty
	}
	if _, blocked := asViolation(err); blocked {
		return healthy
	}
	if foreign || ctx.Err() != nil || isRefusal(err) {
		return unclear
	}
	defer func() {
		if recover() != nil { // in the user's callbacks
			f = faulty
		}
	}()
	switch u := g.user.Load(); {
	case u.IsExcluded != nil && u.IsExcluded(err):
		return unclear
	case u.IsSuccessful != nil && u.IsSuccessful(err):
		return healthy
	}
	return faulty
}

// stateChanges hands the breaker's state changes on in order, outside gobreaker's lock.
type stateChanges struct {
	mu      sync.Mutex
	pending [][2]gobreaker.State
	telling bool
}

func (c *stateChanges) add(from, to gobreaker.State) {
	c.mu.Lock()
	c.pending = append(c.pending, [2]gobreaker.State{from, to})
	c.mu.Unlock()
}

func (c *stateChanges) take() (ch [2]gobreaker.State, ok bool) {
	if len(c.pending) == 0 {
		return ch, false
	}
	ch = c.pending[0]
	c.pending = c.pending[1:]
	return ch, true
}

func (g *guard) tell() {
	c := &g.changes
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.telling {
		return
	}
	c.telling = true
	defer func() { c.telling = false }() // also when a callback calls Goexit
	for ch, ok := c.take(); ok; ch, ok = c.take() {
		g.tellOne(ch[0], ch[1])
	}
}

func (g *guard) tellOne(from, to gobreaker.State) {
	g.changes.mu.Unlock()
	defer g.changes.mu.Lock()
	defer func() { _ = recover() }()
	g.log.Warn("breaker changed state", zap.Stringer("from", from), zap.Stringer("to", to))
	if f := g.user.Load().OnStateChange; f != nil {
		f(g.cb.Name(), from, to)
	}
}

// blame remembers the last errors that next returned to any run of the link, so that a run that got one of them from
// another run (a singleflight, a batch, a detached context) is not blamed for it.
type blame struct {
	count atomic.Uint64
	mu    sync.Mutex
	last  []error // a ring, made when it is needed
}

// blameSize is how many errors of next a link remembers.
const blameSize = 256

func (b *blame) nextFailed(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.last == nil {
		b.last = make([]error, blameSize)
	}
	b.last[b.count.Load()%blameSize] = err
	b.count.Add(1)
}

// shared says whether err came from a next that failed since the given count.
func (b *blame) shared(err error, since uint64) bool {
	for _, e := range b.since(since) {
		if isCause(err, e) {
			return true
		}
	}
	return false
}

// knows says whether a violation is one that next returned, this time or to another run since the given count.
func (b *blame) knows(v *Violation, nextErr error, since uint64) bool {
	is := func(err error) bool {
		w, ok := asViolation(err)
		return ok && w == v
	}
	return is(nextErr) || slices.ContainsFunc(b.since(since), is)
}

func (b *blame) since(since uint64) (errs []error) {
	if b.count.Load() == since {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.count.Load()
	for i := max(since, n-min(n, blameSize)); i < n; i++ {
		errs = append(errs, b.last[i%blameSize])
	}
	return errs
}

// adopt takes over what a link that stays may change: callbacks, counting, and a failure policy under which it cannot be
// switched off.
func (g *guard) adopt(s *settings) {
	user := s.breaker
	g.user.Store(&user)
	g.cases.limit(s.cases)
	g.clear(counted)
	if s.counted {
		g.set(counted)
	}
	if s.failure != Disable {
		g.clear(off)
	}
}
