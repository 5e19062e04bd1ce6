package budget

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"go.uber.org/zap"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

// Plugin keeps model calls within limits. Its links belong together: they are registered, switched and put into a mode as one.
// Safe for concurrent use, by any number of sessions.
type Plugin struct {
	limits    []*limit
	prices    *Prices
	estimator Estimator
	store     Store
	own       *Memory // the store, unless one was given
	maxOutput int64
	ids       ids
	requests  bool // some limit is per request
	sessions  bool // or per session

	mu       sync.Mutex
	inFlight map[string]*call // by correlation id, from the first hook to the observer
}

// call is one run through the generation stage.
type call struct {
	next      *reservation // for the next attempt, or a link's own answer; nil when an attempt has taken it
	attempted bool
	overruled bool     // it was blocked and goes on all the same: the mode says so
	settled   []output // what attempts have answered
	answered  bool     // some attempt has, without an error
}

// output is the answer of an attempt, or a part of one beside an error.
type output struct {
	stages.Output
	whole bool
}

var (
	_ stages.OnGenerationPreCall = (*Plugin)(nil)
	_ stages.WrapGeneration      = (*Plugin)(nil)
	_ stages.ObserveGeneration   = (*Plugin)(nil)
	_ stages.ObserveComponent    = (*Plugin)(nil)
	_ stages.ObserveCleanup      = (*Plugin)(nil)
)

// Name is "token_budget".
func (p *Plugin) Name() string { return "token_budget" }

// HookOptions put the hook at priority 40 and the count of attempts at 90, within retries and caches.
func (p *Plugin) HookOptions(hook string) []chain.Option {
	switch hook {
	case "generation_pre_call":
		return []chain.Option{chain.Priority(40)}
	case "wrap_generation":
		return []chain.Option{chain.Priority(90), stages.AcceptsChunks()}
	}
	return nil
}

// maxCalls is how many calls may be in flight. More are a sign that the observer does not run.
const maxCalls = 1 << 20

var (
	errNoID     = errors.New("budget: the call has no correlation id: give its Meta one that no other call has")
	errObserver = errors.New("budget: too many calls did not end: is observe_generation switched off?")
)

// OnGenerationPreCall reserves what the call may take, and blocks or caps it where that is more than there is.
func (p *Plugin) OnGenerationPreCall(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
	id := g.Meta().CorrelationID
	if id == "" {
		return nil, errNoID
	}
	before, _ := p.take(id, false) // the hooks run again, in an outer retry
	p.refund(ctx, before)
	n, r, err := p.reserve(ctx, g, false)
	if r != nil && ctx.Err() != nil { // nobody may be waiting for this hook any more
		p.refund(ctx, r)
		return nil, context.Cause(ctx)
	}
	var v *chain.Violation
	if overruled := errors.As(err, &v); r != nil || overruled {
		before, ok := p.put(id, r, overruled)
		p.refund(ctx, before)
		if !ok {
			p.refund(ctx, r)
			return nil, errObserver
		}
	}
	return n, err
}

// put keeps the reservation for the next attempt of a call, and gives back one that was there.
func (p *Plugin) put(id string, r *reservation, overruled bool) (before *reservation, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.inFlight[id]
	if c == nil {
		if len(p.inFlight) >= maxCalls {
			return nil, false
		}
		c = &call{}
		p.inFlight[id] = c
	}
	before, c.next, c.overruled = c.next, r, overruled
	return before, true
}

// take gives the reservation of a call to an attempt, or to whoever else ends it.
func (p *Plugin) take(id string, attempt bool) (r *reservation, overruled bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.inFlight[id]
	if c == nil {
		return nil, false
	}
	r, c.next = c.next, nil
	c.attempted = c.attempted || attempt
	return r, c.overruled
}

// attempted ends an attempt. What it used is settled; a reservation of which nothing was used is kept for what comes after a failure, a
// retry or the answer of another model, until the call ends.
func (p *Plugin) attempted(ctx context.Context, r *reservation, out *stages.Generation, err error, u stages.Usage) {
	if !p.keep(r, out, err, u) {
		p.settle(ctx, r, u)
	}
}

func (p *Plugin) keep(r *reservation, out *stages.Generation, err error, u stages.Usage) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.inFlight[r.g.Meta().CorrelationID]
	switch {
	case c == nil: // the call has ended before its attempt
		return false
	case u != stages.Usage{}:
		c.answered = c.answered || err == nil
		if out != nil {
			c.settled = append(c.settled, output{out.Output(), err == nil})
		}
		return false
	case err == nil || c.next != nil:
		return false
	}
	c.next = r
	return true
}

