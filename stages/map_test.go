package stages

import (
	"encoding/json"
	"reflect"
	"testing"
)

type (
	biases map[string]float64
	ids    []int
	hidden struct{ IDs []int }
)

// Maps and slices of any type are copied on the way in and out, as deep as they go.
func TestMapSharesNothing(t *testing.T) {
	for _, tc := range []struct {
		name  string
		value any
		spoil func(v any)
	}{
		{"map[string]float64", map[string]float64{"a": 1}, func(v any) { v.(map[string]float64)["a"] = 99 }},
		{"a named map", biases{"a": 1}, func(v any) { v.(biases)["a"] = 99 }},
		{"[]int", []int{1}, func(v any) { v.([]int)[0] = 99 }},
		{"a named slice", ids{1}, func(v any) { v.(ids)[0] = 99 }},
		{"json.RawMessage", json.RawMessage("1"), func(v any) { v.(json.RawMessage)[0] = '9' }},
		{"[][]string", [][]string{{"a"}}, func(v any) { v.([][]string)[0][0] = "z" }},
		{"[]map[string]any", []map[string]any{{"a": []int{1}}}, func(v any) { v.([]map[string]any)[0]["a"].([]int)[0] = 99 }},
		{"map[int]map[int][]int", map[int]map[int][]int{1: {2: {3}}}, func(v any) { v.(map[int]map[int][]int)[1][2][0] = 99 }},
		{"[]any of typed slices", []any{[]int{1}}, func(v any) { v.([]any)[0].([]int)[0] = 99 }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			same := func(m Map[any], when string) {
				t.Helper()
				got, _ := m.Get("k")
				if want := cloneOf(tc.value); !reflect.DeepEqual(got, want) {
					t.Errorf("%s: got %v, want %v", when, got, want)
				}
			}
			in := cloneOf(tc.value)
			m, with := MapOf(map[string]any{"k": in}), Map[any]{}.With("k", in)
			tc.spoil(in)
			same(m, "after a change of what went in")
			same(with, "after a change of what went in by With")
			out, _ := m.Get("k")
			tc.spoil(out)
			tc.spoil(m.Clone()["k"])
			for _, v := range m.All() {
				tc.spoil(v)
			}
			same(m, "after a change of what came out")
		})
	}
}

// cloneOf is a deep copy, made by nothing of the code under test.
func cloneOf(v any) any {
	src := reflect.ValueOf(v)
	switch src.Kind() {
	case reflect.Map:
		out := reflect.MakeMap(src.Type())
		for k, e := range src.Seq2() {
			out.SetMapIndex(k, reflect.ValueOf(cloneOf(e.Interface())))
		}
		return out.Interface()
	case reflect.Slice:
		out := reflect.MakeSlice(src.Type(), src.Len(), src.Len())
		for i := range src.Len() {
			out.Index(i).Set(reflect.ValueOf(cloneOf(src.Index(i).Interface())))
		}
		return out.Interface()
	}
	return v
}

// What stays as it is.
func TestMapValuesLeftAlone(t *testing.T) {
	p := &hidden{}
	for _, tc := range []struct {
		name  string
		value any
	}{
		{"a nil map", map[string]int(nil)},
		{"a nil slice", []int(nil)},
		{"nil", nil},
		{"a nil inside", []any{nil, map[string]any{"a": nil}}},
		{"a pointer", p},
		{"a struct", hidden{}},
		{"an empty slice", []int{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, ok := MapOf(map[string]any{"k": tc.value}).Get("k")
			if !ok || !reflect.DeepEqual(got, tc.value) {
				t.Errorf("got %#v, want %#v", got, tc.value)
			}
		})
	}
	if got, _ := MapOf(map[string]any{"k": p}).Get("k"); got != any(p) {
		t.Error("a pointer was not left alone")
	}
}
