package stages

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/maillon-go/maillon/chain"
)

// plugins are what was registered in one Pipeline.
type plugins struct {
	mu     sync.Mutex
	regs   []*Registration
	closed bool
}

// Registration is what one Register added. Safe for concurrent use.
type Registration struct {
	p *Pipeline

	mu        sync.Mutex
	gone      bool
	instances []*instance
	links     []placed
	used      map[string]used // by chain
}

// Register adds plugins to the pipeline: all of them or none. A plugin is
//
//   - a link, chain.Before("budget", check), which goes to the chain whose payload it has;
//   - a pointer to a struct with hooks: methods that are named On and a hook point, Wrap and a chain, or Observe and a chain,
//     each of which has an interface of its own here, such as OnGenerationPreCall. Its links are called <plugin>.<hook>,
//     "budget.generation_pre_call" or "budget.wrap_generation", so that a new method renames no other link;
//   - an Entry: either of them With options, links At a chain, or a Group.
//
// A struct may also have the methods
//
//	Name() string                              // its name; without it the type's
//	Priority() int                             // of all its links
//	HookOptions(hook string) []chain.Option    // of one of them
//	PayloadVersion() int                       // the PayloadVersion that it was written for: a mismatch is an error
//	Init(ctx context.Context) error            // before its first hook runs
//	Close(ctx context.Context) error           // when nothing uses it any more
//
// Init and Close run once, in the first registration and with the last one that goes, however many pipelines an instance
// is registered in. A pointer is what makes an instance: a struct that is registered by value, or another pointer, is
// another one. An instance that is registered here or in a scope above or below is refused, because a call would run it
// twice. When an Init fails, the plugins before it are closed again, the last one first.
//
// A method whose name looks like a hook but is none, or that has other arguments, is an error. Calls in flight are not
// affected by a Register; while it runs, a call may see the links of one stage and not yet those of another.
func (p *Pipeline) Register(ctx context.Context, plugins ...any) (*Registration, error) {
	if p.dispatcher == nil {
		return nil, errors.New("stages: register: this Pipeline was not made by NewPipeline")
	}
	r := &Registration{p: p, used: map[string]used{}}
	if err := r.set(ctx, plugins); err != nil {
		return nil, err
	}
	p.plugins.mu.Lock()
	closed := p.plugins.closed
	if !closed {
		p.plugins.regs = append(p.plugins.regs, r)
	}
	p.plugins.mu.Unlock()
	if closed {
		return nil, errors.Join(fmt.Errorf("stages: register: %w", chain.ErrClosed), r.Remove(ctx))
	}
	return r, nil
}

// ErrClose is wrapped by the errors of plugins that could not be closed. What was to be removed is gone all the same.
var ErrClose = errors.New("stages: closing plugins")

// Replace puts other plugins in the place of those that were registered: all of them or none. An instance that stays is
// neither closed nor initialised again, and a link that stays keeps its breaker and its counts, as with chain's Replace.
// An error that is ErrClose comes from the Close of a plugin that went; the others are there then.
func (r *Registration) Replace(ctx context.Context, plugins ...any) error {
	if r == nil || r.p == nil {
		return errors.New("stages: Replace on a Registration that Register did not make")
	}
	return r.set(ctx, plugins)
}

// set makes plugins what is registered.
func (r *Registration) set(ctx context.Context, plugins []any) (err error) {
	res, err := resolve(plugins)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gone {
		return errors.New("stages: the registration was removed; use Register")
	}
	stay, come, leave := r.compare(res.plugins)
	got, err := instances.acquireAll(ctx, come, r.p)
	if err != nil {
		return fmt.Errorf("stages: %w", err)
	}
	if err := r.apply(res.links); err != nil {
		return errors.Join(fmt.Errorf("stages: %w", err), instances.releaseAll(revived(ctx), got, r.p))
	}
	r.links, r.instances = res.links, slices.Concat(stay, got)
	if err := instances.releaseAll(ctx, leave, r.p); err != nil {
		return fmt.Errorf("%w: %w", ErrClose, err)
	}
	return nil
}

// compare says which instances stay, which plugins come, and which instances leave.
func (r *Registration) compare(plugins []*candidate) (stay []*instance, come []*candidate, leave []*instance) {
	leave = slices.Clone(r.instances)
	for _, c := range plugins {
		if at := slices.IndexFunc(leave, func(i *instance) bool { return i.key == c.key }); at >= 0 {
			stay = append(stay, leave[at])
			leave = slices.Delete(leave, at, at+1)
			continue
		}
		come = append(come, c)
	}
	return stay, come, leave
}

// apply puts links into the chains, or leaves the chains as they were.
func (r *Registration) apply(links []placed) error {
	before, now := byChain(r.links), byChain(links)
	var undo []func()
	for _, name := range chainsOf(before, now) {
		u := r.used[name]
		if u == nil {
			u, err := now[name][0].use(r.p, now[name])
			if err != nil {
				return r.undone(undo, err)
			}
			r.used[name] = u
			undo = append(undo, func() {
				u.Remove()
				delete(r.used, name)
			})
			continue
		}
		if err := u.replace(now[name]); err != nil {
			return r.undone(undo, err)
		}
		undo = append(undo, func() { _ = u.replace(before[name]) }) // as it was, so that it fits
	}
	return nil
}

func (r *Registration) undone(undo []func(), err error) error {
	for _, f := range slices.Backward(undo) {
		f()
	}
	return err
}

func byChain(links []placed) map[string][]anyLink {
	m := map[string][]anyLink{}
	for _, l := range links {
		m[l.Chain] = append(m[l.Chain], l.link)
	}
	return m
}

// chainsOf are the chains with links, before or now, in an order that does not change.
func chainsOf(a, b map[string][]anyLink) (names []string) {
	for name := range a {
		names = append(names, name)
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Remove takes away what was registered and closes the plugins that are used nowhere else, the last one first; their
// errors are joined. It affects later calls only: calls in flight finish with the links they began with, also when the
// plugin's Close is running already. It may be called any number of times.
func (r *Registration) Remove(ctx context.Context) error {
	if r == nil || r.p == nil {
		return nil
	}
	r.mu.Lock()
	is, us := r.instances, r.used
	r.gone, r.instances, r.links, r.used = true, nil, nil, nil
	r.mu.Unlock()
	for _, u := range us {
		u.Remove()
	}
	ps := &r.p.plugins
	ps.mu.Lock()
	ps.regs = slices.DeleteFunc(ps.regs, func(o *Registration) bool { return o == r })
	ps.mu.Unlock()
	if err := instances.releaseAll(ctx, is, r.p); err != nil {
		return fmt.Errorf("%w: %w", ErrClose, err)
	}
	return nil
}

// Links are the links that are registered, in the order in which they were given.
func (r *Registration) Links() []RegisteredLink {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []RegisteredLink
	for _, l := range r.links {
		l.Groups = slices.Clone(l.Groups)
		out = append(out, l.RegisteredLink)
	}
	return out
}

// close removes all registrations, the last one first.
func (ps *plugins) close(ctx context.Context) error {
	ps.mu.Lock()
	ps.closed = true
	regs := slices.Clone(ps.regs)
	ps.mu.Unlock()
	var errs []error
	for _, r := range slices.Backward(regs) {
		errs = append(errs, r.Remove(ctx))
	}
	return errors.Join(errs...)
}