// has says that an answer is that of an attempt, as links may have rewritten it. Usage is what tells, for no link can rewrite that. A link
// that had no answer of an attempt to go by, but an error, has asked somebody else, who may have used as much.
func (c *call) has(o chain.Outcome[*stages.Generation]) bool {
	out, instead := o.Payload.Output(), o.Err == nil && o.Link != ""
	if c.answered && !instead && out.Usage.Total() == 0 {
		return true
	}
	return slices.ContainsFunc(c.settled, func(a output) bool {
		sure := out.Usage.Total() > 0 && (!instead || !a.whole)
		return a.Usage == out.Usage && (sure || a.Text == out.Text)
	})
}

// end forgets a call, if it is known.
func (p *Plugin) end(id string) (c call, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	found := p.inFlight[id]
	if found == nil {
		return call{}, false
	}
	delete(p.inFlight, id)
	return *found, true
}

// WrapGeneration settles each attempt by itself, and makes a reservation of its own for each but the first.
func (p *Plugin) WrapGeneration(next chain.Handler[*stages.Generation]) chain.Handler[*stages.Generation] {
	return func(ctx context.Context, g *stages.Generation) (out *stages.Generation, err error) {
		r, overruled := p.take(g.Meta().CorrelationID, true)
		if r != nil && r.g != g && !p.covers(r, g) { // it was rewritten since
			p.refund(ctx, r)
			r = nil
		}
		if r == nil {
			if g, r, err = p.reserve(ctx, g, overruled); err != nil {
				return nil, err
			}
		}
		if r == nil { // there is no limit for it
			return next(ctx, g)
		}
		returned := false
		defer func() { p.attempted(ctx, r, out, err, p.used(r, out, err, !returned || brokenOff(ctx, err))) }()
		out, err = next(ctx, g)
		returned = true
		return out, err
	}
}

// ObserveGeneration gives back what no attempt has used, and settles what a link has answered by another model.
func (p *Plugin) ObserveGeneration(ctx context.Context, o chain.Outcome[*stages.Generation]) {
	g := o.Payload
	if g == nil {
		return
	}
	c, known := p.end(g.Meta().CorrelationID)
	if !known && g.Source() == stages.SourceBackend { // without generation_pre_call: the attempts have settled theirs
		return
	}
	switch r := c.next; {
	case r != nil && !c.attempted && o.Answered: // without wrap_generation: it is switched off, or was bypassed
		p.settle(ctx, r, p.used(r, g, o.Err, o.Verdict == chain.Canceled || brokenOff(ctx, o.Err)))
	case !g.HasResult() || free(g) || c.has(o):
		p.refund(ctx, r)
	case r != nil:
		p.settle(ctx, r, p.used(r, g, nil, false))
	default:
		p.overdue(ctx, g)
	}
}

// ObserveComponent forgets the accounts of a request that is over.
func (p *Plugin) ObserveComponent(ctx context.Context, o chain.Outcome[*stages.Component]) {
	if o.Payload == nil {
		return
	}
	m := o.Payload.Meta()
	if p.requests {
		p.drop(ctx, requestGroup(m.RequestID))
	}
	if p.sessions && m.SessionID == "" {
		p.drop(ctx, sessionGroup(m.RequestID))
	}
}

// ObserveCleanup forgets those of a session.
func (p *Plugin) ObserveCleanup(ctx context.Context, o chain.Outcome[*stages.Cleanup]) {
	if p.sessions && o.Payload != nil {
		p.drop(ctx, sessionGroup(o.Payload.Meta().SessionID))
	}
}

func (p *Plugin) drop(ctx context.Context, group string) {
	if err := p.store.Drop(ctx, group); err != nil {
		stages.From(ctx).Logger().Warn("budget: accounts that are over were not removed", zap.String("error", chain.DescribeError(err)))
	}
}

// Succeed takes over the books of a Plugin that this one replaces, of which config tells it when a reload changes its settings: a limit
// of the same name and window goes on where it was. Where one of the two has a Store of the program's nothing is taken over.
func (p *Plugin) Succeed(before any) {
	old, ok := before.(*Plugin)
	if ok && p.own != nil && old.own != nil {
		p.own = old.own.with(p.own.cfg)
		p.store = p.own
	}
}

// Usage is the state of one account.
func (p *Plugin) Usage(ctx context.Context, k Key) (Usage, error) {
	i := slices.IndexFunc(p.limits, func(l *limit) bool { return l.Name == k.Limit })
	if i < 0 {
		return Usage{}, fmt.Errorf("budget: there is no limit %q", k.Limit)
	}
	l := p.limits[i]
	b, err := p.store.Balance(ctx, l.account(&k))
	if err != nil {
		return Usage{}, fmt.Errorf("budget: %w", err)
	}
	return Usage{
		Limit: l.Name, Unit: l.unit, Max: l.max, Settled: b.Settled, Reserved: b.Reserved, Left: max(b.Left(l.max), 0),
		Overdraft: b.Overdraft, Resets: b.Resets,
	}, nil
}
