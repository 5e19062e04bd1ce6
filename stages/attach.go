package stages

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/maillon-go/maillon/chain"
)

// anyLink is a chain.Link with the chain that it goes to, whatever its payload is.
type anyLink interface {
	Name() string
	Kind() chain.Kind
	chainName() string
	// settled is the link when its chain and its payload are known to fit.
	settled() (anyLink, error)
	with(opts []chain.Option) anyLink
	Fits(o chain.Option) error
	named(name string) anyLink
	onlyWhen(cond func(context.Context, Subject) bool) anyLink
	limited(hook string, fields []string) (anyLink, error)
	// use registers links, all of this one's type, in the chain of p.
	use(p *Pipeline, links []anyLink) (used, error)
	// check finds out whether Use would take them.
	check(links []anyLink) error
}

// used is a chain.Registration, whatever its payload is.
type used interface {
	Remove()
	replace(links []anyLink) error
}

// anyStage is one stage of every Pipeline.
type anyStage interface {
	chainName() string
	payload() string
	adopt(x any) (anyLink, bool)
	override(name string, opts []chain.Option) anyLink
}

// stageIn is a stage with the payload *S.
type stageIn[S any] struct {
	name   string
	chain  func(*Pipeline) *chain.Chain[*S]
	limits func(fields []string) func(pos chain.Position, old, proposed *S) (*S, []string)
}

func builtIn[S any](name string, s spec[S], c func(*Pipeline) *chain.Chain[*S]) stageIn[S] {
	return stageIn[S]{name, c, func(fields []string) func(chain.Position, *S, *S) (*S, []string) { return s.limit(name, fields) }}
}

// ownStages are the stages of every Pipeline, in the order of HookPoints.
var ownStages = []anyStage{
	builtIn("session", sessionSpec, func(p *Pipeline) *chain.Chain[*Session] { return p.Session }),
	builtIn("reset", resetSpec, func(p *Pipeline) *chain.Chain[*Reset] { return p.Reset }),
	builtIn("cleanup", cleanupSpec, func(p *Pipeline) *chain.Chain[*Cleanup] { return p.Cleanup }),
	builtIn("create", createSpec, func(p *Pipeline) *chain.Chain[*Create] { return p.Create }),
	builtIn("component", componentSpec, func(p *Pipeline) *chain.Chain[*Component] { return p.Component }),
	builtIn("generation", generationSpec, func(p *Pipeline) *chain.Chain[*Generation] { return p.Generation }),
	builtIn("chunk", chunkSpec, func(p *Pipeline) *chain.Chain[*Chunk] { return p.Chunk }),
	builtIn("stream", streamEventSpec, func(p *Pipeline) *chain.Chain[*StreamEvent] { return p.Stream }),
	builtIn("validation", validationSpec, func(p *Pipeline) *chain.Chain[*Validation] { return p.Validation }),
	builtIn("sampling", samplingSpec, func(p *Pipeline) *chain.Chain[*Sampling] { return p.Sampling }),
	builtIn("iteration", iterationSpec, func(p *Pipeline) *chain.Chain[*Iteration] { return p.Iteration }),
	builtIn("repair", repairSpec, func(p *Pipeline) *chain.Chain[*Repair] { return p.Repair }),
	builtIn("tool", toolSpec, func(p *Pipeline) *chain.Chain[*Tool] { return p.Tool }),
	builtIn("adapter_load", adapterSpec, func(p *Pipeline) *chain.Chain[*Adapter] { return p.AdapterLoad }),
	builtIn("adapter_unload", adapterSpec, func(p *Pipeline) *chain.Chain[*Adapter] { return p.AdapterUnload }),
	builtIn("history_change", historyChangeSpec, func(p *Pipeline) *chain.Chain[*HistoryChange] { return p.HistoryChange }),
	builtIn("fault", faultSpec, func(p *Pipeline) *chain.Chain[*Fault] { return p.Fault }),
}

func (s stageIn[S]) chainName() string { return s.name }

func (s stageIn[S]) payload() string { return fmt.Sprintf("%T", (*S)(nil)) }

func (s stageIn[S]) adopt(x any) (anyLink, bool) {
	switch l := x.(type) {
	case chain.Link[*S]:
		return linkOf[*S]{Link: l, in: s.name}, true
	case linkOf[*S]:
		return l, true
	}
	return nil, false
}

func (s stageIn[S]) override(name string, opts []chain.Option) anyLink {
	return linkOf[*S]{Link: chain.Override[*S](name, opts...), in: s.name}
}

func (s stageIn[S]) find(p *Pipeline) *chain.Chain[*S] { return s.chain(p) }

func (s stageIn[S]) limiter(fields []string) func(chain.Position, *S, *S) (*S, []string) {
	return s.limits(fields)
}

// stageOfPayload is a stage whose payload is P, which is a pointer.
type stageOfPayload[P any] interface {
	find(p *Pipeline) *chain.Chain[P]
	limiter(fields []string) func(pos chain.Position, old, proposed P) (P, []string)
}

// findStage is the stage of every Pipeline, or the custom one, of that name.
func findStage(name string) (anyStage, bool) {
	if i := slices.IndexFunc(ownStages, func(s anyStage) bool { return s.chainName() == name }); i >= 0 {
		return ownStages[i], true
	}
	all := customs.all()
	if i := slices.IndexFunc(all, func(s customStage) bool { return s.chainName() == name }); i >= 0 {
		return all[i], true
	}
	return nil, false
}

