package stages

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/maillon-go/maillon/chain"
)

// block is a scope that lasts as long as a block of code and is carried by a context.
type block struct {
	outer     *block
	links     map[string][]anyLink
	plugins   map[string][]*instance // by chain: those with a link there
	instances []*instance
	over      atomic.Bool
}

// openBlocks is the number of block scopes that are not released, so that calls need not look for one while there is none.
var openBlocks atomic.Int64

type blockKey struct{}

// WithPlugins registers plugins, as Register does, for the calls that are made with the context that it returns, beside
// those of the session and the process. release takes them away again and closes those that are used nowhere else:
//
//	ctx, release, err := stages.WithPlugins(ctx, &Audit{})
//	if err != nil { ... }
//	defer release()
//
// Blocks nest, and each release ends its own block only; it may be called any number of times. After it the context still
// works, without the plugins. When a plugin is registered in an enclosing block too, WithPlugins refuses it; when it is
// registered in the session or the process that a call goes through, the call is refused.
//
// release returns the errors of Close. It is not nil, even when WithPlugins fails.
func WithPlugins(ctx context.Context, plugins ...any) (_ context.Context, release func() error, _ error) {
	none := func() error { return nil }
	res, err := resolve(plugins)
	if err != nil {
		return ctx, none, err
	}
	b := &block{outer: blockOf(ctx), links: byChain(res.links), plugins: map[string][]*instance{}}
	for _, links := range b.links {
		if err := links[0].check(links); err != nil {
			return ctx, none, fmt.Errorf("stages: %w", err)
		}
	}
	for _, c := range res.plugins {
		if b.outer.has(c.key) {
			return ctx, none, fmt.Errorf("stages: plugin %q is registered in an enclosing block already: a call would run it twice", c.name)
		}
	}
	if b.instances, err = instances.acquireAll(ctx, res.plugins, nil); err != nil {
		return ctx, none, fmt.Errorf("stages: %w", err)
	}
	for _, l := range res.links {
		for _, i := range b.instances {
			if l.owner != nil && l.owner.key == i.key {
				b.plugins[l.Chain] = append(b.plugins[l.Chain], i)
			}
		}
	}
	openBlocks.Add(1)
	return context.WithValue(ctx, blockKey{}, b), func() error { return b.release(context.WithoutCancel(ctx)) }, nil
}

func (b *block) release(ctx context.Context) error {
	if b.over.Swap(true) {
		return nil
	}
	openBlocks.Add(-1)
	if err := instances.releaseAll(ctx, b.instances, nil); err != nil {
		return fmt.Errorf("%w: %w", ErrClose, err)
	}
	return nil
}

// blockOf is the innermost block of a context that is not over, or nil.
func blockOf(ctx context.Context) *block {
	b, _ := ctx.Value(blockKey{}).(*block)
	return b.open()
}

// open is the block, or the next one around it that is not over.
func (b *block) open() *block {
	for b != nil && b.over.Load() {
		b = b.outer
	}
	return b
}

// has says whether a plugin is registered in the block or around it.
func (b *block) has(key any) bool {
	for b = b.open(); b != nil; b = b.outer.open() {
		for _, i := range b.instances {
			if i.key == key {
				return true
			}
		}
	}
	return false
}

// Bind is c.Then(h) for the runtime: the handler also runs the links of the block scopes that a call's context is in. c is
// a chain of p. While no block scope is open anywhere this costs one atomic load.
func Bind[P any](p *Pipeline, c *chain.Chain[P], h chain.Handler[P]) chain.Handler[P] {
	b := &binding[P]{p: p, c: c, h: h, blocks: map[*block]*inBlock[P]{}}
	call := c.Then(h)
	return func(ctx context.Context, payload P) (P, error) {
		if openBlocks.Load() == 0 || ctx == nil {
			return call(ctx, payload)
		}
		in, err := b.in(blockOf(ctx))
		switch {
		case err != nil:
			var zero P
			return zero, err
		case in == nil:
			return call(ctx, payload)
		}
		return in(ctx, payload)
	}
}

