package stages

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unsafe"

	"github.com/maillon-go/maillon/chain"
)

// Stage is a stage of the user's own: a chain with the payload *S in every Pipeline, merged over scopes like the others.
// It is made by AddHook.
type Stage[S any] struct {
	stageIn[S]
	hooks  []HookPoint
	fields []reflect.StructField
	names  []string // of the fields
}

// AddHook makes a stage with one or several hook points, which has the payload *S:
//
//	var Thinking, err = stages.AddHook[Thought](stages.HookPoint{Name: "react_pre_reasoning", Writable: []string{"text"}})
//	think := stages.Bind(p, Thinking.In(p), handler)
//
// Of a HookPoint only the Name has to be given. Chain is the name of the stage, by default that of its first hook point.
// Writable are fields of the struct S in snake case, which links may change at the hook point's Position, Before or After;
// all other changes are discarded and reported. What an Around answers without the handler is a change at After.
// Payload, Carries and Derived are filled in.
//
// The names are known in the whole process from then on: plugins may have methods for them (OnReactPreReasoning,
// WrapReactPreReasoning, ObserveReactPreReasoning, found by reflection), At and options know them, and so does
// CustomHooks. The table of HookPoints stays as it is. A name that is taken is an error.
func AddHook[S any](hooks ...HookPoint) (*Stage[S], error) {
	t := reflect.TypeFor[S]()
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("stages: AddHook: the payload is a *%s, it must be a pointer to a struct", t)
	}
	if len(hooks) == 0 {
		return nil, errors.New("stages: AddHook without a hook point")
	}
	s := &Stage[S]{}
	for f := range t.Fields() {
		s.fields = append(s.fields, f)
		s.names = append(s.names, snakeCase(f.Name))
	}
	s.name = hooks[0].Chain
	if s.name == "" {
		s.name = hooks[0].Name
	}
	for _, h := range hooks {
		h = h.clone()
		if h.Chain == "" {
			h.Chain = s.name
		}
		h.Payload, h.Carries, h.Derived = t.String(), s.names, nil
		s.hooks = append(s.hooks, h)
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("stages: AddHook: %w", err)
	}
	s.chain = s.In
	s.limits = s.policy
	if err := customs.add(s); err != nil {
		return nil, fmt.Errorf("stages: AddHook: %w", err)
	}
	return s, nil
}

// CustomHooks are the hook points of AddHook, in the order in which they came.
func CustomHooks() (out []HookPoint) {
	for _, s := range customs.all() {
		for _, h := range s.hookPoints() {
			out = append(out, h.clone())
		}
	}
	return out
}

// In is the stage's chain in a Pipeline. The first call makes it.
func (s *Stage[S]) In(p *Pipeline) *chain.Chain[*S] {
	c := &p.custom
	c.mu.Lock()
	defer c.mu.Unlock()
	if made, ok := c.chains[s].(tracedChain[*S]); ok {
		return made.Chain
	}
	var made *chain.Chain[*S]
	closed := c.closed
	if p.parent == nil {
		made = s.newChain(p)
	} else {
		var err error
		if made, err = s.In(p.parent).Scope(); err != nil {
			made, closed = s.newChain(p), true
		}
	}
	if closed {
		_ = made.Close(context.Background()) // it has nothing to wait for
	}
	if c.traced {
		made.WithTracer(c.tracer)
	}
	if c.chains == nil {
		c.chains = map[any]customChain{}
	}
	c.chains[s] = tracedChain[*S]{made}
	return made
}

func (s *Stage[S]) newChain(p *Pipeline) *chain.Chain[*S] {
	policy := chain.Policy[*S]{Rewrite: s.policy(s.names)}
	for _, h := range s.hooks {
		if h.NeverBlocks {
			policy.NeverBlocks |= h.sides()
		}
	}
	return chain.New(s.name, chain.Config[*S]{
		Logger: p.cfg.Logger, LogErrorText: p.cfg.LogErrorText, Policy: policy, Dispatcher: p.dispatcher, Tracer: p.cfg.Tracer,
		PassPanic: p.cfg.PassPanic,
	})
}

