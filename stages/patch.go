package stages

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/maillon-go/maillon/chain"
)

// ApplyPatch changes fields of a payload at the named hook point by a JSON merge patch (RFC 7386), an object with the
// names of HookPoint.Carries. The payload itself stays as it is; it is also what comes back where nothing changes.
//
//	{"text": "[redacted]", "tool_calls": null}
//
// Null clears a field, an object is merged into what is there, and anything else replaces it. What cannot travel stays
// where the patch leaves it alone. Tools, requirements and findings are matched by their names: an item of such a list that
// is only a name is the live item, an object with the name of a live one keeps that one's function. A tool must be one of
// those that are there. A requirement under a new name has no Check, so a model judges it.
//
// Fields that are not writable at the hook point stay as they are, and those that the patch would have changed are
// reported as discarded, in the words of the chain's policy. A name that the payload does not carry there is an error, and
// so is a value of the wrong type in a writable field; then nothing is applied.
//
// The patch may come from anywhere. A caller that has a payload of several hook points' type gives the type as P; any will
// do.
func ApplyPatch[P any](hook string, payload P, patch []byte) (kept P, discarded []string, err error) {
	var none P
	h, form, err := wireFormOf(hook)
	if err != nil {
		return none, nil, err
	}
	n, err := parse(patch, MaxWireDepth, true)
	if err != nil {
		return none, nil, fmt.Errorf("stages: patch %s: %w", hook, err)
	}
	o, ok := n.(*object)
	if !ok {
		return none, nil, fmt.Errorf("stages: patch %s: want an object, got %s", hook, kindOf(n))
	}
	p, discarded, err := form.patch(h, payload, o)
	if err != nil {
		return none, nil, fmt.Errorf("stages: patch %s: %w", hook, err)
	}
	kept, _ = p.(P)
	return kept, discarded, nil
}

// patch goes through the fields in the order in which the policy does.
func (w wireOf[S]) patch(h HookPoint, payload any, patch *object) (kept any, discarded []string, err error) {
	p, err := w.own(h, payload)
	if err != nil {
		return nil, nil, err
	}
	if err := w.known(h, patch); err != nil {
		return nil, nil, err
	}
	changed, has := *p, w.spec.hasResult(p)
	change := func(f wireField[S], writable bool) error {
		n, ok := patch.get(f.name)
		if !ok {
			return nil
		}
		old := f.place(p)
		is := (&encoder{}).value(old)
		n = mergePatch(is, n)
		if sameTree(n, is) {
			return nil
		}
		v := reflect.New(old.Type()).Elem()
		d := &decoder{strict: writable, path: []string{f.name}}
		err := d.value(n, v, old)
		switch {
		case err == nil && sameTree((&encoder{}).value(v), is): // the same, written differently
		case !writable:
			discarded = append(discarded, f.name)
		case err != nil:
			return err
		default:
			f.place(&changed).Set(v)
			kept = &changed
		}
		return nil
	}
	if err := change(w.meta(), false); err != nil {
		return nil, nil, err
	}
	for _, f := range w.in {
		if err := change(f, !f.derived && slices.Contains(h.Writable, f.name)); err != nil {
			return nil, nil, err
		}
	}
	for _, f := range w.out {
		if err := change(f, has && !f.derived && slices.Contains(h.Writable, f.name)); err != nil {
			return nil, nil, err
		}
	}
	if kept == nil {
		return payload, discarded, nil
	}
	if w.spec.rebuild != nil {
		w.spec.rebuild(&changed)
	}
	return kept, discarded, nil
}

func (w wireOf[S]) meta() wireField[S] {
	return wireField[S]{"meta", false, func(p *S) reflect.Value { return reflect.ValueOf(w.spec.meta(p)).Elem() }}
}

// known says whether a payload carries all that a patch names.
func (w wireOf[S]) known(h HookPoint, patch *object) error {
	names := []string{"meta"}
	for _, f := range w.in {
		names = append(names, f.name)
	}
	if h.Position == chain.KindAfter || h.Position == chain.KindOnError {
		for _, f := range w.out {
			names = append(names, f.name)
		}
	}
	for _, m := range patch.members {
		if !slices.Contains(names, m.key) {
			return fmt.Errorf("the payload carries no field %s%s", quote(m.key), suggest(m.key, names))
		}
	}
	return nil
}
