package stages

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"unicode"

	"github.com/maillon-go/maillon/chain"
)

// wireForm is the JSON form of one payload, without its type.
type wireForm interface {
	encode(h HookPoint, payload any) ([]byte, error)
	decode(h HookPoint, doc *object) (any, error)
	patch(h HookPoint, payload any, patch *object) (kept any, discarded []string, err error)
}

// wireForms are the forms of all chains, by the chain's name. What the fields are called, and which there are, is said by
// the payloads' specs; here is only where their values lie, and how those that are derived are read.
var wireForms = sync.OnceValue(func() map[string]wireForm {
	return map[string]wireForm{
		"session": form(sessionSpec,
			within(func(s *Session) *SessionFields { return &s.in }), within(func(s *Session) *SessionResult { return &s.out })),
		"reset":   form(resetSpec, within(func(r *Reset) *ResetFields { return &r.in })),
		"cleanup": form(cleanupSpec, within(func(c *Cleanup) *CleanupFields { return &c.in })),
		"create": form(createSpec,
			within(func(c *Create) *CreateFields { return &c.in }), within(func(c *Create) *CreateResult { return &c.out }),
			get("rendered", func(c *Create) List[Message] { m, _ := messagesOf(c.out.Component); return m })),
		"component": form(componentSpec,
			within(func(c *Component) *ComponentFields { return &c.in }), within(func(c *Component) *ComponentResult { return &c.out }),
			at("failure", func(c *Component) *Failure { return &c.failure }),
			get("view", (*Component).View), get("history_after", (*Component).HistoryAfter)),
		"generation": form(generationSpec,
			within(func(g *Generation) *GenerationFields { return &g.in }), within(func(g *Generation) *GenerationResult { return &g.out }),
			within(func(g *Generation) *Output { return &g.out.Output }),
			at("answering_model", func(g *Generation) *string { return &g.out.Output.Model })),
		"chunk":  form(chunkSpec, within(func(c *Chunk) *ChunkFields { return &c.in })),
		"stream": form(streamEventSpec, within(func(s *StreamEvent) *StreamEventFields { return &s.in })),
		"validation": form(validationSpec,
			within(func(v *Validation) *ValidationFields { return &v.in }), within(func(v *Validation) *ValidationResult { return &v.out }),
			get("history", (*Validation).History), get("all_passed", (*Validation).AllPassed),
			get("passed", (*Validation).Passed), get("failed", (*Validation).Failed)),
		"sampling": form(samplingSpec,
			within(func(s *Sampling) *SamplingFields { return &s.in }), within(func(s *Sampling) *SamplingResult { return &s.out })),
		"iteration": form(iterationSpec,
			within(func(i *Iteration) *IterationFields { return &i.in }),
			get("action", (*Iteration).Action), get("result", (*Iteration).Result), get("results", (*Iteration).Results),
			get("all_valid", (*Iteration).AllValid), get("passed", (*Iteration).Passed), get("failed", (*Iteration).Failed)),
		"repair": form(repairSpec, within(func(r *Repair) *RepairFields { return &r.in })),
		"tool": form(toolSpec,
			within(func(t *Tool) *ToolFields { return &t.in }), within(func(t *Tool) *ToolResult { return &t.out }),
			get("control_flow", (*Tool).ControlFlow), get("message", (*Tool).Message)),
		"adapter_load":   adapterForm(),
		"adapter_unload": adapterForm(),
		"history_change": form(historyChangeSpec, within(func(h *HistoryChange) *HistoryChangeFields { return &h.in })),
		"fault":          form(faultSpec, within(func(f *Fault) *FaultFields { return &f.in })),
	}
})

func adapterForm() wireForm {
	return form(adapterSpec,
		within(func(a *Adapter) *AdapterFields { return &a.in }), within(func(a *Adapter) *AdapterResult { return &a.out }))
}

// places says where in a payload the value of a field is, by the field's name.
type places[S any] map[string]func(*S) reflect.Value

// within has the exported fields of a struct that a payload consists of.
func within[S, F any](ref func(*S) *F) func(places[S]) {
	return func(p places[S]) {
		for i, f := range fieldsOf(reflect.TypeFor[F]()) {
			p[f.name] = func(s *S) reflect.Value { return reflect.ValueOf(ref(s)).Elem().Field(i) }
		}
	}
}

// at has one field that is elsewhere, or is called differently.
func at[S, T any](name string, ref func(*S) *T) func(places[S]) {
	return func(p places[S]) {
		p[name] = func(s *S) reflect.Value { return reflect.ValueOf(ref(s)).Elem() }
	}
}

// get has one field that is derived.
func get[S, T any](name string, get func(*S) T) func(places[S]) {
	return func(p places[S]) {
		p[name] = func(s *S) reflect.Value {
			v := get(s)
			return reflect.ValueOf(&v).Elem()
		}
	}
}

// wireField is a field of a payload in the JSON form.
type wireField[S any] struct {
	name    string
	derived bool
	place   func(*S) reflect.Value // to be set only where it is not derived
}

// wireOf is the wireForm of the payload S.
type wireOf[S any] struct {
	spec    spec[S]
	in, out []wireField[S]
}