var hookName = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)

func (s *Stage[S]) check() error {
	for _, h := range s.hooks {
		if h.Chain != s.name {
			return fmt.Errorf("hook points of the chains %q and %q in one stage", s.name, h.Chain)
		}
		for _, name := range []string{h.Name, h.Chain} {
			if !hookName.MatchString(name) {
				return fmt.Errorf("the name %q: it must be lower case words with underscores between them", name)
			}
		}
		if h.sides() == 0 && len(h.Writable) > 0 {
			return fmt.Errorf("%s: fields are writable before and after, not at %s", h.Name, h.Position)
		}
		for _, f := range h.Writable {
			if !slices.Contains(s.names, f) {
				return fmt.Errorf("%s: %s has no field %q%s", h.Name, h.Payload, f, didYouMean(f, s.names))
			}
		}
	}
	return nil
}

// policy lets links write what the hook points say, as far as it is in fields too.
func (s *Stage[S]) policy(fields []string) func(pos chain.Position, old, proposed *S) (*S, []string) {
	writable := make([]chain.Position, len(s.names))
	for i, name := range s.names {
		for _, h := range s.hooks {
			if slices.Contains(fields, name) && slices.Contains(h.Writable, name) {
				writable[i] |= h.sides()
			}
		}
	}
	return func(pos chain.Position, old, proposed *S) (*S, []string) {
		kept := *old
		var discarded []string
		for i, f := range s.fields {
			is, was := structField(proposed, f), structField(&kept, f)
			switch {
			case sameField(was, is):
			case writable[i]&pos != 0:
				was.Set(is)
			default:
				discarded = append(discarded, s.names[i])
			}
		}
		if discarded == nil {
			return proposed, nil
		}
		return &kept, discarded
	}
}

// structField is a field that can be read and set, exported or not.
func structField[S any](p *S, f reflect.StructField) reflect.Value {
	return reflect.NewAt(f.Type, unsafe.Add(unsafe.Pointer(p), f.Offset)).Elem()
}

