package cache

import (
	"encoding/binary"
	"io"
	"maps"
	"math"
	"reflect"
	"slices"
)

// encoder writes values so that no two different sequences of them give the same bytes: what has a length is preceded by
// it, and what has a type of its own by that.
type encoder struct {
	to     io.Writer // a hash, which does not fail
	opaque bool      // there was something of which nobody knows when it is the same
	n      int
	buf    [1024]byte
}

// maxDepth is how deep options may be nested.
const maxDepth = 32

func (e *encoder) flush() {
	_, _ = e.to.Write(e.buf[:e.n])
	e.n = 0
}

func (e *encoder) byte(b byte) {
	if e.n == len(e.buf) {
		e.flush()
	}
	e.buf[e.n] = b
	e.n++
}

func (e *encoder) bool(b bool) {
	if b {
		e.byte(1)
		return
	}
	e.byte(0)
}

func (e *encoder) uint(u uint64) {
	var b [8]byte
	for _, x := range binary.BigEndian.AppendUint64(b[:0], u) {
		e.byte(x)
	}
}

func (e *encoder) int(i int64)     { e.uint(uint64(i)) } //nolint:gosec // the same bits
func (e *encoder) float(f float64) { e.uint(math.Float64bits(f)) }

func (e *encoder) text(s string) {
	e.uint(uint64(len(s)))
	for s != "" {
		if e.n == len(e.buf) {
			e.flush()
		}
		n := copy(e.buf[e.n:], s)
		e.n += n
		s = s[n:]
	}
}

// any writes an option of a backend's own, with its type.
func (e *encoder) any(v any) { e.value(reflect.ValueOf(v), maxDepth) }

func (e *encoder) value(v reflect.Value, depth int) {
	if v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if !v.IsValid() {
		e.text("")
		return
	}
	if depth == 0 {
		e.opaque = true
		return
	}
	t := v.Type()
	e.text(t.PkgPath())
	e.text(t.String())
	switch v.Kind() {
	case reflect.Bool:
		e.bool(v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		e.int(v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		e.uint(v.Uint())
	case reflect.Float32, reflect.Float64:
		e.float(v.Float())
	case reflect.String:
		e.text(v.String())
	case reflect.Slice, reflect.Array:
		e.int(int64(v.Len()))
		for i := range v.Len() {
			e.value(v.Index(i), depth-1)
		}
	case reflect.Map:
		e.entries(v, depth-1)
	default: // a pointer, a struct or a function
		e.opaque = true
	}
}

// entries writes a map with keys of text, sorted.
func (e *encoder) entries(v reflect.Value, depth int) {
	if v.Type().Key().Kind() != reflect.String {
		e.opaque = true
		return
	}
	by := make(map[string]reflect.Value, v.Len())
	for k, x := range v.Seq2() {
		by[k.String()] = x
	}
	e.int(int64(len(by)))
	for _, k := range slices.Sorted(maps.Keys(by)) {
		e.text(k)
		e.value(by[k], depth)
	}
}
