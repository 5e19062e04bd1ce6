package stages

import (
	"encoding/json"
	"iter"
	"maps"
	"reflect"
	"slices"
)

// Map is a map with string keys that cannot be changed. The zero value is empty and copying a Map is free. Values that
// are maps or slices, of whatever type, are copied on the way in and out, with the maps and slices in them; what a pointer
// leads to, and what is in a struct or an array, is shared and must be left alone by whoever gets it. Safe for concurrent
// use.
type Map[V any] struct{ entries *map[string]V }

// MapOf makes a Map of a copy of m.
func MapOf[V any](m map[string]V) Map[V] {
	if len(m) == 0 {
		return Map[V]{}
	}
	return newMap(cloneMap(m))
}

// newMap takes entries over.
func newMap[V any](entries map[string]V) Map[V] { return Map[V]{&entries} }

// get is the map inside, nil in an empty Map.
func (m Map[V]) get() map[string]V {
	if m.entries == nil {
		return nil
	}
	return *m.entries
}

// Len is the number of entries.
func (m Map[V]) Len() int { return len(m.get()) }

// Get is the value of key, and whether there is one.
func (m Map[V]) Get(key string) (V, bool) {
	v, ok := m.get()[key]
	return cloneValue(v), ok
}

// All yields the entries, sorted by key.
func (m Map[V]) All() iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		entries := m.get()
		if len(entries) == 0 { // sorting none takes memory too
			return
		}
		for _, k := range slices.Sorted(maps.Keys(entries)) {
			if !yield(k, cloneValue(entries[k])) {
				return
			}
		}
	}
}

// Clone is a copy as a plain map, never nil.
func (m Map[V]) Clone() map[string]V { return cloneMap(m.get()) }

// With gives a new Map in which key has the value v.
func (m Map[V]) With(key string, v V) Map[V] {
	entries := maps.Clone(m.get())
	if entries == nil {
		entries = map[string]V{}
	}
	entries[key] = cloneValue(v)
	return newMap(entries)
}

// Without gives a new Map that lacks key.
func (m Map[V]) Without(key string) Map[V] {
	if _, ok := m.get()[key]; !ok {
		return m
	}
	entries := maps.Clone(m.get())
	delete(entries, key)
	return newMap(entries)
}

// MarshalJSON gives an object, never null.
func (m Map[V]) MarshalJSON() ([]byte, error) {
	if m.Len() == 0 {
		return []byte("{}"), nil
	}
	return json.Marshal(*m.entries)
}

// UnmarshalJSON reads an object into m, and leaves alone what m held before and may share.
func (m *Map[V]) UnmarshalJSON(b []byte) error {
	var entries map[string]V
	if err := json.Unmarshal(b, &entries); err != nil {
		return err
	}
	*m = newMap(entries)
	return nil
}

func cloneMap[V any](m map[string]V) map[string]V {
	out := make(map[string]V, len(m))
	for k, v := range m {
		out[k] = cloneValue(v)
	}
	return out
}

func cloneValue[V any](v V) V {
	switch x := any(v).(type) {
	case map[string]any:
		v, _ = any(cloneMap(x)).(V)
	case map[string]string:
		v, _ = any(maps.Clone(x)).(V)
	case []any:
		out := slices.Clone(x)
		for i := range out {
			out[i] = cloneValue(out[i])
		}
		v, _ = any(out).(V)
	case []string:
		v, _ = any(slices.Clone(x)).(V)
	case []byte:
		v, _ = any(slices.Clone(x)).(V)
	case json.RawMessage:
		v, _ = any(slices.Clone(x)).(V)
	case nil, string, bool, int, float64:
	default:
		if r := reflect.ValueOf(x); r.Kind() == reflect.Map || r.Kind() == reflect.Slice {
			v, _ = cloneReflected(r).Interface().(V)
		}
	}
	return v
}

// cloneReflected is cloneValue for maps and slices of other types than the usual ones.
func cloneReflected(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.Interface:
		if v.IsNil() {
			return v
		}
		return reflect.ValueOf(cloneValue(v.Interface()))
	case reflect.Map:
		if v.IsNil() {
			return v
		}
		out := reflect.MakeMapWithSize(v.Type(), v.Len())
		for k, e := range v.Seq2() {
			out.SetMapIndex(k, cloneReflected(e))
		}
		return out
	case reflect.Slice:
		if v.IsNil() {
			return v
		}
		out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		switch v.Type().Elem().Kind() {
		case reflect.Interface, reflect.Map, reflect.Slice:
			for i := range v.Len() {
				out.Index(i).Set(cloneReflected(v.Index(i)))
			}
		default:
			reflect.Copy(out, v)
		}
		return out
	}
	return v
}
