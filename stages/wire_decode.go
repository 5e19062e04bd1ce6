package stages

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// wireReader is a type with a form of its own. The live value is what is there now, or the zero reflect.Value.
type wireReader interface {
	fromWire(d *decoder, n any, live reflect.Value) error
}

// decoder reads trees into values. Where it is given a live value too, all that the tree leaves as it is stays the live
// one, with what cannot travel.
type decoder struct {
	strict bool     // unknown names are errors, and so are tools that are not there
	path   []string // to where it is
}

func (d *decoder) errorf(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	if len(d.path) == 0 {
		return err
	}
	return fmt.Errorf("%s: %w", strings.Join(d.path, "."), err)
}

// in reads a value one level below. After an error the decoder is of no more use.
func (d *decoder) in(name string, n any, v, live reflect.Value) error {
	if len(name) > longName {
		name = strings.ToValidUTF8(name[:longName], "") + "..."
	}
	d.path = append(d.path, name)
	if err := d.value(n, v, live); err != nil {
		return err
	}
	d.path = d.path[:len(d.path)-1]
	return nil
}

// value reads a tree into v, which is zero.
func (d *decoder) value(n any, v, live reflect.Value) error {
	if live.IsValid() && sameTree((&encoder{}).value(live), n) {
		v.Set(live)
		return nil
	}
	if n == nil {
		return nil
	}
	switch v.Type() {
	case actionType, strategyType, errorType:
		return d.standIn(n, v)
	case anyType:
		v.Set(reflect.ValueOf(freeValue(n)))
		return nil
	}
	switch x := v.Addr().Interface().(type) {
	case wireReader:
		return x.fromWire(d, n, live)
	case encoding.TextUnmarshaler:
		s, ok := n.(string)
		if !ok {
			return d.wants("a string", n)
		}
		if len(s) > longName { // the error would have all of it
			return d.errorf("%s is too long", quote(s))
		}
		if err := x.UnmarshalText([]byte(s)); err != nil {
			return d.errorf("%s: %w", quote(s), err)
		}
		return nil
	}
	switch {
	case v.Kind() == reflect.Struct:
		return d.structure(n, v, live)
	case v.Kind() == reflect.String:
		s, ok := n.(string)
		if !ok {
			return d.wants("a string", n)
		}
		v.SetString(s)
	case v.Kind() == reflect.Bool:
		b, ok := n.(bool)
		if !ok {
			return d.wants("a boolean", n)
		}
		v.SetBool(b)
	case v.CanInt():
		i, err := wholeNumber(n)
		if err != nil {
			return d.errorf("%w", err)
		}
		v.SetInt(i)
	case v.CanFloat():
		num, ok := n.(json.Number)
		if !ok {
			return d.wants("a number", n)
		}
		f, err := num.Float64()
		if err != nil {
			return d.errorf("%.40s is too large", num)
		}
		v.SetFloat(f)
	default:
		return d.errorf("a %s cannot be read", v.Type())
	}
	return nil
}

func (d *decoder) wants(what string, n any) error {
	return d.errorf("want %s, got %s", what, kindOf(n))
}

func (d *decoder) structure(n any, v, live reflect.Value) error {
	o, ok := n.(*object)
	if !ok {
		return d.wants("an object", n)
	}
	fields := fieldsOf(v.Type())
	known := 0
	for i, f := range fields {
		of := reflect.Value{}
		if live.IsValid() {
			of = live.Field(i)
		}
		if f.fn {
			if of.IsValid() {
				v.Field(i).Set(of)
			}
			continue
		}
		if n, ok := o.get(f.name); ok {
			known++
			if err := d.in(f.name, n, v.Field(i), of); err != nil {
				return err
			}
		}
	}
	if d.strict && known < len(o.members) {
		return d.unknown(o, fields)
	}
	return nil
}

// unknown is about the first member that is no field.
func (d *decoder) unknown(o *object, fields []fieldOf) error {
	var names []string
	for _, f := range fields {
		if !f.fn {
			names = append(names, f.name)
		}
	}
	for _, m := range o.members {
		if !slices.Contains(names, m.key) {
			return d.errorf("no field is called %s%s", quote(m.key), suggest(m.key, names))
		}
	}
	return nil
}

// keyed is an item that a live one is found for by name.
type keyed interface{ wireKey() string }

func (r Requirement) wireKey() string { return r.String() }
func (c Callable) wireKey() string    { return c.Name }
func (f Finding) wireKey() string     { return f.Requirement.String() }

func (l *List[T]) fromWire(d *decoder, n any, live reflect.Value) error {
	items, ok := n.([]any)
	if !ok {
		return d.wants("an array", n)
	}
	if len(items) == 0 {
		return nil
	}
	old := newLiveItems[T](live)
	out := make([]T, len(items))
	for i, n := range items {
		d.path = append(d.path, strconv.Itoa(i))
		if n == nil {
			return d.errorf("there is no item")
		}
		if err := old.read(d, n, &out[i]); err != nil {
			return err
		}
		d.path = d.path[:len(d.path)-1]
	}
	l.items = out
	return nil
}

