package chain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"
)

// Config is what a chain may be given. The zero value is useful.
type Config[P any] struct {
	// Logger hears of failures that were ignored, would-blocks, discarded changes and breakers that change state: names,
	// codes, the reasons of blocks and the types of errors, never payloads. Nil logs nothing.
	Logger *zap.Logger
	// LogErrorText adds the texts of errors and the values of panics, in which a link may have quoted a payload.
	LogErrorText bool
	// Policy limits rewrites and blocks.
	Policy Policy[P]
	// Dispatcher runs background links and may be shared. Without one the chain makes its own and closes it with itself.
	Dispatcher *Dispatcher
	// Tracer is told of the links of sampled calls.
	Tracer Tracer
	// Label says which call a payload belongs to, a request id, say, without saying what is in it: for the differing
	// calls that Stats keeps.
	Label func(p P) string
	// PassPanic says which panic values of the handler or a link, such as http.ErrAbortHandler, go through to the caller
	// instead of being contained. It does not hold for code that runs on the engine's own goroutines.
	PassPanic func(value any) bool
}

// Chain is an ordered set of links around any number of handlers with the payload P, normally a pointer to a struct that
// nobody changes in place. Safe for concurrent use.
type Chain[P any] struct {
	name   string
	parent *Chain[P]
	depth  int // of scopes above
	cfg    Config[P]
	log    *zap.Logger
	id     identity[P]
	family *family
	owns   bool  // the dispatcher
	setup  error // misuse of New

	mu       sync.Mutex // of writers
	regs     []*Registration[P]
	reloaded *Registration[P]
	snap     atomic.Pointer[snapshot[P]]
	planned  atomic.Bool // there may be plans of the snapshot
}

// snapshot is what one scope holds at one time.
type snapshot[P any] struct {
	nodes  []*node[P] // in order of registration
	over   []*node[P] // the overrides
	tracer Tracer
	closed bool
}

// node is a registered link. Immutable; what changes is in its guard.
type node[P any] struct {
	Link[P]
	g       *guard
	scope   int
	failure Failure // in force, with mode and position taken into account
	blocks  bool    // its violation stops the call
}

func (n *node[P]) scopeName() string { return scopeName(n.scope) }

func scopeName(depth int) string {
	names := [...]string{"process", "session", "block"}
	if depth < len(names) {
		return names[depth]
	}
	return fmt.Sprintf("block%d", depth-1)
}

// New makes a chain. It takes at most one Config. Misuse (no name, two Configs) is reported by Use and by every call.
func New[P any](name string, cfg ...Config[P]) *Chain[P] {
	c := &Chain[P]{name: name, id: identityOf[P](), family: new(family)}
	switch {
	case name == "":
		c.setup = errors.New("chain: New needs a name")
	case len(cfg) > 1:
		c.setup = fmt.Errorf("chain %s: New takes at most one Config, got %d", name, len(cfg))
	case len(cfg) == 1:
		c.cfg = cfg[0]
	}
	if c.log = c.cfg.Logger; c.log == nil {
		c.log = zap.NewNop()
	}
	if c.cfg.Dispatcher == nil {
		c.cfg.Dispatcher, c.owns = NewDispatcher(DispatcherConfig{}), true
	}
	c.snap.Store(&snapshot[P]{tracer: c.cfg.Tracer})
	return c
}

// swap replaces the snapshot. mu is held.
func (c *Chain[P]) swap(s *snapshot[P]) {
	c.snap.Store(s)
	if c.planned.Load() { // a scope that is not in use yet, of a request say, disturbs nobody
		c.family.changes.Add(1)
	}
}

// Scope makes a chain that sees this one's links, present and future, merged with its own. The parent keeps no
// reference to it: a scope that is forgotten is collected, and one per request is cheap.
func (c *Chain[P]) Scope(links ...Link[P]) (*Chain[P], error) {
	if err := c.usable(); err != nil {
		return nil, err
	}
	s := &Chain[P]{name: c.name, parent: c, depth: c.depth + 1, cfg: c.cfg, log: c.log, id: c.id, family: c.family, setup: c.setup}
	s.snap.Store(&snapshot[P]{})
	if _, err := s.Use(links...); err != nil {
		return nil, err
	}
	return s, nil
}

