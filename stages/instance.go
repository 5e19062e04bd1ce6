package stages

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/maillon-go/maillon/chain"
)

// instances knows every plugin that is registered somewhere in the process, so that Init and Close run once however many
// registrations a plugin has, and none of them makes one call run it twice.
var instances = registry{live: map[any]*instance{}}

type registry struct {
	mu   sync.Mutex
	live map[any]*instance
	// version grows whenever a plugin comes to or leaves a Pipeline.
	version atomic.Uint64
}

// instance is a plugin from its Init to its Close.
type instance struct {
	key    any
	plugin any
	name   string
	links  map[string]anyLink // by hook, without options

	// Under registry.mu:
	holders []*Pipeline // nil stands for a block scope
	closing bool

	ready chan struct{} // closed when Init has returned
	err   error         // of Init, once ready
	gone  chan struct{} // closed when Close has returned
}

// acquire makes p, or a block scope if p is nil, one of the instance's holders. The first one runs Init, others wait for it.
func (r *registry) acquire(ctx context.Context, c *candidate, p *Pipeline) (*instance, error) {
	for {
		r.mu.Lock()
		i := r.live[c.key]
		switch {
		case i == nil:
			i = &instance{key: c.key, plugin: c.plugin, name: c.name, links: c.links, ready: make(chan struct{}), gone: make(chan struct{})}
			i.holders = []*Pipeline{p}
			r.live[c.key] = i
			r.changed(p)
			r.mu.Unlock()
			return i, r.start(ctx, i, p)
		case i.closing:
			r.mu.Unlock()
			if err := wait(ctx, i.gone); err != nil {
				return nil, fmt.Errorf("plugin %q is still closing: %w", c.name, err)
			}
			continue
		}
		if p != nil {
			if at := slices.IndexFunc(i.holders, func(h *Pipeline) bool { return h != nil && (h.within(p) || p.within(h)) }); at >= 0 {
				where := p.relation(i.holders[at])
				r.mu.Unlock()
				return nil, fmt.Errorf("plugin %q is registered %s already: a call would run it twice", c.name, where)
			}
		}
		i.holders = append(i.holders, p)
		r.changed(p)
		r.mu.Unlock()
		err := wait(ctx, i.ready)
		if err == nil && i.err == nil {
			return i, nil
		}
		closing := r.release(revived(ctx), i, p) // the others may have gone meanwhile
		if err != nil {
			return nil, errors.Join(fmt.Errorf("plugin %q: waiting for its Init: %w", c.name, err), closing)
		}
	}
}

func wait(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// start runs Init. It books a failure from a defer, because of runtime.Goexit.
func (r *registry) start(ctx context.Context, i *instance, p *Pipeline) (err error) {
	err = chain.ErrGoexit
	defer func() {
		if i.err = err; err != nil {
			err = fmt.Errorf("plugin %q: Init: %w", i.name, err)
			r.mu.Lock()
			r.drop(i, p)
			i.closing = true
			delete(r.live, i.key)
			r.mu.Unlock()
			close(i.gone)
		}
		close(i.ready)
	}()
	if x, ok := i.plugin.(interface{ Init(context.Context) error }); ok {
		return contained(func() error { return x.Init(ctx) })
	}
	return nil
}

// drop takes one holder away. r.mu is held.
func (r *registry) drop(i *instance, p *Pipeline) {
	if at := slices.Index(i.holders, p); at >= 0 {
		i.holders = slices.Delete(i.holders, at, at+1)
		r.changed(p)
	}
}

// changed is told when p became a holder of something, or no longer is one. r.mu is held.
func (r *registry) changed(p *Pipeline) {
	if p != nil {
		r.version.Add(1)
	}
}

// link is a link that a live instance has already, so that registering it again keeps the state of its middleware.
func (r *registry) link(key any, hook string) anyLink {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := r.live[key]; i != nil {
		return i.links[hook]
	}
	return nil
}

// release undoes one acquire. The last one runs Close.
func (r *registry) release(ctx context.Context, i *instance, p *Pipeline) error {
	r.mu.Lock()
	r.drop(i, p)
	last := len(i.holders) == 0 && !i.closing
	i.closing = i.closing || last
	r.mu.Unlock()
	if !last {
		return nil
	}
	defer func() {
		r.mu.Lock()
		delete(r.live, i.key)
		r.mu.Unlock()
		close(i.gone)
	}()
	if x, ok := i.plugin.(interface{ Close(context.Context) error }); ok {
		if err := contained(func() error { return x.Close(ctx) }); err != nil {
			return fmt.Errorf("plugin %q: Close: %w", i.name, err)
		}
	}
	return nil
}

// acquireAll acquires all or none.
func (r *registry) acquireAll(ctx context.Context, cs []*candidate, p *Pipeline) (got []*instance, err error) {
	done := false
	defer func() {
		if !done {
			err = errors.Join(err, r.releaseAll(revived(ctx), got, p))
			got = nil
		}
	}()
	for _, c := range cs {
		i, err := r.acquire(ctx, c, p)
		if err != nil {
			return got, err
		}
		got = append(got, i)
	}
	done = true
	return got, nil
}

// revived is ctx for cleaning up, also when ctx is done.
func revived(ctx context.Context) context.Context {
	if ctx.Err() != nil {
		return context.WithoutCancel(ctx)
	}
	return ctx
}

// releaseAll goes from the last to the first, whatever their errors are.
func (r *registry) releaseAll(ctx context.Context, is []*instance, p *Pipeline) error {
	var errs []error
	for _, i := range slices.Backward(is) {
		errs = append(errs, r.release(ctx, i, p))
	}
	return errors.Join(errs...)
}

// contained turns a panic of f into an error.
func contained(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &chain.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return f()
}

// within says that p is q or a scope below it.
func (p *Pipeline) within(q *Pipeline) bool {
	for ; p != nil; p = p.parent {
		if p == q {
			return true
		}
	}
	return false
}

// relation says where h is, seen from p.
func (p *Pipeline) relation(h *Pipeline) string {
	switch {
	case h == p:
		return "here"
	case p.within(h):
		return "in a scope above"
	}
	return "in a scope below"
}