// asLink recognises a plain link by its payload.
func asLink(x any) (anyLink, bool, error) {
	var found anyLink
	var names []string
	for _, s := range ownStages {
		if l, ok := s.adopt(x); ok {
			found = l
			names = append(names, s.chainName())
		}
	}
	l, isLink := x.(interface {
		Name() string
		Kind() chain.Kind
	})
	switch {
	case len(names) == 1:
		return found, true, nil
	case len(names) > 1:
		return nil, false, fmt.Errorf("link %q: its payload belongs to the chains %s: say which one is meant with At",
			l.Name(), strings.Join(names, " and "))
	case isLink && strings.HasPrefix(fmt.Sprintf("%T", x), "chain.Link["):
		return nil, false, fmt.Errorf("link %q: no stage of a Pipeline has the payload of a %T: say which chain is meant with At", l.Name(), x)
	}
	return nil, false, nil
}

// linkOf is a link with the payload P.
type linkOf[P any] struct {
	chain.Link[P]
	in    string
	stage stageOfPayload[P] // once settled
}

func (l linkOf[P]) chainName() string { return l.in }

func (l linkOf[P]) settled() (anyLink, error) {
	s, ok := findStage(l.in)
	if !ok {
		return nil, fmt.Errorf("link %q: no chain is called %q%s", l.Name(), l.in, didYouMean(l.in, chainNames()))
	}
	if l.stage, ok = s.(stageOfPayload[P]); !ok {
		return nil, fmt.Errorf("link %q: it has the payload %T, chain %s has %s", l.Name(), *new(P), l.in, s.payload())
	}
	return l, nil
}

func (l linkOf[P]) with(opts []chain.Option) anyLink {
	if len(opts) > 0 {
		l.Link = l.With(opts...)
	}
	return l
}

func (l linkOf[P]) named(name string) anyLink {
	l.Link = l.Named(name)
	return l
}

func (l linkOf[P]) onlyWhen(cond func(context.Context, Subject) bool) anyLink {
	l.Link = l.When(func(ctx context.Context, p P) bool { return cond(ctx, subjectOf(ctx, p)) })
	return l
}

func (l linkOf[P]) limited(hook string, fields []string) (anyLink, error) {
	allowed := writableAtHook(l.in, hook)
	for _, f := range fields {
		if !slices.Contains(allowed, f) {
			return nil, fmt.Errorf("%q is not writable at %s, so that it cannot be granted; writable there: %s",
				f, hook, orNone(allowed))
		}
	}
	l.Link = l.Limit(l.stage.limiter(fields))
	return l, nil
}

func (l linkOf[P]) use(p *Pipeline, links []anyLink) (used, error) {
	typed, err := typedLinks[P](links)
	if err != nil {
		return nil, err
	}
	r, err := l.stage.find(p).Use(typed...)
	if err != nil {
		return nil, err
	}
	return usedIn[P]{r}, nil
}

func (l linkOf[P]) check(links []anyLink) error {
	typed, err := typedLinks[P](links)
	if err != nil {
		return err
	}
	_, err = chain.New[P](l.in).Use(typed...)
	return err
}

// usedIn is a registration in a chain with the payload P.
type usedIn[P any] struct{ *chain.Registration[P] }

func (u usedIn[P]) replace(links []anyLink) error {
	typed, err := typedLinks[P](links)
	if err != nil {
		return err
	}
	return u.Replace(typed...)
}

func typedLinks[P any](links []anyLink) ([]chain.Link[P], error) {
	var out []chain.Link[P]
	for _, l := range links {
		t, ok := l.(linkOf[P])
		if !ok {
			return nil, fmt.Errorf("link %q: a payload of another type", l.Name())
		}
		out = append(out, t.Link)
	}
	return out, nil
}

func chainNames() (names []string) {
	for _, s := range ownStages {
		names = append(names, s.chainName())
	}
	for _, s := range customs.all() {
		names = append(names, s.chainName())
	}
	return names
}

// hooksOf are the hook points of a chain.
func hooksOf(chainName string) (hooks []HookPoint) {
	all := hookTable
	if s, ok := findStage(chainName); ok {
		if c, ok := s.(customStage); ok {
			all = c.hookPoints()
		}
	}
	for _, h := range all {
		if h.Chain == chainName {
			hooks = append(hooks, h)
		}
	}
	return hooks
}

// hookOf names what a link of that kind is attached to. Where several hook points share a place it is the place.
func hookOf(chainName string, k chain.Kind) string {
	switch k {
	case chain.KindAround:
		return "wrap_" + chainName
	case chain.KindObserve:
		return "observe_" + chainName
	}
	for _, h := range hooksOf(chainName) {
		if h.Position == k {
			return h.Name
		}
	}
	return k.String() + "_" + chainName
}

// writableAtHook are the fields that links at a hook may write.
func writableAtHook(chainName, hook string) (fields []string) {
	for _, h := range hooksOf(chainName) {
		if h.Name == hook || hook == "wrap_"+chainName {
			fields = append(fields, h.Writable...)
		}
	}
	return fields
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}