// liveItems are the items of a live List, to be found by name, each once.
type liveItems[T any] struct {
	items []T
	named map[string][]int // indices not taken yet; nil for items without a name
	names []string
}

func newLiveItems[T any](live reflect.Value) liveItems[T] {
	var l liveItems[T]
	if _, ok := any(*new(T)).(keyed); !ok {
		return l
	}
	l.named = map[string][]int{}
	if !live.IsValid() {
		return l
	}
	list, _ := live.Interface().(List[T])
	l.items = list.items
	for i, item := range l.items {
		name := nameOf(item)
		l.named[name] = append(l.named[name], i)
		l.names = append(l.names, name)
	}
	return l
}

func nameOf(item any) string {
	k, _ := item.(keyed)
	return strings.ToValidUTF8(k.wireKey(), "\uFFFD")
}

// take finds a live item and makes it unavailable.
func (l liveItems[T]) take(name string) *T {
	at := l.named[name]
	if len(at) == 0 {
		return nil
	}
	l.named[name] = at[1:]
	return &l.items[at[0]]
}

func (l liveItems[T]) read(d *decoder, n any, into *T) error {
	v := reflect.ValueOf(into).Elem()
	if l.named == nil {
		return d.value(n, v, reflect.Value{})
	}
	if name, ok := n.(string); ok {
		item := l.take(name)
		if item == nil {
			return d.noneCalled(name, l.names)
		}
		*into = *item
		return nil
	}
	if err := d.value(n, v, reflect.Value{}); err != nil { // to learn the name
		return err
	}
	item := l.take(nameOf(*into))
	if item == nil {
		if c, ok := any(into).(*Callable); ok {
			return c.arrive(d, l.names)
		}
		return nil
	}
	v.SetZero()
	return d.value(n, v, reflect.ValueOf(item).Elem())
}

func (d *decoder) noneCalled(name string, among []string) error {
	if slices.Contains(among, name) {
		return d.errorf("%s is there more often than before", quote(name))
	}
	return d.errorf("none is called %s%s", quote(name), suggest(name, among))
}

func (m *Map[V]) fromWire(d *decoder, n any, live reflect.Value) error {
	o, ok := n.(*object)
	if !ok {
		return d.wants("an object", n)
	}
	if len(o.members) == 0 {
		return nil
	}
	var old map[string]V
	if live.IsValid() {
		l, _ := live.Interface().(Map[V])
		old = l.get()
	}
	out := make(map[string]V, len(o.members))
	for _, x := range o.members {
		var v V
		of := reflect.Value{}
		if was, ok := old[x.key]; ok {
			of = reflect.ValueOf(&was).Elem()
		}
		if err := d.in(x.key, x.value, reflect.ValueOf(&v).Elem(), of); err != nil {
			return err
		}
		out[x.key] = v
	}
	*m = newMap(out)
	return nil
}

func (o *Optional[T]) fromWire(d *decoder, n any, _ reflect.Value) error {
	if err := d.value(n, reflect.ValueOf(&o.value).Elem(), reflect.Value{}); err != nil {
		return err
	}
	o.set = true
	return nil
}

func (h *History) fromWire(d *decoder, n any, live reflect.Value) error {
	var l List[Message]
	if err := l.fromWire(d, n, live); err != nil {
		return err
	}
	*h = NewHistory(l.items...)
	return nil
}

func (j *JSON) fromWire(d *decoder, n any, _ reflect.Value) error {
	if s, ok := n.(string); ok {
		*j = JSON(s)
		return nil
	}
	b, err := write(n)
	if err != nil {
		return d.errorf("%w", err)
	}
	*j = JSON(b)
	return nil
}

func (r *Ruling) fromWire(d *decoder, n any, _ reflect.Value) error {
	s, ok := n.(string)
	if !ok {
		return d.wants("a string", n)
	}
	var names []string
	for x := Unknown; x <= Fail; x++ {
		if x.String() == s {
			*r = x
			return nil
		}
		names = append(names, x.String())
	}
	return d.errorf("no ruling is called %s; there are %s", quote(s), strings.Join(names, ", "))
}

// freeValue is a tree as a value of no particular type: as encoding/json would decode it, but that an integer which a
// float64 cannot hold is a json.Number.
func freeValue(n any) any {
	switch n := n.(type) {
	case json.Number:
		f, err := n.Float64()
		if err != nil || !strings.ContainsAny(n.String(), ".eE") && wireFloat(f) != n {
			return n
		}
		return f
	case []any:
		out := make([]any, len(n))
		for i := range n {
			out[i] = freeValue(n[i])
		}
		return out
	case *object:
		out := make(map[string]any, len(n.members))
		for _, m := range n.members {
			out[m.key] = freeValue(m.value)
		}
		return out
	}
	return n
}
