package stages

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/maillon-go/maillon/chain"
)

//go:generate go test -run TestConventionIsGenerated . -update-convention

// method is one of the methods by which a plugin takes part: the method of one interface in convention_gen.go.
type method struct {
	name  string // of the Go method
	hook  string // its name in options, the last part of the link's name
	chain string
	typ   reflect.Type // of the method, without a receiver
	// bind makes the link of a plugin that has the method.
	bind func(plugin any, link string) (l anyLink, ok bool)
}

func newMethod[I any, S any](hook, chainName string, link func(x I, name string) chain.Link[*S]) method {
	t := reflect.TypeFor[I]()
	return method{t.Method(0).Name, hook, chainName, t.Method(0).Type, func(plugin any, name string) (anyLink, bool) {
		x, ok := plugin.(I)
		if !ok {
			return nil, false
		}
		return linkOf[*S]{Link: link(x, name), in: chainName}, true
	}}
}

// hookBefore and those that follow are the kinds of methods.
func hookBefore[I, S any](hook, chainName string, f func(I) chain.Handler[*S]) method {
	return newMethod(hook, chainName, func(x I, name string) chain.Link[*S] { return chain.Before(name, f(x)) })
}

func hookAfter[I, S any](hook, chainName string, f func(I) chain.Handler[*S]) method {
	return newMethod(hook, chainName, func(x I, name string) chain.Link[*S] { return chain.After(name, f(x)) })
}

func hookOnError[I, S any](hook, chainName string, f func(I) func(context.Context, chain.Outcome[*S])) method {
	return newMethod(hook, chainName, func(x I, name string) chain.Link[*S] { return chain.OnError(name, f(x)) })
}

// hookReport is a hook point that shares its chain with others: the payload says which one a call belongs to.
func hookReport[I, S any](hook, chainName string, f func(I) func(context.Context, chain.Outcome[*S])) method {
	return newMethod(hook, chainName, func(x I, name string) chain.Link[*S] {
		report := f(x)
		return chain.Observe(name, func(ctx context.Context, o chain.Outcome[*S]) {
			if p, ok := any(o.Payload).(interface{ Hook() string }); !ok || p.Hook() == hook {
				report(ctx, o)
			}
		})
	})
}

func hookWrap[I, S any](chainName string, f func(I) chain.Middleware[*S]) method {
	return newMethod("wrap_"+chainName, chainName, func(x I, name string) chain.Link[*S] { return chain.Around(name, f(x)) })
}

func hookObserve[I, S any](chainName string, f func(I) func(context.Context, chain.Outcome[*S])) method {
	return newMethod("observe_"+chainName, chainName, func(x I, name string) chain.Link[*S] { return chain.Observe(name, f(x)) })
}

// inspect finds the hooks of a plugin, which may be given another name, and everything that is wrong with it.
func inspect(x any, rename string) (*candidate, []placed, error) {
	c, err := newCandidate(x, rename)
	if err != nil {
		return nil, nil, err
	}
	if err := checkMethods(reflect.ValueOf(x), c.name); err != nil {
		return nil, nil, err
	}
	var links []placed
	for _, m := range allMethods() {
		name := c.name + "." + m.hook
		l, ok := m.bind(x, name)
		if !ok {
			continue
		}
		if l, err = l.settled(); err != nil {
			return nil, nil, fmt.Errorf("plugin %q: %w", c.name, err)
		}
		if had := instances.link(c.key, m.hook); had != nil && had.Name() == name {
			l = had
		}
		c.links[m.hook] = l
		links = append(links, placed{owner: c, link: l.with(c.options(m.hook)), RegisteredLink: RegisteredLink{
			Chain: m.chain, Link: name, Hook: m.hook, Plugin: c.name,
		}})
	}
	if len(links) == 0 {
		return nil, nil, fmt.Errorf("plugin %q (%T) has no hook: it needs one of the methods On<HookPoint>, Wrap<Chain> or Observe<Chain>, such as %s",
			c.name, x, methods[0].name)
	}
	return c, links, nil
}

