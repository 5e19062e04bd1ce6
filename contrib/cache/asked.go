package cache

import (
	"context"

	"github.com/maillon-go/maillon/stages"
)

// askedKey is where a request's state has what the request has asked this cache.
type askedKey struct{ *Plugin }

// asked are the keys of a request; true: the answer that is kept under it was used or made by the request.
type asked map[string]bool

// with works on what ctx's request has asked. Outside of a request nothing is known, and nothing is kept.
func (p *Plugin) with(ctx context.Context, f func(asked)) {
	stages.From(ctx).State().Update(askedKey{p}, func(old any) any {
		a, _ := old.(asked)
		if a == nil {
			a = asked{}
		}
		f(a)
		return a
	})
}

// first says that the request has not asked this before.
func (p *Plugin) first(ctx context.Context, key string) (first bool) {
	p.with(ctx, func(a asked) {
		_, before := a[key]
		if first = !before; first {
			a[key] = false
		}
	})
	return first
}

// hold notes that the request stands and falls with the answer that is kept.
func (p *Plugin) hold(ctx context.Context, key string) { p.with(ctx, func(a asked) { a[key] = true }) }

// held gives the keys that the request holds, and lets go of them.
func (p *Plugin) held(ctx context.Context) (keys []string) {
	p.with(ctx, func(a asked) {
		for key, is := range a {
			if is {
				keys, a[key] = append(keys, key), false
			}
		}
	})
	return keys
}

// release lets go of a key, and says whether it was held. Outside of a request it may have been.
func (p *Plugin) release(ctx context.Context, key string) (was bool) {
	if stages.From(ctx).State() == nil {
		return true
	}
	p.with(ctx, func(a asked) { was, a[key] = a[key], false })
	return was
}