// Name is the chain's name.
func (c *Chain[P]) Name() string { return c.name }

// Intercept makes a link of an Interceptor. It does not register it: c.Use(c.Intercept("retry", middleware.Retry(3))).
func (c *Chain[P]) Intercept(name string, i Interceptor, opts ...Option) Link[P] {
	return Intercept[P](name, i, opts...)
}

// Active says whether any link is registered, here or in a parent, so that a caller can skip building costly payloads.
func (c *Chain[P]) Active() bool {
	for a := c; a != nil; a = a.parent {
		if len(a.current().nodes) > 0 {
			return true
		}
	}
	return false
}

// Enable switches on again what OnFailure(Disable) had switched off. It reports whether there is such a link.
func (c *Chain[P]) Enable(name string) bool {
	for a := c; a != nil; a = a.parent {
		for _, n := range a.current().nodes {
			if n.name == name {
				n.g.clear(off)
				return true
			}
		}
	}
	return false
}

// WithTracer sets the tracer of later calls through this chain and its scopes; nil takes it away again, in a scope in
// favour of the parent's. It returns c.
func (c *Chain[P]) WithTracer(t Tracer) *Chain[P] {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.usable() != nil {
		return c
	}
	s := *c.snap.Load()
	s.tracer = t
	c.swap(&s)
	return c
}

// Drain waits until the dispatcher's background work is done or ctx ends. A shared dispatcher drains for all who share it.
func (c *Chain[P]) Drain(ctx context.Context) error {
	if c.cfg.Dispatcher == nil { // of a zero Chain
		return c.usable()
	}
	return c.cfg.Dispatcher.Drain(ctx)
}

// Close makes later calls, Uses and Scopes fail with ErrClosed, here and in the scopes below, and waits for background
// work. Calls in flight end normally. A dispatcher that was given to the chain is drained but stays open; a scope's Close
// does not wait. It may be called again.
func (c *Chain[P]) Close(ctx context.Context) error {
	if c.snap.Load() == nil {
		return c.usable()
	}
	c.mu.Lock()
	s := *c.snap.Load()
	s.closed = true
	c.swap(&s)
	c.mu.Unlock()
	switch {
	case c.parent != nil:
		return nil
	case c.owns:
		return c.cfg.Dispatcher.Close(ctx)
	}
	return c.cfg.Dispatcher.Drain(ctx)
}

// current is the snapshot in force; a zero Chain's is empty.
func (c *Chain[P]) current() *snapshot[P] {
	if s := c.snap.Load(); s != nil {
		return s
	}
	return &snapshot[P]{}
}

func (c *Chain[P]) usable() error {
	switch {
	case c.setup != nil:
		return c.setup
	case c.snap.Load() == nil:
		return errors.New("chain: the zero Chain cannot be used: make one with New")
	}
	for a := c; a != nil; a = a.parent {
		if a.snap.Load().closed {
			return fmt.Errorf("chain %s: %w", c.name, ErrClosed)
		}
	}
	return nil
}

// Registration is what one Use added.
type Registration[P any] struct {
	c     *Chain[P]
	nodes []*node[P] // under c.mu
	gone  bool
}

// Use adds links: all of them or none. It fails on a link that is wrong in itself, a name that is taken in this scope, and
// a constraint that contradicts ring, phase, priority or another constraint; then the Registration is nil, which its
// methods can stand. Calls in flight are not affected.
func (c *Chain[P]) Use(links ...Link[P]) (*Registration[P], error) {
	r := &Registration[P]{c: c}
	if err := r.replace(links); err != nil {
		return nil, err
	}
	return r, nil
}