func newCandidate(x any, rename string) (*candidate, error) {
	c := &candidate{plugin: x, key: x, links: map[string]anyLink{}}
	t := reflect.TypeOf(x)
	if t.Kind() != reflect.Pointer { // it has no identity: an instance of its own in every registration
		c.key = new(byte)
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	c.name = t.Name()
	if n, ok := x.(interface{ Name() string }); ok {
		c.name = n.Name()
	}
	if rename != "" {
		c.name = rename
	}
	if c.name == "" {
		return nil, fmt.Errorf("the plugin %T needs a name: a method Name() string", x)
	}
	if v, ok := x.(interface{ PayloadVersion() int }); ok && v.PayloadVersion() != PayloadVersion {
		return nil, fmt.Errorf("plugin %q is written for version %d of the payloads, this is version %d", c.name, v.PayloadVersion(), PayloadVersion)
	}
	return c, nil
}

// options are what the plugin says of itself, the weaker first.
func (c *candidate) options(hook string) (opts []chain.Option) {
	if p, ok := c.plugin.(interface{ Priority() int }); ok {
		opts = append(opts, chain.Priority(p.Priority()))
	}
	if h, ok := c.plugin.(interface {
		HookOptions(hook string) []chain.Option
	}); ok {
		opts = append(opts, h.HookOptions(hook)...)
	}
	return opts
}

// optionalMethods are what a plugin may have besides hooks. Close() error is the business of whoever owns the plugin: see
// closing.
var optionalMethods = map[string]reflect.Type{
	"Name":           reflect.TypeFor[func() string](),
	"Priority":       reflect.TypeFor[func() int](),
	"HookOptions":    reflect.TypeFor[func(string) []chain.Option](),
	"PayloadVersion": reflect.TypeFor[func() int](),
	"Init":           reflect.TypeFor[func(context.Context) error](),
}

// closing is the Close of a plugin. One that takes no context is none.
var closing = reflect.TypeFor[func(context.Context) error]()

// checkMethods finds methods that were meant to be hooks and are none.
func checkMethods(v reflect.Value, plugin string) error {
	var problems []string
	known := allMethods()
	for i := range v.NumMethod() {
		name, typ := v.Type().Method(i).Name, v.Method(i).Type()
		want, ok := optionalMethods[name]
		if at := slices.IndexFunc(known, func(m method) bool { return m.name == name }); at >= 0 {
			want, ok = known[at].typ, true
		}
		if name == "Close" && typ.NumIn() > 0 && typ.In(0) == closing.In(0) {
			want, ok = closing, true
		}
		switch {
		case ok && typ != want:
			problems = append(problems, fmt.Sprintf("%s is a %s, it must be a %s", name, typ, want))
		case !ok && looksLikeHook(name):
			problems = append(problems, fmt.Sprintf("%s is no hook%s", name, didYouMean(name, methodNames(known))))
		}
	}
	if t := v.Type(); t.Kind() != reflect.Pointer {
		for i := range reflect.PointerTo(t).NumMethod() {
			name := reflect.PointerTo(t).Method(i).Name
			if _, ok := t.MethodByName(name); !ok && looksLikeHook(name) {
				problems = append(problems, fmt.Sprintf("%s has a pointer receiver: register a *%s", name, t.Name()))
			}
		}
	}
	for _, name := range ambiguous(v.Type()) {
		problems = append(problems, name+" comes from two embedded types, so that it is none: write it out")
	}
	if len(problems) > 0 {
		return fmt.Errorf("plugin %q: %s", plugin, strings.Join(problems, "; "))
	}
	return nil
}

// allMethods are those for the stages of every Pipeline, and for custom ones.
func allMethods() []method {
	all := slices.Clip(methods)
	for _, s := range customs.all() {
		all = append(all, s.methods()...)
	}
	return all
}

// ambiguous are the hooks that a plugin would have if two of its embedded types did not both have them: Go gives it none.
func ambiguous(t reflect.Type) (names []string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	has := reflect.PointerTo(t)
	for f := range t.Fields() {
		if !f.Anonymous {
			continue
		}
		e := f.Type
		if e.Kind() == reflect.Struct {
			e = reflect.PointerTo(e)
		}
		for i := range e.NumMethod() {
			name := e.Method(i).Name
			if _, ok := has.MethodByName(name); !ok && looksLikeHook(name) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// looksLikeHook says whether a method was probably meant to be one: On, Wrap or Observe and then a new word.
func looksLikeHook(name string) bool {
	for _, prefix := range []string{"On", "Wrap", "Observe"} {
		if rest, ok := strings.CutPrefix(name, prefix); ok && rest != "" && (rest[0] < 'a' || rest[0] > 'z') {
			return true
		}
	}
	return false
}

func methodNames(ms []method) (names []string) {
	for _, m := range ms {
		names = append(names, m.name)
	}
	return names
}

// didYouMean names the candidate that is nearest to what was written.
func didYouMean(written string, candidates []string) string {
	best, distance := "", 0
	for _, c := range candidates {
		if d := letters(strings.ToLower(written), strings.ToLower(c)); best == "" || d < distance {
			best, distance = c, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", best)
}

// letters is how many letters must be added, taken away or replaced to turn a into b.
func letters(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
