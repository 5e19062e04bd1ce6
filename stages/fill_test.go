package stages

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
	"unsafe"
)

// note is an Action for tests.
type note struct{ text string }

func (n note) Kind() string { return "note" }
func (n note) Name() string { return n.text }
func (n note) Messages() ([]Message, error) {
	return []Message{{Role: RoleUser, Text: n.text}}, nil
}

// filler makes values in which nothing is zero, and no two of a kind are equal.
type filler struct{ n int }

func (f *filler) next() int { f.n++; return f.n }

func (f *filler) text() string { return fmt.Sprintf("text %d", f.next()) }

func filled[T any](f *filler) (v T) {
	f.fill(reflect.ValueOf(&v).Elem())
	return v
}

// special makes what is not just filled field by field.
var special map[reflect.Type]func(f *filler) any

func init() {
	special = map[reflect.Type]func(f *filler) any{
		reflect.TypeFor[Action]():    func(f *filler) any { return note{f.text()} },
		reflect.TypeFor[Strategy]():  func(f *filler) any { return NamedStrategy(f.text(), filled[Map[any]](f)) },
		reflect.TypeFor[error]():     func(f *filler) any { return errors.New(f.text()) },
		reflect.TypeFor[time.Time](): func(f *filler) any { return time.Unix(int64(f.next()), 0).UTC() },
		reflect.TypeFor[History](): func(f *filler) any {
			return NewHistory(filled[Message](f), filled[Message](f), filled[Message](f)).Tail(2)
		},
		reflect.TypeFor[any](): func(f *filler) any {
			return map[string]any{
				"deep":  []any{f.text(), map[string]any{"deeper": []string{f.text()}}},
				"typed": []any{map[string]float64{f.text(): 1}, []int{f.next()}, map[int][]float64{f.next(): {1}}, []map[string][]any{{f.text(): {[]int{1}}}}},
			}
		},
	}
}

func (f *filler) fill(v reflect.Value) {
	if !v.CanSet() { // an unexported field
		v = reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Elem()
	}
	if build := special[v.Type()]; build != nil {
		v.Set(reflect.ValueOf(build(f)))
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(f.next()))
	case reflect.Uint8:
		v.SetUint(uint64(f.next()%2 + 1))
	case reflect.Float64:
		v.SetFloat(float64(f.next()))
	case reflect.String:
		v.SetString(f.text())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 8))
		f.fill(v.Index(0))
		f.fill(v.Index(1))
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		f.fill(key)
		f.fill(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i))
		}
	case reflect.Func:
		v.Set(reflect.MakeFunc(v.Type(), func([]reflect.Value) []reflect.Value {
			var out []reflect.Value
			for t := range v.Type().Outs() {
				out = append(out, reflect.Zero(t))
			}
			return out
		}))
	default:
		panic("cannot fill a " + v.Type().String())
	}
}

// dump writes down everything that can be reached from v, unexported fields and spare capacity too.
func dump(v reflect.Value) string {
	var b strings.Builder
	dumpTo(&b, v)
	return b.String()
}

func dumpTo(b *strings.Builder, v reflect.Value) {
	if !v.IsValid() {
		b.WriteString("nil")
		return
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		b.WriteString("&")
		dumpTo(b, v.Elem())
	case reflect.Struct:
		b.WriteString(v.Type().Name() + "{")
		for i := range v.NumField() {
			b.WriteString(v.Type().Field(i).Name + ":")
			dumpTo(b, v.Field(i))
			b.WriteString(" ")
		}
		b.WriteString("}")
	case reflect.Slice:
		fmt.Fprintf(b, "%d[", v.Len())
		for i := range v.Cap() {
			dumpTo(b, v.Slice(0, v.Cap()).Index(i))
			b.WriteString(" ")
		}
		b.WriteString("]")
	case reflect.Map:
		entries := map[string]string{}
		for k, e := range v.Seq2() {
			entries[dump(k)] = dump(e)
		}
		for _, k := range slices.Sorted(maps.Keys(entries)) {
			b.WriteString(k + "=" + entries[k] + " ")
		}
	case reflect.Func, reflect.Chan:
		fmt.Fprint(b, v.Pointer())
	default:
		fmt.Fprint(b, v)
	}
}
