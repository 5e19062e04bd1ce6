package config

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/sony/gobreaker/v2"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

// built is what a file amounts to.
type built struct {
	entries    []any // for stages.Pipeline.Register
	plugins    map[string]made
	dispatcher *chain.DispatcherConfig
	tracer     chain.Tracer
	names      map[string]ast.Node // where plugins, hooks and links are named
	overrides  []string            // links that are overridden
	secrets    secrets
}

// made is a plugin with what it was made of.
type made struct {
	kind     string
	settings any
	plugin   any
}

// builder makes entries of a file.
type builder struct {
	*problems
	ctx      context.Context // of decoders, with out.secrets
	kinds    *Kinds
	had      map[string]made // of the file before
	out      built
	defaults []chain.Option
}

// build reads a file. What is wrong with it is in p.
func build(p *problems, data []byte, kinds *Kinds, had map[string]made) built {
	b := &builder{problems: p, kinds: kinds, had: had, out: built{plugins: map[string]made{}, names: map[string]ast.Node{}, secrets: secrets{}}}
	b.ctx = context.WithValue(context.Background(), secretsKey{}, b.out.secrets)
	root := parse(p, data)
	if len(p.list) > 0 || root == nil {
		return b.out
	}
	v, ok := p.read(root, &fileShape, "the file")
	if !ok {
		return b.out
	}
	f := v.fields()
	b.settings(f.fields("settings"))
	for _, x := range f.list("plugins") {
		b.add(b.plugin(x))
	}
	for _, x := range f.list("groups") {
		b.add(b.group(x))
	}
	for _, x := range f.list("overrides") {
		b.override(x)
	}
	b.tracer(f.fields("settings"))
	if len(b.out.plugins) > MaxPlugins {
		p.add(root, "", "%d plugins, at most %d are taken", len(b.out.plugins), MaxPlugins)
	}
	return b.out
}

func (b *builder) add(e stages.Entry, ok bool) {
	if ok {
		b.out.entries = append(b.out.entries, e)
	}
}

func (b *builder) settings(f fields) {
	b.defaults = b.options(f.fields("defaults"))
	if v, ok := f.get("timeout"); ok {
		b.defaults = append(b.defaults, chain.DefaultTimeout(v.v.(time.Duration)))
	}
	v, ok := f.get("dispatcher")
	if !ok {
		return
	}
	d := v.fields()
	cfg := chain.DispatcherConfig{Workers: b.above(d, "workers", 0), Queue: b.above(d, "queue", 0)}
	if text := d.text("overflow"); text != "" {
		cfg.Overflow = map[string]chain.Overflow{
			"block": chain.BlockWhenFull, "drop_newest": chain.DropNewest, "run_inline": chain.RunInline,
		}[text]
	}
	b.out.dispatcher = &cfg
}

// above is a number that must be above least, or 0 where there is none.
func (b *builder) above(f fields, name string, least int) int {
	v, ok := f.get(name)
	if !ok {
		return 0
	}
	n := v.v.(int)
	if n <= least {
		b.problems.add(v.node, "", "%s must be above %d", name, least)
	}
	return n
}

// older are the names that modes had elsewhere.
var older = map[string]struct {
	mode chain.Mode
	opts []chain.Option
	note string
}{
	"enforce":              {chain.Sequential, nil, `mode "enforce" means sequential`},
	"permissive":           {chain.Transform, nil, `mode "permissive" means transform`},
	"enforce_ignore_error": {chain.Sequential, []chain.Option{chain.OnFailure(chain.Ignore)}, `mode "enforce_ignore_error" means sequential, and on_error ignore where nothing stronger is said`},
}