// sameField may find a difference where there is none, never the reverse.
func sameField(a, b reflect.Value) bool {
	switch {
	case a.Kind() == reflect.Func: // the closure, which Go does not compare
		return *(*unsafe.Pointer)(a.Addr().UnsafePointer()) == *(*unsafe.Pointer)(b.Addr().UnsafePointer())
	case a.Comparable() && b.Comparable():
		return a.Equal(b)
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}

func (s *Stage[S]) hookPoints() []HookPoint { return s.hooks }

func (s *Stage[S]) chainIn(p *Pipeline) anyChain { return s.In(p) }

// methods are those by which a plugin takes part in the stage.
func (s *Stage[S]) methods() (ms []method) {
	for _, h := range s.hooks {
		name := "On" + camel(h.Name)
		switch h.Position {
		case chain.KindBefore:
			ms = append(ms, byName(name, h.Name, s.name, func(link string, f chain.Handler[*S]) chain.Link[*S] { return chain.Before(link, f) }))
		case chain.KindAfter:
			ms = append(ms, byName(name, h.Name, s.name, func(link string, f chain.Handler[*S]) chain.Link[*S] { return chain.After(link, f) }))
		case chain.KindOnError:
			ms = append(ms, byName(name, h.Name, s.name, func(link string, f func(context.Context, chain.Outcome[*S])) chain.Link[*S] {
				return chain.OnError(link, f)
			}))
		default:
			ms = append(ms, byName(name, h.Name, s.name, func(link string, f func(context.Context, chain.Outcome[*S])) chain.Link[*S] {
				return chain.Observe(link, f)
			}))
		}
	}
	return append(ms,
		byName("Wrap"+camel(s.name), "wrap_"+s.name, s.name, func(link string, f chain.Middleware[*S]) chain.Link[*S] { return chain.Around(link, f) }),
		byName("Observe"+camel(s.name), "observe_"+s.name, s.name, func(link string, f func(context.Context, chain.Outcome[*S])) chain.Link[*S] {
			return chain.Observe(link, f)
		}))
}

// byName is a method without an interface.
func byName[F, S any](name, hook, chainName string, link func(name string, f F) chain.Link[*S]) method {
	return method{name, hook, chainName, reflect.TypeFor[F](), func(plugin any, linkName string) (anyLink, bool) {
		m := reflect.ValueOf(plugin).MethodByName(name)
		if !m.IsValid() {
			return nil, false
		}
		f, ok := m.Interface().(F)
		return linkOf[*S]{Link: link(linkName, f), in: chainName}, ok
	}}
}

// customs are the stages of AddHook.
var customs customStages

// customStage is a Stage, whatever its payload is.
type customStage interface {
	anyStage
	hookPoints() []HookPoint
	chainIn(p *Pipeline) anyChain
	methods() []method
}

type customStages struct {
	mu     sync.RWMutex
	stages []customStage
}

func (c *customStages) all() []customStage {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.stages // only ever replaced
}

func (c *customStages) add(s customStage) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var taken []string
	for _, h := range hookTable {
		taken = append(taken, h.Name, h.Chain)
	}
	for _, o := range c.stages {
		taken = append(taken, o.chainName())
		for _, h := range o.hookPoints() {
			taken = append(taken, h.Name)
		}
	}
	if slices.Contains(taken, s.chainName()) {
		return fmt.Errorf("the chain %q is there already", s.chainName())
	}
	for _, h := range s.hookPoints() {
		if slices.Contains(taken, h.Name) {
			return fmt.Errorf("the hook point %q is there already", h.Name)
		}
		taken = append(taken, h.Name)
	}
	c.stages = append(slices.Clip(c.stages), s)
	return nil
}

// customChains are the chains of custom stages in one Pipeline.
type customChains struct {
	mu     sync.Mutex
	chains map[any]customChain // by stage
	traced bool                // WithTracer was called, with:
	tracer chain.Tracer
	closed bool
}

type customChain interface {
	anyChain
	setTracer(t chain.Tracer)
}

type tracedChain[P any] struct{ *chain.Chain[P] }

func (c tracedChain[P]) setTracer(t chain.Tracer) { c.WithTracer(t) }

// withTracer is for the chains that are there and those to come.
func (c *customChains) withTracer(t chain.Tracer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.traced, c.tracer = true, t
	for _, made := range c.chains {
		made.setTracer(t)
	}
}

// close gives the chains to be closed. Those that are made later are closed from the start.
func (c *customChains) close() (out []anyChain) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, made := range c.chains {
		out = append(out, made)
	}
	return out
}

// customChains are those that links may be in: the Pipeline's own, and those of the ones above.
func (p *Pipeline) customChains() (out []anyChain) {
	for _, s := range customs.all() {
		for a := p; a != nil; a = a.parent {
			a.custom.mu.Lock()
			_, ok := a.custom.chains[s]
			a.custom.mu.Unlock()
			if ok {
				out = append(out, s.chainIn(p))
				break
			}
		}
	}
	return out
}

// allChains are those of the pipeline and of custom stages.
func (p *Pipeline) allChains() []anyChain {
	own := p.chains()
	return append(own[:], p.customChains()...)
}

// camel turns a name of the table into that of Go.
func camel(name string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(name, "_") {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

// snakeCase turns the Go name of a field into that of a hook point.
func snakeCase(name string) string {
	var b strings.Builder
	r := []rune(name)
	for i, c := range r {
		if unicode.IsUpper(c) && i > 0 && (!unicode.IsUpper(r[i-1]) || i+1 < len(r) && unicode.IsLower(r[i+1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}
