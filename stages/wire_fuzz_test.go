package stages

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"testing"
)

// FuzzDecode: whatever is read can be written, and is the same when it is read and written again.
func FuzzDecode(f *testing.F) {
	for _, h := range HookPoints() {
		f.Add(mustEncode(f, h.Name, wireExample(h)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		hook, p, err := Decode(data)
		if err != nil {
			return
		}
		first, err := Encode(hook, p)
		if errors.Is(err, ErrWireLimit) { // the form may be longer than what it was read from
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		again, p, err := Decode(first)
		if err != nil || again != hook {
			t.Fatalf("read back as %q: %v\n%s", again, err, first)
		}
		if second := mustEncode(t, hook, p); !bytes.Equal(second, first) {
			t.Fatalf("written again:\n%s\nwant\n%s", second, first)
		}
	})
}

// FuzzPatch: whatever the patch, the payload stays as it is, and in the result so does every field that is not writable.
func FuzzPatch(f *testing.F) {
	for i, h := range HookPoints() {
		patch := &object{}
		doc, _ := mustParse(f, string(mustEncode(f, h.Name, wireExample(h)))).(*object)
		for _, part := range []string{"fields", "result"} {
			n, _ := doc.get(part)
			if o, ok := n.(*object); ok {
				for _, m := range o.members {
					patch.set(m.key, m.value)
				}
			}
		}
		b, err := write(patch)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(i, b)
		for _, w := range h.Writable {
			f.Add(i, []byte(`{"`+w+`":{"name":"x","extra":{"y":null}},"meta":null}`))
			f.Add(i, []byte(`{"`+w+`":["look",{"name":"short"},{"role":"user","text":"x"}]}`))
		}
	}
	f.Fuzz(func(t *testing.T, i int, patch []byte) {
		hooks := HookPoints()
		h := hooks[uint(i)%uint(len(hooks))]
		before, after, discarded, err := patched(t, h, string(patch))
		if err != nil {
			if after != nil || discarded != nil {
				t.Fatalf("an error and %v, %v", after, discarded)
			}
			return
		}
		w, _ := wireForms()[h.Chain].(interface {
			checkKept(t *testing.T, h HookPoint, before, after any, discarded []string)
		})
		w.checkKept(t, h, before, after, discarded)
		if _, _, err := Decode(mustEncode(t, h.Name, after)); err != nil {
			t.Fatal(err)
		}
	})
}

func (w wireOf[S]) checkKept(t *testing.T, h HookPoint, before, after any, discarded []string) {
	t.Helper()
	old, _ := before.(*S)
	kept, ok := after.(*S)
	if !ok {
		t.Fatalf("got a %T", after)
	}
	for _, f := range slices.Concat([]wireField[S]{w.meta()}, w.in, w.out) {
		writable := slices.Contains(h.Writable, f.name)
		if !writable && !f.derived && dump(reflect.ValueOf(f.place(old).Interface())) != dump(reflect.ValueOf(f.place(kept).Interface())) {
			t.Errorf("%s changed", f.name)
		}
		if writable && slices.Contains(discarded, f.name) {
			t.Errorf("%s was discarded", f.name)
		}
	}
	if _, more := w.spec.policy(h.Chain).Rewrite(position(h), old, kept); more != nil {
		t.Errorf("the chain's policy discards %v", more)
	}
}