// Reload replaces what Reload registered before, and nothing else: all or nothing, in one step. A link that stays (same
// name, kind, timeout and breaker numbers) keeps its breaker and its counts, its mode and priority may change; given as the
// same Link value it keeps the state in its middleware's closure too.
func (c *Chain[P]) Reload(links ...Link[P]) error {
	c.mu.Lock()
	if c.reloaded == nil {
		c.reloaded = &Registration[P]{c: c}
	}
	r := c.reloaded
	c.mu.Unlock()
	return r.replace(links)
}

// Remove takes away what was added. It affects later calls only and may be called any number of times.
func (r *Registration[P]) Remove() {
	if r == nil || r.c == nil {
		return
	}
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	r.gone, r.nodes = true, nil
	r.c.regs = slices.DeleteFunc(r.c.regs, func(o *Registration[P]) bool { return o == r })
	r.c.publish()
}

// Replace puts links in the place of those that were added, as Reload does.
func (r *Registration[P]) Replace(links ...Link[P]) error {
	if r == nil || r.c == nil {
		return errors.New("chain: Replace on a registration that Use did not make")
	}
	return r.replace(links)
}

func (r *Registration[P]) replace(links []Link[P]) error {
	c := r.c
	for i := range links {
		if err := links[i].check(); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.usable(); err != nil {
		return err
	}
	if r.gone {
		return fmt.Errorf("chain %s: the registration was removed; use Use", c.name)
	}
	fresh := make([]*node[P], 0, len(links))
	for _, l := range links {
		fresh = append(fresh, c.newNode(l, r.nodes))
	}
	if err := c.fits(r, fresh); err != nil {
		return err
	}
	for _, n := range fresh {
		n.g.adopt(&n.settings)
	}
	r.nodes = fresh
	if !slices.Contains(c.regs, r) {
		c.regs = append(c.regs, r)
	}
	c.publish()
	return nil
}

func (c *Chain[P]) newNode(l Link[P], old []*node[P]) *node[P] {
	n := &node[P]{Link: l, scope: c.depth}
	n.decide(c.cfg.Policy.NeverBlocks)
	if i := slices.IndexFunc(old, func(o *node[P]) bool { return o.keepsState(&l.settings) }); i >= 0 {
		n.g = old[i].g
	} else {
		n.g = newGuard(c.name, &l.settings, c.log, c.family)
	}
	return n
}

// decide finds out what the settings and the policy make of failures and blocks.
func (n *node[P]) decide(neverBlocks Position) {
	n.failure = n.onFailure()
	n.blocks = n.mode == Sequential || n.mode == Concurrent
	if neverBlocks&n.position() != 0 {
		n.blocks = false
		if n.failure == Fail {
			n.failure = Ignore
		}
	}
}

// fits checks names and constraints of the links that would replace r's.
func (c *Chain[P]) fits(r *Registration[P], fresh []*node[P]) error {
	var own []*node[P]
	for _, o := range c.regs {
		if o != r {
			own = append(own, o.nodes...)
		}
	}
	own = append(own, fresh...)
	names := make(map[string]bool, len(own))
	var over []*node[P]
	own, over = split(own)
	for _, n := range own {
		if names[n.name] {
			return fmt.Errorf("chain %s: duplicate link name %q", c.name, n.name)
		}
		names[n.name] = true
	}
	all := own
	for a := c.parent; a != nil; a = a.parent {
		all = append(slices.Clone(a.snap.Load().nodes), all...)
		over = append(slices.Clip(over), a.snap.Load().over...)
	}
	isFresh := func(n *node[P]) bool {
		return slices.ContainsFunc(fresh, func(f *node[P]) bool { return f.g == n.g || f.kind == KindOverride && f.name == n.name })
	}
	all, _, _, err := c.overridden(all, over, isFresh)
	if err == nil {
		_, _, err = arrange(all, isFresh)
	}
	return err
}

// publish makes the registrations the current snapshot.
func (c *Chain[P]) publish() {
	s := *c.snap.Load()
	s.nodes, s.over = nil, nil
	for _, r := range c.regs {
		nodes, over := split(r.nodes)
		s.nodes, s.over = append(s.nodes, nodes...), append(s.over, over...)
	}
	c.swap(&s)
}