// Active says whether any link runs in a call of c that is made with ctx: one of the chain or its parents, or of a block
// scope that ctx is in. A runtime that only reports, or that has nothing to do itself, can then skip the call and the
// building of its payload.
func Active[P any](ctx context.Context, c *chain.Chain[P]) bool {
	if c.Active() {
		return true
	}
	if openBlocks.Load() == 0 {
		return false
	}
	for b := blockOf(ctx); b != nil; b = b.outer.open() {
		if len(b.links[c.Name()]) > 0 {
			return true
		}
	}
	return false
}

// binding is a stage of a Pipeline with its handler.
type binding[P any] struct {
	p *Pipeline
	c *chain.Chain[P]
	h chain.Handler[P]

	mu     sync.RWMutex
	blocks map[*block]*inBlock[P] // those that are over are swept out now and then
	limit  int                    // at how many
}

// inBlock is a binding as calls in one block see it.
type inBlock[P any] struct {
	call    chain.Handler[P] // nil where no block has links for the stage
	blocks  []*block         // whose links are in it, outermost first; none of them was over
	version uint64           // of the registry, when nothing ran twice
}

// in is the handler for calls in block b, or nil if that is the one without blocks.
func (b *binding[P]) in(k *block) (chain.Handler[P], error) {
	if k == nil {
		return nil, nil
	}
	version := instances.version.Load()
	b.mu.RLock()
	in := b.blocks[k]
	b.mu.RUnlock()
	if in != nil && in.version == version && in.current() {
		return in.call, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if in = b.blocks[k]; in == nil || !in.current() {
		var err error
		if in, err = b.build(k); err != nil {
			return nil, err
		}
		b.sweep()
		b.blocks[k] = in
	}
	if in.version != version {
		for _, o := range in.blocks {
			for _, i := range o.plugins[b.c.Name()] {
				if at := instances.heldBy(i, b.p); at != "" {
					return nil, fmt.Errorf("stages: chain %s: plugin %q is registered in a block and %s: the call would run it twice", b.c.Name(), i.name, at)
				}
			}
		}
		in = &inBlock[P]{in.call, in.blocks, version}
		b.blocks[k] = in
	}
	return in.call, nil
}

// build makes a scope of the chain for each block that has links for it.
func (b *binding[P]) build(k *block) (*inBlock[P], error) {
	c, blocks, err := scopeIn(b.p, b.c, k)
	if err != nil {
		return nil, err
	}
	in := &inBlock[P]{version: ^uint64(0), blocks: blocks}
	if len(blocks) > 0 {
		in.call = c.Then(b.h)
	}
	return in, nil
}

// scopeIn is a chain of p as calls in block k see it, and the blocks that have links for it, outermost first.
func scopeIn[P any](p *Pipeline, c *chain.Chain[P], k *block) (_ *chain.Chain[P], blocks []*block, err error) {
	name := c.Name()
	for k = k.open(); k != nil; k = k.outer.open() {
		if len(k.links[name]) > 0 {
			blocks = append([]*block{k}, blocks...)
		}
	}
	if len(blocks) == 0 {
		return c, nil, nil
	}
	if !p.scope { // a block is the third scope, also without a session
		c, err = c.Scope()
	}
	for _, k := range blocks {
		var links []chain.Link[P]
		if err == nil {
			links, err = typedLinks[P](k.links[name])
		}
		if err == nil {
			c, err = c.Scope(links...)
		}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("stages: the plugins of a block do not fit here: %w", err)
	}
	return c, blocks, nil
}

// current says that no block in it has ended.
func (in *inBlock[P]) current() bool {
	for _, k := range in.blocks {
		if k.over.Load() {
			return false
		}
	}
	return true
}

// sweep forgets blocks that are over, when there are twice as many as the last time. b.mu is held.
func (b *binding[P]) sweep() {
	if len(b.blocks) < b.limit {
		return
	}
	maps.DeleteFunc(b.blocks, func(k *block, _ *inBlock[P]) bool { return k.over.Load() })
	b.limit = 2*len(b.blocks) + 1
}

// heldBy says where, in p or above, a plugin is registered.
func (r *registry) heldBy(i *instance, p *Pipeline) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range i.holders {
		switch {
		case h == nil || !p.within(h):
		case h.scope:
			return "in the session"
		default:
			return "in the process"
		}
	}
	return ""
}