func form[S any](s spec[S], parts ...func(places[S])) wireForm {
	p := places[S]{}
	for _, add := range parts {
		add(p)
	}
	fields := func(of []field[S]) (out []wireField[S]) {
		for _, f := range of {
			place := p[f.name]
			if place == nil {
				panic(fmt.Sprintf("stages: the JSON form of %T lacks %s", *new(S), f.name))
			}
			out = append(out, wireField[S]{f.name, f.derived(), place})
		}
		return out
	}
	return wireOf[S]{s, fields(s.in), fields(s.out)}
}

var errPayload = errors.New("no payload of this hook point")

// own is the payload with its type.
func (w wireOf[S]) own(h HookPoint, payload any) (*S, error) {
	p, ok := payload.(*S)
	if !ok || p == nil {
		return nil, fmt.Errorf("%w: want a %s, got %s", errPayload, reflect.TypeFor[*S](), typeName(payload))
	}
	if e, ok := payload.(interface{ Hook() string }); ok && h.Position == chain.KindObserve && e.Hook() != h.Name {
		return nil, fmt.Errorf("%w: this one belongs to %s", errPayload, quote(e.Hook()))
	}
	return p, nil
}

func typeName(v any) string {
	if v == nil {
		return "nil"
	}
	if r := reflect.ValueOf(v); r.Kind() == reflect.Pointer && r.IsNil() {
		return fmt.Sprintf("a nil %T", v)
	}
	return fmt.Sprintf("a %T", v)
}

// hasOut says whether the payload has fields of the result at a hook point. When a call has failed they may be there in
// part, which does not count as a result.
func (w wireOf[S]) hasOut(h HookPoint, p *S) bool {
	switch h.Position {
	case chain.KindAfter:
		return w.spec.hasResult(p)
	case chain.KindOnError:
		for _, f := range w.out {
			if !f.derived && !f.place(p).IsZero() {
				return true
			}
		}
	}
	return false
}

func (w wireOf[S]) encode(h HookPoint, payload any) ([]byte, error) {
	p, err := w.own(h, payload)
	if err != nil {
		return nil, err
	}
	return w.write(h, h.Name, p)
}

// write gives the JSON form at a hook point; the name is left out where it is empty.
func (w wireOf[S]) write(h HookPoint, name string, p *S) ([]byte, error) {
	e := &encoder{}
	doc := &object{}
	doc.set("version", wireInt(WireVersion))
	if name != "" {
		doc.set("hook", name)
	}
	doc.set("meta", e.value(reflect.ValueOf(w.spec.meta(p)).Elem()))
	doc.set("fields", encodeFields(e, w.in, p))
	if w.hasOut(h, p) {
		doc.set("result", encodeFields(e, w.out, p))
	}
	if e.err != nil {
		return nil, e.err
	}
	return write(doc)
}

func encodeFields[S any](e *encoder, fields []wireField[S], p *S) *object {
	o := &object{}
	for _, f := range fields {
		o.set(f.name, e.value(f.place(p)))
	}
	return o
}

func (w wireOf[S]) decode(h HookPoint, doc *object) (any, error) {
	d := &decoder{}
	p := new(S)
	if n, ok := doc.get("meta"); ok {
		if err := d.in("meta", n, reflect.ValueOf(w.spec.meta(p)).Elem(), reflect.Value{}); err != nil {
			return nil, err
		}
	}
	if err := sameVersion("meta.version", wireInt(w.spec.meta(p).Version), PayloadVersion); err != nil {
		return nil, err
	}
	if _, err := decodeFields(d, "fields", w.in, doc, p); err != nil {
		return nil, err
	}
	if h.Position == chain.KindAfter || h.Position == chain.KindOnError {
		there, err := decodeFields(d, "result", w.out, doc, p)
		if err != nil {
			return nil, err
		}
		if w.spec.done != nil {
			*w.spec.done(p) = there && h.Position == chain.KindAfter
		}
	}
	if w.spec.rebuild != nil {
		w.spec.rebuild(p)
	}
	return w.own(h, p)
}

// decodeFields reads one part of the envelope, and says whether it is there.
func decodeFields[S any](d *decoder, part string, fields []wireField[S], doc *object, p *S) (there bool, err error) {
	n, _ := doc.get(part)
	if n == nil {
		return false, nil
	}
	o, ok := n.(*object)
	if !ok {
		return false, fmt.Errorf("%s: want an object, got %s", part, kindOf(n))
	}
	d.path = append(d.path, part)
	for _, f := range fields {
		n, ok := o.get(f.name)
		if !ok || f.derived {
			continue
		}
		if err := d.in(f.name, n, f.place(p), reflect.Value{}); err != nil {
			return false, err
		}
	}
	d.path = d.path[:len(d.path)-1]
	return true, nil
}

// wireName is a Go name as the JSON form has it.
func wireName(goName string) string {
	if goName == "Err" {
		return "error"
	}
	var b strings.Builder
	r := []rune(goName)
	for i, c := range r {
		if unicode.IsUpper(c) && i > 0 && (unicode.IsLower(r[i-1]) || i+1 < len(r) && unicode.IsLower(r[i+1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}
