package chaintest

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// shot is a picture of a value and everything that it reaches, as lines of path and contents.
type shot []pictured

type pictured struct{ path, value string }

// root is the path of the payload itself, which is looked into even if it is a context too.
const root = "payload"

// maxPictured bounds a picture: a payload that reaches more is compared so far.
const maxPictured = 100_000

var (
	contextType = reflect.TypeFor[context.Context]()
	timeType    = reflect.TypeFor[time.Time]()
	typeType    = reflect.TypeFor[reflect.Type]()
)

// snapshot pictures v, unexported fields included. Of contexts, functions and channels, which have no contents to speak
// of, only the identity counts; of what sync and sync/atomic declare, which is made to be changed in place, nothing.
func snapshot(v any) shot {
	c := camera{seen: map[visit]bool{}}
	c.take(root, reflect.ValueOf(v))
	return c.shot
}

// visit is a pointer on the way to what is pictured. The type is part of it: a struct and its first field share an address.
type visit struct {
	at uintptr
	t  reflect.Type
	n  int
}

type camera struct {
	shot shot
	seen map[visit]bool
}

func (c *camera) add(path, format string, a ...any) {
	c.shot = append(c.shot, pictured{path, fmt.Sprintf(format, a...)})
}

// again says that what a pointer leads to is pictured already, under another path or further up in a cycle.
func (c *camera) again(v reflect.Value, n int) bool {
	at := visit{v.Pointer(), v.Type(), n}
	was := c.seen[at]
	c.seen[at] = true
	return was
}

func (c *camera) take(path string, v reflect.Value) {
	if len(c.shot) >= maxPictured {
		return
	}
	if !v.IsValid() {
		c.add(path, "nil")
		return
	}
	switch t := v.Type(); {
	case t.PkgPath() == "sync", t.PkgPath() == "sync/atomic":
		return
	case t == timeType: // not into the time zone
		c.add(path, "%d %d %#x", v.Field(0).Uint(), v.Field(1).Int(), v.Field(2).Pointer())
		return
	case path != root && t.Kind() != reflect.Interface && (t.Implements(contextType) || t.Implements(typeType)):
		at := uintptr(0)
		if t.Kind() == reflect.Pointer {
			at = v.Pointer()
		}
		c.add(path, "%v %#x", t, at)
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		c.add(path, "%t", v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		c.add(path, "%d", v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		c.add(path, "%d", v.Uint())
	case reflect.Float32, reflect.Float64:
		c.add(path, "%v", v.Float())
	case reflect.Complex64, reflect.Complex128:
		c.add(path, "%v", v.Complex())
	case reflect.String:
		c.add(path, "%q", v.String())
	case reflect.Func, reflect.Chan, reflect.UnsafePointer:
		c.add(path, "%#x", v.Pointer())
	case reflect.Interface:
		c.take(path, v.Elem())
	case reflect.Pointer:
		c.pointer(path, v)
	case reflect.Struct:
		for i := range v.NumField() {
			c.take(path+"."+v.Type().Field(i).Name, v.Field(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			c.take(fmt.Sprintf("%s[%d]", path, i), v.Index(i))
		}
	case reflect.Slice:
		c.slice(path, v)
	case reflect.Map:
		c.mapping(path, v)
	}
}

func (c *camera) pointer(path string, v reflect.Value) {
	c.add(path, "pointer %#x", v.Pointer())
	if !v.IsNil() && !c.again(v, 0) {
		c.take(path, v.Elem())
	}
}

func (c *camera) slice(path string, v reflect.Value) {
	c.add(path, "slice of %d at %#x", v.Len(), v.Pointer())
	if c.again(v, v.Len()) {
		return
	}
	if v.Type().Elem().Kind() == reflect.Uint8 {
		c.add(path, "%x", v.Bytes())
		return
	}
	for i := range v.Len() {
		c.take(fmt.Sprintf("%s[%d]", path, i), v.Index(i))
	}
}

// mapping pictures a map in the order of its keys' pictures.
func (c *camera) mapping(path string, v reflect.Value) {
	c.add(path, "map of %d at %#x", v.Len(), v.Pointer())
	if v.IsNil() || c.again(v, 0) {
		return
	}
	type entry struct {
		key   string
		value reflect.Value
	}
	var entries []entry
	for iter := v.MapRange(); iter.Next(); {
		k := camera{seen: map[visit]bool{}}
		k.take("", iter.Key())
		entries = append(entries, entry{k.shot.text(), iter.Value()})
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	for _, e := range entries {
		c.take(fmt.Sprintf("%s[%s]", path, e.key), e.value)
	}
}

func (s shot) text() string {
	var b strings.Builder
	for i, p := range s {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(p.path + p.value)
	}
	return b.String()
}

// change says where a later picture differs first, or "".
func (s shot) change(later shot) string {
	for i, was := range s {
		switch {
		case i >= len(later):
			return fmt.Sprintf("%s was %s and is gone", was.path, was.value)
		case was.path != later[i].path:
			return fmt.Sprintf("%s is now %s", later[i].path, later[i].value)
		case was.value != later[i].value:
			return fmt.Sprintf("%s was %s and is now %s", was.path, was.value, later[i].value)
		}
	}
	if len(later) > len(s) {
		return fmt.Sprintf("%s is now %s", later[len(s)].path, later[len(s)].value)
	}
	return ""
}
