package stages

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/maillon-go/maillon/chain"
)

// Entry is something to register: a plugin or a link with options of its own, a group of several, or links of a chain that
// is given by name. It is made by With, Group and At, and immutable: its methods return another one.
//
// Where several entries around a plugin say something, the outermost has the last word: an option of a group beats those of
// its members, which beat what the plugin says of itself. Options that do not contradict each other (constraints) add up,
// and so do limits of what may be written.
type Entry struct{ e *listing }

// listing is either one thing (item) or several (members).
type listing struct {
	name     string // of a group
	group    bool
	item     any
	members  []any
	options  []chain.Option            // of all links
	fitting  []chain.Option            // of all links whose kind takes them; they beat the others
	hooks    map[string][]chain.Option // of the links at one hook; they beat those of all
	writable map[string][]string       // by hook
	when     func(context.Context, Subject) bool
	over     string // the link that is overridden
	rename   string
	err      error
}

// With gives a plugin, a link or a group options in this registration, in addition to those it has and before them:
//
//	stages.With(&Budget{}, chain.Priority(10)).Hook("generation_post_call", chain.InMode(chain.Audit))
func With(plugin any, opts ...chain.Option) Entry {
	return Entry{&listing{item: plugin, options: opts}}
}

// Group puts plugins, links and other groups together under a name. Without a priority of its own it leaves those of its
// members alone; with one, Group(...).With(chain.Priority(5)), all of them have it. Links of one priority run in the order
// in which they are given.
func Group(name string, members ...any) Entry {
	e := &listing{name: name, group: true, members: members}
	switch {
	case name == "":
		e.err = errors.New("a group needs a name")
	case len(members) == 0:
		e.err = fmt.Errorf("group %q has no members", name)
	}
	return Entry{e}
}

// At places links in the chain of that name. A link can be registered without it where its payload says which chain is
// meant: that is so for all of a Pipeline's own payloads but *Adapter, and not for custom stages.
func At[P any](chainName string, links ...chain.Link[P]) Entry {
	e := &listing{}
	for _, l := range links {
		e.members = append(e.members, linkOf[P]{Link: l, in: chainName})
	}
	if len(links) == 0 {
		e.err = fmt.Errorf("At(%q) without links", chainName)
	}
	return Entry{e}
}

// Override changes the options of links that are registered elsewhere in the same pipeline or in its scopes, already or
// later: chain.Override for the chain in "generation/budget", for every chain that has such a link in "budget".
//
//	p.Register(ctx, stages.Override("budget", chain.InMode(chain.Audit)))
func Override(link string, opts ...chain.Option) Entry {
	e := &listing{over: link, options: opts}
	if in, name, ok := strings.Cut(link, "/"); ok && (in == "" || name == "") || link == "" {
		e.err = fmt.Errorf("override of %q: it needs the name of a link, or chain/link", link)
	}
	return Entry{e}
}

// When lets the links of the entry run only for those calls for which cond is true; several conditions must all be. It
// is called concurrently, and its panic is the link's. See chain.Link.When.
func (e Entry) When(cond func(ctx context.Context, s Subject) bool) Entry {
	return e.change(func(n *listing) {
		if first := n.when; first != nil && cond != nil {
			second := cond
			cond = func(ctx context.Context, s Subject) bool { return first(ctx, s) && second(ctx, s) }
		}
		if cond != nil {
			n.when = cond
		}
	})
}

// Named gives the plugin or the link of the entry another name. Links of a group or of At get it before their own: a
// name, a dot and theirs.
func (e Entry) Named(name string) Entry {
	return e.change(func(n *listing) {
		if n.rename = name; name == "" {
			n.err = errors.New("a name that is empty")
		}
	})
}

// With adds options to all links of the entry.
func (e Entry) With(opts ...chain.Option) Entry {
	return e.change(func(n *listing) { n.options = slices.Concat(n.options, opts) })
}

// Fitting is With for links of several kinds: each takes those options that its kind can have, and Explain notes what was
// left out, as chain.Fitting does. An option that no link of the entry can have is an error. They beat those of With.
func (e Entry) Fitting(opts ...chain.Option) Entry {
	return e.change(func(n *listing) { n.fitting = slices.Concat(n.fitting, opts) })
}

// Hook adds options to the links of the entry at one hook, which is named as in the table of HookPoints, or
// "wrap_<chain>" or "observe_<chain>" for Arounds and observers of everything. They beat the options that the same entry
// has for all links.
func (e Entry) Hook(hook string, opts ...chain.Option) Entry {
	return e.change(func(n *listing) { n.hooks[hook] = slices.Concat(n.hooks[hook], opts) })
}

