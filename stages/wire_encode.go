package stages

import (
	"encoding"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"sync"
	"time"
)

// What the JSON form knows types by.
var (
	actionType   = reflect.TypeFor[Action]()
	strategyType = reflect.TypeFor[Strategy]()
	errorType    = reflect.TypeFor[error]()
	anyType      = reflect.TypeFor[any]()
	durationType = reflect.TypeFor[time.Duration]()
)

// wireTyper is a type with a form of its own, as opposed to a struct with exported fields or a basic type.
type wireTyper interface{ toWire(e *encoder) any }

// encoder makes trees. It stops at the first error.
type encoder struct{ err error }

// value is the tree of a value, which need not be addressable.
func (e *encoder) value(v reflect.Value) any {
	if v.Kind() == reflect.Interface && v.IsNil() {
		return nil
	}
	switch v.Type() { // the field's type: one value may be of several of these
	case actionType:
		a, _ := v.Interface().(Action)
		return e.structure(reflect.ValueOf(describeAction(a)))
	case strategyType:
		s, _ := v.Interface().(Strategy)
		return e.structure(reflect.ValueOf(describeStrategy(s)))
	case errorType:
		err, _ := v.Interface().(error)
		return e.structure(reflect.ValueOf(describeError(err)))
	case anyType:
		return freeTree(v.Interface())
	case durationType:
		return wireInt(v.Int())
	}
	switch x := v.Interface().(type) {
	case wireTyper:
		return x.toWire(e)
	case encoding.TextMarshaler:
		b, err := x.MarshalText()
		if err != nil && e.err == nil {
			e.err = err
		}
		return string(b)
	}
	switch {
	case v.Kind() == reflect.Struct:
		return e.structure(v)
	case v.Kind() == reflect.String:
		return strings.ToValidUTF8(v.String(), "\uFFFD")
	case v.Kind() == reflect.Bool:
		return v.Bool()
	case v.CanInt():
		return wireInt(v.Int())
	case v.CanFloat():
		if f := v.Float(); !math.IsInf(f, 0) && !math.IsNaN(f) {
			return wireFloat(f)
		}
		return nil
	}
	panic("stages: no JSON form of a " + v.Type().String())
}

func (e *encoder) structure(v reflect.Value) any {
	o := &object{}
	for i, f := range fieldsOf(v.Type()) {
		if f.fn || f.omit && isEmpty(v.Field(i)) {
			continue
		}
		o.set(f.name, e.value(v.Field(i)))
	}
	return o
}

func isEmpty(v reflect.Value) bool {
	if l, ok := v.Interface().(interface{ Len() int }); ok {
		return l.Len() == 0
	}
	return v.IsZero()
}

// fieldOf is a field of a struct in the JSON form.
type fieldOf struct {
	name string
	omit bool // when it is empty
	fn   bool // a function, which does not travel
}

var fieldsByType sync.Map // reflect.Type to []fieldOf

// fieldsOf are the fields of a struct, by their index. The name is that of the json tag if there is one.
func fieldsOf(t reflect.Type) []fieldOf {
	if f, ok := fieldsByType.Load(t); ok {
		fields, _ := f.([]fieldOf)
		return fields
	}
	out := make([]fieldOf, t.NumField())
	for i := range out {
		f := t.Field(i)
		name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			name = wireName(f.Name)
		}
		out[i] = fieldOf{name, strings.HasPrefix(opts, "omit"), f.Type.Kind() == reflect.Func}
	}
	fieldsByType.Store(t, out)
	return out
}

func (l List[T]) toWire(e *encoder) any {
	out := make([]any, len(l.items))
	for i := range l.items {
		out[i] = e.value(reflect.ValueOf(&l.items[i]).Elem())
	}
	return out
}

func (m Map[V]) toWire(e *encoder) any {
	o := &object{}
	entries := m.get()
	for k := range m.All() {
		v := entries[k]
		o.set(strings.ToValidUTF8(k, "\uFFFD"), e.value(reflect.ValueOf(&v).Elem()))
	}
	return o
}

func (o Optional[T]) toWire(e *encoder) any {
	if !o.set {
		return nil
	}
	return e.value(reflect.ValueOf(&o.value).Elem())
}

func (h History) toWire(e *encoder) any { return h.Messages().toWire(e) }

// toWire gives the value that the text stands for. A string is the text itself: one that is no JSON, or nested too deep,
// or is a string or null.
func (j JSON) toWire(*encoder) any {
	if j == "" {
		return nil
	}
	n, err := parse([]byte(j), MaxWireFreeDepth, false)
	if _, isText := n.(string); err != nil || n == nil || isText {
		return strings.ToValidUTF8(string(j), "\uFFFD")
	}
	return n
}

func (r Ruling) toWire(*encoder) any {
	if r > Fail {
		r = Unknown
	}
	return r.String()
}

// freeTree is the tree of a value of any type.
func freeTree(v any) (n any) {
	cannot := func() any {
		o := &object{}
		o.set("cannot_travel", strings.ToValidUTF8(reflect.TypeOf(v).String(), "\uFFFD"))
		return o
	}
	defer func() { // methods of foreign types are called
		if recover() != nil {
			n = cannot()
		}
	}()
	b, err := json.Marshal(v)
	if err == nil {
		n, err = parse(b, MaxWireFreeDepth, false)
	}
	if err != nil {
		return cannot()
	}
	return canonical(n)
}

// canonical writes all numbers that are no plain integers in the one way in which freeValue has them written again.
func canonical(n any) any {
	switch n := n.(type) {
	case json.Number:
		if f, err := n.Float64(); err == nil && strings.ContainsAny(n.String(), ".eE") {
			return wireFloat(f)
		}
	case []any:
		for i := range n {
			n[i] = canonical(n[i])
		}
	case *object:
		for i := range n.members {
			n.members[i].value = canonical(n.members[i].value)
		}
	}
	return n
}

// wireFloat writes a finite number as encoding/json does.
func wireFloat(f float64) json.Number {
	b, _ := json.Marshal(f)
	return json.Number(b)
}
