package stages

import (
	"reflect"
	"testing"
)

// payloads has an example of each payload, with every field filled.
func payloads() []any {
	f := &filler{}
	return []any{
		filled[*Session](f), filled[*Reset](f), filled[*Cleanup](f), filled[*Create](f), filled[*Component](f),
		filled[*Generation](f), filled[*Chunk](f), filled[*StreamEvent](f), filled[*Validation](f), filled[*Sampling](f),
		filled[*Iteration](f), filled[*Repair](f), filled[*Tool](f), filled[*Adapter](f), filled[*HistoryChange](f),
		filled[*Fault](f),
	}
}

func TestFrozen(t *testing.T) {
	for _, p := range payloads() {
		v := reflect.ValueOf(p)
		t.Run("behaviour 33: no method changes a "+v.Type().Elem().Name(), func(t *testing.T) {
			calls := attack(v, func(method string) func() {
				before := dump(v)
				return func() {
					if after := dump(v); after != before {
						t.Fatalf("%s changed the payload:\n%s\n%s", method, before, after)
					}
				}
			})
			if calls < v.NumMethod() {
				t.Fatalf("%d calls for %d methods", calls, v.NumMethod())
			}
		})
	}
}

// attack calls every exported method of v, then does its worst to what comes back: overwrites slices and maps, and goes
// on in the same way with everything that can be reached. It returns the number of calls.
func attack(v reflect.Value, watch func(method string) (check func())) int {
	calls := 0
	for i := range v.NumMethod() {
		check := watch(v.Type().Method(i).Name)
		a := attacker{seen: map[reflect.Type]int{v.Type(): often}} // WithX gives another payload, whose methods give nothing new
		a.method(v.Method(i))
		calls += a.calls
		check()
	}
	return calls
}

// often bounds how many values of one type are tried for each method of the payload.
const often = 3

type attacker struct {
	calls int
	seen  map[reflect.Type]int
}

func (a *attacker) methods(v reflect.Value) {
	if a.seen[v.Type()]++; a.seen[v.Type()] > often {
		return
	}
	for i := range v.NumMethod() {
		a.method(v.Method(i))
	}
}

func (a *attacker) method(m reflect.Value) {
	for _, out := range a.call(m) {
		a.spoil(out)
	}
}

// call calls f with made-up arguments. A panic is no harm, as long as nothing has changed.
func (a *attacker) call(f reflect.Value) (out []reflect.Value) {
	defer func() { _ = recover() }()
	a.calls++
	var args []reflect.Value
	for t := range f.Type().Ins() {
		arg := reflect.New(t).Elem()
		switch {
		case t == reflect.TypeFor[[]byte]():
			arg.SetBytes([]byte(`[]`)) // for UnmarshalJSON
		case t.Kind() == reflect.Int:
			arg.SetInt(1)
		case t.Kind() == reflect.Interface && special[t] == nil:
			// nil
		default:
			(&filler{n: 1000}).fill(arg)
		}
		args = append(args, arg)
	}
	if f.Type().IsVariadic() {
		return f.CallSlice(args)
	}
	return f.Call(args)
}

func (a *attacker) spoil(v reflect.Value) {
	switch v.Kind() {
	case reflect.Interface:
		if !v.IsNil() {
			a.spoil(v.Elem())
		}
		return
	case reflect.Slice:
		for i := range v.Len() {
			a.spoil(v.Index(i))
			v.Index(i).SetZero()
		}
		if v.Len() > 0 {
			reflect.Append(v.Slice(0, v.Len()-1), reflect.Zero(v.Type().Elem()))
			if v.Cap() > v.Len() {
				reflect.Append(v, reflect.Zero(v.Type().Elem()))
			}
		}
		return
	case reflect.Map:
		for _, k := range v.MapKeys() {
			a.spoil(v.MapIndex(k))
			v.SetMapIndex(k, reflect.Value{})
		}
		return
	case reflect.Func:
		if v.Type().CanSeq2() {
			for x, y := range v.Seq2() {
				a.spoil(x)
				a.spoil(y)
			}
		}
		return
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				a.spoil(v.Field(i))
			}
		}
	}
	if v.Type().PkgPath() == reflect.TypeFor[Meta]().PkgPath() {
		a.methods(v)
		if v.Kind() != reflect.Pointer { // methods of the pointer, on a copy such as anyone can make
			c := reflect.New(v.Type())
			c.Elem().Set(v)
			a.methods(c)
		}
	}
}

// leaky is what a careless payload looks like.
type leaky struct {
	words []string
	facts map[string]any
	list  List[[]string]
	n     int
}

func (l *leaky) Words() []string       { return l.words }
func (l *leaky) Facts() map[string]any { return l.facts }
func (l *leaky) List() List[[]string]  { return l.list }
func (l *leaky) SetN(n int)            { l.n = n }
func (l *leaky) Clean() string         { return l.words[0] }

func TestAttackFindsLeaks(t *testing.T) {
	found := map[string]bool{}
	v := reflect.ValueOf(filled[*leaky](&filler{}))
	attack(v, func(method string) func() {
		before := dump(v)
		return func() { found[method] = dump(v) != before }
	})
	for method, want := range map[string]bool{
		"Words": true, "Facts": true, "List": true, "SetN": true,
		"Clean": false,
	} {
		if got, ok := found[method]; !ok || got != want {
			t.Errorf("%s: found a leak: %v (called: %v), want %v", method, got, ok, want)
		}
	}
}