// Writable limits what the links of the entry at one hook may write to these fields, or to none. It can only take away:
// a field that is not writable there anyhow is an error at registration.
func (e Entry) Writable(hook string, fields ...string) Entry {
	return e.change(func(n *listing) {
		if old, ok := n.writable[hook]; ok { // both limits hold
			n.item, n.group, n.name, n.members, n.options, n.fitting = Entry{&listing{
				item: n.item, group: n.group, name: n.name, members: n.members, options: n.options, fitting: n.fitting,
				writable: map[string][]string{hook: old},
			}}, false, "", nil, nil, nil
		}
		n.writable[hook] = slices.Clone(fields)
	})
}

func (e Entry) change(f func(*listing)) Entry {
	n := &listing{}
	if e.e == nil {
		n.err = errors.New("an empty Entry")
	} else {
		*n = *e.e
	}
	hooks, writable := map[string][]chain.Option{}, map[string][]string{}
	maps.Copy(hooks, n.hooks)
	maps.Copy(writable, n.writable)
	n.hooks, n.writable = hooks, writable
	f(n)
	return Entry{n}
}

// RegisteredLink says where a link of a Registration came from.
type RegisteredLink struct {
	Chain  string
	Link   string   // its name in Explain and Stats
	Hook   string   // as in the table of HookPoints, or wrap_<chain>, observe_<chain>
	Plugin string   // "" for a plain link
	Groups []string // outermost first
}

// placed is one link on its way into a chain.
type placed struct {
	RegisteredLink
	link  anyLink
	owner *candidate // nil for a plain link
}

// candidate is a plugin that is about to be registered.
type candidate struct {
	key    any // its identity
	plugin any
	name   string
	links  map[string]anyLink // by hook, without options
}

// resolution is what the arguments of Register amount to.
type resolution struct {
	links   []placed
	plugins []*candidate
	errs    []error
}

// resolve finds out everything that can be known without touching a chain.
func resolve(plugins []any) (*resolution, error) {
	r := &resolution{}
	for _, p := range plugins {
		r.add(p, nil)
	}
	seen := map[any]bool{}
	for _, c := range r.plugins {
		if seen[c.key] {
			r.fail("the plugin %q is given twice: it would run twice", c.name)
		}
		seen[c.key] = true
	}
	names := map[[2]string]bool{}
	for _, p := range r.links {
		if p.link.Kind() == chain.KindOverride {
			continue
		}
		n := [2]string{p.Chain, p.Link}
		if names[n] {
			r.fail("chain %s: two links are called %q; give the plugins different names with a method Name() string", p.Chain, p.Link)
		}
		names[n] = true
	}
	if len(r.errs) > 0 {
		return nil, fmt.Errorf("stages: %w", errors.Join(r.errs...))
	}
	return r, nil
}

func (r *resolution) fail(format string, a ...any) { r.errs = append(r.errs, fmt.Errorf(format, a...)) }

func (p *placed) rename(name string) {
	p.link = p.link.named(name)
	p.Link = name
}

// add resolves one argument or member.
func (r *resolution) add(x any, groups []string) { r.addNamed(x, groups, "") }

// addNamed is add with another name, unless that is "".
func (r *resolution) addNamed(x any, groups []string, name string) {
	if isNil(x) {
		r.fail("%snil plugin", path(groups))
		return
	}
	if e, ok := x.(Entry); ok {
		if name != "" && e.e != nil {
			e = e.Named(name)
		}
		r.addEntry(e.e, groups)
		return
	}
	if l, ok := x.(anyLink); ok { // from At
		r.addLink(l, groups, name)
		return
	}
	l, ok, err := asLink(x)
	switch {
	case err != nil:
		r.fail("%s%w", path(groups), err)
	case ok:
		r.addLink(l, groups, name)
	default:
		r.addPlugin(x, groups, name)
	}
}

func (r *resolution) addLink(l anyLink, groups []string, name string) {
	if name != "" {
		l = l.named(name)
	}
	l, err := l.settled()
	if err != nil {
		r.fail("%s%w", path(groups), err)
		return
	}
	r.links = append(r.links, placed{link: l, RegisteredLink: RegisteredLink{
		Chain: l.chainName(), Link: l.Name(), Hook: hookOf(l.chainName(), l.Kind()), Groups: groups,
	}})
}

