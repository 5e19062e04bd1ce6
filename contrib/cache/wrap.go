package cache

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

// WrapGeneration answers, or asks and keeps the answer.
func (p *Plugin) WrapGeneration(next chain.Handler[*stages.Generation]) chain.Handler[*stages.Generation] {
	return func(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
		key, ok := p.key(ctx, g)
		if !ok {
			p.n.skipped.Add(1)
			return next(ctx, g)
		}
		c := call{p, key, g, next, time.Now()}
		if !p.first(ctx, key) { // the same request again wants another answer
			out, _, err := c.ask(ctx)
			return out, err
		}
		return c.answer(ctx)
	}
}

// call is one request to the cache.
type call struct {
	*Plugin
	key   string
	g     *stages.Generation
	next  chain.Handler[*stages.Generation]
	begun time.Time
}

// maxLet is how many others a call lets down before it asks itself.
const maxLet = 2

// answer finds the answer: in the store, with another call that asks the same, or with the backend.
func (c call) answer(ctx context.Context) (*stages.Generation, error) {
	for letDown := 0; ; {
		if e, ok := c.get(ctx, c.key); ok {
			return c.hit(ctx, e), nil
		}
		x, lead := c.flights.join(c.key)
		switch {
		case lead:
			return c.lead(ctx, x)
		case leading(ctx, c.Plugin) || letDown == maxLet:
			out, _, err := c.ask(ctx)
			return out, err
		}
		how, err := c.follow(ctx, x)
		switch {
		case err != nil:
			return nil, err
		case how == answered:
			c.n.shared.Add(1)
			return c.done(ctx, x.e), nil
		case how == private:
			letDown = maxLet
		case how == failed:
			letDown++
		}
	}
}

func (c call) hit(ctx context.Context, e Entry) *stages.Generation {
	c.n.hits.Add(1)
	return c.done(ctx, e)
}

func (c call) done(ctx context.Context, e Entry) *stages.Generation {
	c.hold(ctx, c.key)
	c.n.saved.Add(int64(e.Tokens))
	return c.g.Done(e.result(time.Since(c.begun)))
}

// lead asks for all who wait. Whatever happens, they learn of it.
func (c call) lead(ctx context.Context, x *flight) (out *stages.Generation, err error) {
	how, e := failed, Entry{}
	defer func() {
		if how == failed && ctx.Err() != nil {
			how = cancelled
		}
		c.flights.land(c.key, x, how, e)
	}()
	var ok bool
	if e, ok = c.get(ctx, c.key); ok { // another flight has landed since
		how = answered
		return c.hit(ctx, e), nil
	}
	out, kept, err := c.ask(context.WithValue(ctx, leadKey{c.Plugin}, true))
	switch {
	case err != nil:
	case kept == nil:
		how = private
	default:
		how, e = answered, *kept
	}
	return out, err
}

// follow waits for another call, but not for ever: its reader may have fallen asleep over a stream.
func (c call) follow(ctx context.Context, x *flight) (landing, error) {
	late := time.NewTimer(c.set.MaxWait)
	defer late.Stop()
	select {
	case <-x.done:
		return x.how, nil
	case <-late.C:
		c.flights.leave(c.key, x)
		return failed, nil
	case <-ctx.Done():
		return failed, fmt.Errorf("cache: waiting for a call that asks the same: %w", context.Cause(ctx))
	}
}

// ask asks the backend and keeps the answer, if it may be kept.
func (c call) ask(ctx context.Context) (*stages.Generation, *Entry, error) {
	c.n.misses.Add(1)
	out, err := c.next(ctx, c.g)
	if err != nil || out == nil {
		return out, nil, err
	}
	e, ok := entryOf(out)
	if !ok {
		return out, nil, nil
	}
	c.put(ctx, c.key, e)
	c.hold(ctx, c.key)
	return out, &e, nil
}

// leadKey marks the contexts of calls within one that others wait for: they wait for nobody.
type leadKey struct{ *Plugin }

func leading(ctx context.Context, p *Plugin) bool { return ctx.Value(leadKey{p}) != nil }

func blank(s string) bool { return strings.TrimSpace(s) == "" }
