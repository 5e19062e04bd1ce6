package chain

import (
	"errors"
	"fmt"
	"slices"

	"github.com/samber/lo"
)

// split tells links from overrides.
func split[P any](all []*node[P]) (nodes, over []*node[P]) {
	return lo.FilterReject(all, func(n *node[P], _ int) bool { return n.kind != KindOverride })
}

// overridden are the links as overrides, given innermost scope first, make them. One that does not fit is an error where
// the link or the override is fresh, else it is dropped and noted. inert are those that no link has the name of.
func (c *Chain[P]) overridden(nodes, over []*node[P], fresh func(*node[P]) bool) (out []*node[P], notes, inert []string, err error) {
	if len(over) == 0 {
		return nodes, nil, nil, nil
	}
	out = slices.Clone(nodes)
	for _, o := range over {
		found := false
		for i, n := range out {
			if n.name != o.name || n.scope < o.scope {
				continue
			}
			found = true
			changed, e := c.override(n, o.options)
			switch {
			case e == nil:
				out[i] = changed
			case fresh(n):
				return nil, nil, nil, fmt.Errorf("chain %s: override of %q: %w", c.name, o.name, e)
			default:
				notes = append(notes, fmt.Sprintf("override of %q: %v: dropped", o.name, e))
			}
		}
		if !found {
			inert = lo.Uniq(append(inert, o.name))
		}
	}
	for i, n := range out {
		if n != nodes[i] {
			n.overriddenFrom(nodes[i])
		}
	}
	return out, notes, inert, nil
}

// override is a link with other settings and the same guard.
func (c *Chain[P]) override(n *node[P], opts []Option) (*node[P], error) {
	m := *n
	m.settings = n.with(opts)
	was, is := &n.settings, &m.settings
	if is.outer != was.outer || is.timed != was.timed || is.counted != was.counted || is.tripAfter != was.tripAfter ||
		!sameBreaker(was, is) {
		return nil, errors.New("only priority, mode, failure policy, timeout, order, notes and marks can be overridden")
	}
	if is.failure == Fail && was.failure == Fail && is.mode != was.mode && !is.canStop() {
		is.failure = failureByMode // the link's own word was about another mode
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	m.decide(c.cfg.Policy.NeverBlocks)
	return &m, nil
}

// overriddenFrom notes what was different before.
func (n *node[P]) overriddenFrom(old *node[P]) {
	tell := func(what string, was, is any) {
		if was != is {
			n.notes = append(n.notes, fmt.Sprintf("%s was %v", what, was))
		}
	}
	tell("mode", old.mode, n.mode)
	tell("priority", old.priority, n.priority)
	tell("on failure", old.failure, n.failure)
	tell("timeout", old.timeout, n.timeout)
}

func sameBreaker(a, b *settings) bool {
	x, y := &a.breaker, &b.breaker
	return x.MaxRequests == y.MaxRequests && x.Interval == y.Interval && x.BucketPeriod == y.BucketPeriod && x.Timeout == y.Timeout &&
		(x.ReadyToTrip == nil) == (y.ReadyToTrip == nil) && (x.IsSuccessful == nil) == (y.IsSuccessful == nil) &&
		(x.IsExcluded == nil) == (y.IsExcluded == nil) && (x.OnStateChange == nil) == (y.OnStateChange == nil)
}