func (r *resolution) addPlugin(x any, groups []string, name string) {
	var c *candidate
	var links []placed
	err := contained(func() (err error) { // its Name and HookOptions are called
		c, links, err = inspect(x, name)
		return err
	})
	if err != nil {
		r.fail("%s%w", path(groups), err)
		return
	}
	r.plugins = append(r.plugins, c)
	for i := range links {
		links[i].Groups = groups
	}
	r.links = append(r.links, links...)
}

func (r *resolution) addEntry(e *listing, groups []string) {
	switch {
	case e == nil:
		r.fail("%san empty Entry", path(groups))
		return
	case e.err != nil:
		r.fail("%s%w", path(groups), e.err)
		return
	}
	from := len(r.links)
	if e.over != "" {
		r.addOverride(e, groups)
		return
	}
	if e.group {
		groups = append(slices.Clip(groups), e.name)
	}
	errs := len(r.errs)
	if e.members == nil {
		r.addNamed(e.item, groups, e.rename)
	}
	for _, m := range e.members {
		r.add(m, groups)
	}
	if len(r.errs) > errs { // what follows would be noise
		return
	}
	own := r.links[from:]
	for _, o := range e.fitting {
		r.mustFit(own, o, groups)
	}
	for i := range own {
		if e.rename != "" && e.members != nil {
			own[i].rename(e.rename + "." + own[i].Link)
		}
		if e.when != nil && own[i].link.Kind() != chain.KindOverride {
			own[i].link = own[i].link.onlyWhen(e.when)
		}
		own[i].link = own[i].link.with(e.options)
		if len(e.fitting) > 0 {
			own[i].link = own[i].link.with([]chain.Option{chain.Fitting(e.fitting...)})
		}
		own[i].link = own[i].link.with(e.hooks[own[i].Hook])
	}
	for hook := range e.hooks {
		r.mustHave(own, hook, groups)
	}
	for hook, fields := range e.writable {
		if r.mustHave(own, hook, groups) {
			r.narrow(own, hook, fields, groups)
		}
	}
}

// addOverride adds an override to one chain or, where none is named, to all.
func (r *resolution) addOverride(e *listing, groups []string) {
	in, name, ok := strings.Cut(e.over, "/")
	if !ok {
		in, name = "", e.over
	}
	stages := slices.Clone(ownStages)
	for _, s := range customs.all() {
		stages = append(stages, s)
	}
	found := false
	for _, s := range stages {
		if in == "" || s.chainName() == in {
			found = true
			l, err := s.override(name, e.options).settled()
			if err != nil {
				r.fail("%s%w", path(groups), err)
				return
			}
			r.links = append(r.links, placed{link: l, RegisteredLink: RegisteredLink{Chain: s.chainName(), Link: name, Groups: groups}})
		}
	}
	if !found {
		r.fail("%soverride of %q: no chain is called %q%s", path(groups), e.over, in, didYouMean(in, chainNames()))
	}
}

// mustFit checks that an option fits one of the links.
func (r *resolution) mustFit(links []placed, o chain.Option, groups []string) {
	var first error
	for _, p := range links {
		err := p.link.Fits(o)
		if err == nil {
			return
		}
		if first == nil {
			first = err
		}
	}
	if first != nil {
		r.fail("%s%w", path(groups), first)
	}
}

// mustHave checks that options for a hook reach a link.
func (r *resolution) mustHave(links []placed, hook string, groups []string) bool {
	if slices.ContainsFunc(links, func(p placed) bool { return p.Hook == hook }) {
		return true
	}
	var have []string
	for _, p := range links {
		if !slices.Contains(have, p.Hook) {
			have = append(have, p.Hook)
		}
	}
	r.fail("%soptions for %q, but there is no link at that hook%s; there are links at %s", path(groups), hook,
		didYouMean(hook, have), strings.Join(have, ", "))
	return false
}

func (r *resolution) narrow(links []placed, hook string, fields, groups []string) {
	for i := range links {
		if links[i].Hook != hook {
			continue
		}
		l, err := links[i].link.limited(hook, fields)
		if err != nil {
			r.fail("%s%w", path(groups), err)
			return
		}
		links[i].link = l
	}
}

func path(groups []string) string {
	if len(groups) == 0 {
		return ""
	}
	return "group " + strings.Join(groups, "/") + ": "
}

// isNil says whether x is nil or a nil pointer, map, function ... in an interface.
func isNil(x any) bool {
	if x == nil {
		return true
	}
	switch v := reflect.ValueOf(x); v.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Func, reflect.Chan, reflect.Slice, reflect.UnsafePointer:
		return v.IsNil()
	}
	return false
}