// options are those that a plugin, a hook, a group, an override and the defaults have in common.
func (b *builder) options(f fields) (opts []chain.Option) {
	if name := f.text("mode"); name != "" {
		o, isOld := older[name]
		if isOld {
			opts = append(opts, chain.Note(o.note))
		} else if err := o.mode.UnmarshalText([]byte(name)); err != nil {
			b.problems.add(f.by["mode"].node, "", "mode: %v", err)
		}
		opts = append(append(opts, chain.InMode(o.mode)), o.opts...)
	}
	if v, ok := f.get("priority"); ok {
		opts = append(opts, chain.Priority(v.v.(int)))
	}
	if name := f.text("on_error"); name != "" {
		var on chain.Failure
		if err := on.UnmarshalText([]byte(name)); err != nil {
			b.problems.add(f.by["on_error"].node, "", "on_error: %v", err)
		}
		if on == chain.Fail && f.text("mode") == chain.FireAndForget.String() {
			b.problems.add(f.by["on_error"].node, "", "on_error: what runs in the background cannot fail a call")
		}
		opts = append(opts, chain.OnFailure(on))
	}
	if v, ok := f.get("timeout"); ok {
		opts = append(opts, chain.Timeout(v.v.(time.Duration)))
	}
	if v, ok := f.get("breaker"); ok {
		opts = append(opts, b.breaker(v.fields())...)
	}
	for name, o := range map[string]func() chain.Option{"outer": chain.Outer, "counted": chain.Counted, "timed": chain.Timed} {
		if on, _ := f.by[name].v.(bool); on {
			opts = append(opts, o())
		}
	}
	if name := f.text("candidate_for"); name != "" {
		opts = append(opts, chain.CandidateFor(name))
	}
	if n, ok := f.get("keep_cases"); ok || f.keys["case_payloads"] != nil {
		keep := chain.DefaultCases
		if ok {
			if keep = n.v.(int); keep < 0 {
				b.problems.add(n.node, "", "keep_cases must be 0 or more")
			}
		}
		payloads, _ := f.by["case_payloads"].v.(bool)
		opts = append(opts, chain.KeepCases(keep, payloads))
	}
	if names := f.texts("runs_before"); len(names) > 0 {
		opts = append(opts, chain.RunsBefore(names...))
	}
	if names := f.texts("runs_after"); len(names) > 0 {
		opts = append(opts, chain.RunsAfter(names...))
	}
	return opts
}

func (b *builder) breaker(f fields) []chain.Option {
	st := gobreaker.Settings{MaxRequests: uint32(b.above(f, "max_requests", 0))}
	st.Timeout, _ = f.by["timeout"].v.(time.Duration)
	st.Interval, _ = f.by["interval"].v.(time.Duration)
	return []chain.Option{chain.Breaker(st), chain.TripAfter(uint32(b.above(f, "trip_after", 0)))}
}

// name takes a name that only one plugin or group may have.
func (b *builder) name(f fields) (name string, ok bool) {
	name = f.text("name")
	if first := b.out.names[name]; first != nil {
		line, _ := place(first)
		b.problems.add(f.by["name"].node, "", "the name %q is taken in line %d", clip(name), line)
		return name, false
	}
	b.out.names[name] = f.by["name"].node
	return name, true
}

func (b *builder) plugin(v value) (e stages.Entry, ok bool) {
	f := v.fields()
	if key, there := f.keys["isolation"]; there {
		b.problems.add(key, "take it out", "isolation is reserved for plugins that run out of process, which are not there yet")
		return e, false
	}
	name, ok := b.name(f)
	if !ok {
		return e, false
	}
	plugin, ok := b.made(name, f)
	if !ok {
		return e, false
	}
	e = stages.With(plugin, chain.Fitting(b.defaults...)).Named(name).Fitting(b.options(f)...)
	hooks := f.fields("hooks")
	for _, hook := range hooks.names {
		b.out.names[hook] = hooks.keys[hook]
		h := hooks.fields(hook)
		e = e.Hook(hook, b.options(h)...)
		if _, narrowed := h.get("writable"); narrowed {
			for _, w := range h.list("writable") {
				b.out.names[w.text()] = w.node
			}
			e = e.Writable(hook, h.texts("writable")...)
		}
	}
	if list, there := f.get("conditions"); there {
		if len(list.list()) == 0 {
			b.problems.add(list.node, "take it out for all calls", "no condition would ever hold")
			return e, false
		}
		var cs []condition
		for _, x := range list.list() {
			c := conditionOf(x.fields())
			if c.empty() {
				b.problems.add(x.node, "take all conditions out for all calls", "a condition that says nothing")
				return e, false
			}
			cs = append(cs, c)
		}
		e = e.When(anyOf(cs))
	}
	return e, true
}

// made makes a plugin, or takes the one of the file before.
func (b *builder) made(name string, f fields) (any, bool) {
	kind, node := f.text("kind"), f.by["kind"].node
	k, ok := b.kinds.find(kind)
	if !ok {
		b.problems.add(node, nearest(kind, b.kinds.Names()), "unknown kind %q", clip(kind))
		return nil, false
	}
	at := node
	var config ast.Node
	if c, there := f.get("config"); there {
		config, at = c.node, c.node
	}
	settings, err := contained(func() (any, error) { return k.decode(b.ctx, config) })
	if err != nil {
		b.decoding(k, config, name, err)
		return nil, false
	}
	old, there := b.had[name]
	there = there && old.kind == kind
	if there && reflect.DeepEqual(old.settings, settings) {
		b.out.plugins[name] = old
		return old.plugin, true
	}
	plugin, err := contained(func() (any, error) {
		plugin, err := k.build(settings)
		if heir, ok := plugin.(Successor); ok && there && err == nil {
			heir.Succeed(old.plugin)
		}
		return plugin, err
	})
	if err == nil && plugin == nil {
		err = errNoPlugin
	}
	if err != nil {
		b.because(at, err, "plugin %q: %v", clip(name), err)
		return nil, false
	}
	b.out.plugins[name] = made{kind, settings, plugin}
	return plugin, true
}

// decoding notes an error of a plugin's own settings, config, which do not fit the type of k. Of what decoders say it shows
// what is known to quote no value (but for numbers): another text, a time.ParseDuration's, say, may have a secret in it.
func (b *builder) decoding(k kind, config ast.Node, name string, err error) {
	what := "config of plugin \"" + clip(name) + "\": "
	m := misfitOf(b.ctx, config, k.typ, "")
	if m == nil { // it fits now, a file that a secret is in, say
		m = &misfit{node: config, err: err}
	}
	if m.path != "" {
		what += m.path + ": "
	}
	var y yaml.Error
	if errors.As(m.err, &y) && y.GetToken() != nil {
		t := y.GetToken().Position
		b.unread(t.Line, t.Column, "", what+m.words())
		return
	}
	if s, ok := errors.AsType[*showable](m.err); ok {
		b.because(m.node, s.error, "%s%s", what, m.words())
		return
	}
	b.problems.add(m.node, "", "%s%s", what, m.words())
}

func (b *builder) group(v value) (e stages.Entry, ok bool) {
	f := v.fields()
	name, ok := b.name(f)
	if !ok {
		return e, false
	}
	var members []any
	for _, x := range f.list("plugins") {
		m, fits := b.plugin(x)
		members, ok = append(members, m), ok && fits
	}
	for _, x := range f.list("groups") {
		m, fits := b.group(x)
		members, ok = append(members, m), ok && fits
	}
	if len(members) == 0 {
		b.problems.add(v.node, "", "group %q has no plugins", clip(name))
		return e, false
	}
	return stages.Group(name, members...).Fitting(b.options(f)...), ok
}

func (b *builder) override(v value) {
	f := v.fields()
	opts := b.options(f)
	if off, ok := f.get("off"); ok {
		if f.text("mode") != "" {
			b.problems.add(f.keys["off"], "", "off and mode contradict each other")
			return
		}
		if off.v.(bool) {
			opts = append(opts, chain.InMode(chain.Disabled))
		} else if len(opts) == 0 {
			return
		}
	}
	if len(opts) == 0 {
		b.problems.add(v.node, "give it a mode, a priority, on_error, a timeout or off", "the override changes nothing")
		return
	}
	b.out.names[f.text("link")] = f.by["link"].node
	b.out.overrides = append(b.out.overrides, f.text("link"))
	b.out.entries = append(b.out.entries, stages.Override(f.text("link"), opts...))
}

// placed gives an error of the registration the place in the file that it is about, as far as it names one.
func (b built) placed(p *problems, err error) error {
	best := ""
	for _, name := range slices.Sorted(maps.Keys(b.names)) {
		text := err.Error()
		_, link, _ := strings.Cut(name, "/")
		if mentions(text, name) || link != "" && mentions(text, link) {
			if len(name) > len(best) {
				best = name
			}
		}
	}
	cause := err
	if u := errors.Unwrap(err); u != nil && strings.HasPrefix(err.Error(), "stages: ") {
		cause = u
	}
	p.because(b.names[best], err, "%v", cause)
	return p.err()
}

func mentions(text, name string) bool {
	return strings.Contains(text, `"`+name+`"`) || strings.Contains(text, `"`+name+`.`) || strings.Contains(text, "group "+name)
}
