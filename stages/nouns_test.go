package stages

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
)

func messages(n int) (out []Message) {
	for i := range n {
		out = append(out, Message{Role: RoleUser, Text: fmt.Sprint(i)})
	}
	return out
}

func texts(h History) (out []string) {
	for _, m := range h.All() {
		out = append(out, m.Text)
	}
	return out
}

func TestHistory(t *testing.T) {
	h := NewHistory(messages(4)...)
	for _, tc := range []struct {
		name string
		h    History
		want []string
	}{
		{"empty", History{}, nil},
		{"all", h, []string{"0", "1", "2", "3"}},
		{"tail", h.Tail(2), []string{"2", "3"}},
		{"tail of none", h.Tail(0), nil},
		{"negative tail", h.Tail(-1), nil},
		{"tail longer than all", h.Tail(9), []string{"0", "1", "2", "3"}},
		{"append to a tail", h.Tail(1).Append(Message{Text: "x"}), []string{"3", "x"}},
		{"append to a tail of none", h.Tail(0).Append(Message{Text: "x"}), []string{"x"}},
		{"append to one past does not show in another", h.Append(Message{Text: "a"}).Append(Message{Text: "b"}), []string{"0", "1", "2", "3", "a", "b"}},
		{"and its twin", h.Append(Message{Text: "c"}), []string{"0", "1", "2", "3", "c"}},
		{"append of nothing", h.Append(), []string{"0", "1", "2", "3"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := texts(tc.h); !slices.Equal(got, tc.want) || tc.h.Len() != len(tc.want) {
				t.Errorf("got %v of length %d, want %v", got, tc.h.Len(), tc.want)
			}
			if m, ok := tc.h.Last(); ok != (len(tc.want) > 0) || ok && m.Text != tc.want[len(tc.want)-1] {
				t.Errorf("last %v, %v", m, ok)
			}
			var back []string
			for i, m := range tc.h.Backward() {
				back = append(back, m.Text)
				if m.Text != tc.want[i] {
					t.Errorf("message %d is %s", i, m.Text)
				}
			}
			if len(back) != len(tc.want) {
				t.Errorf("backward %v", back)
			}
			b, err := json.Marshal(tc.h)
			var again History
			if err := json.Unmarshal(b, &again); err != nil || !slices.Equal(texts(again), tc.want) {
				t.Errorf("read back from JSON: %v, %v", texts(again), err)
			}
			if err != nil || again.Tokens() != tc.h.Tokens() {
				t.Errorf("a view has %d tokens, the same messages alone %d, error %v", tc.h.Tokens(), again.Tokens(), err)
			}
		})
	}
	if !h.Same(h.Append()) || !h.Tail(4).Same(h) || h.Tail(3).Same(h) || !h.Tail(0).Same(History{}) || NewHistory(messages(4)...).Same(h) {
		t.Error("Same is wrong")
	}
}

func TestHistoryGrowsInConstantTime(t *testing.T) {
	long, m := NewHistory(messages(10_000)...), Message{Text: "x"}
	var sink History
	if n := testing.AllocsPerRun(100, func() { sink = long.Append(m) }); n > 1 {
		t.Errorf("Append to a long history: %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { sink = long.Tail(5000) }); n > 0 {
		t.Errorf("Tail: %v allocations", n)
	}
	_ = sink
}

func TestLastTurn(t *testing.T) {
	user, tool := Message{Role: RoleUser, Text: "u"}, Message{Role: RoleTool, Text: "t"}
	first, second := Message{Role: RoleAssistant, Text: "1"}, Message{Role: RoleAssistant, Text: "2"}
	for _, tc := range []struct {
		name    string
		h       History
		in, out string
	}{
		{"empty", History{}, "", ""},
		{"answered", NewHistory(user, first), "u", "1"},
		{"with a tool", NewHistory(user, first, tool, second), "u", "2"},
		{"not answered yet", NewHistory(user, first, Message{Role: RoleUser, Text: "again"}), "again", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := tc.h.LastTurn(); got.Input.Text != tc.in || got.Output.Text != tc.out {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestTokens(t *testing.T) {
	m := Message{Text: "12345678", ToolCalls: ListOf(ToolCall{Name: "four", Arguments: `{"a":1}`})}
	if got := NewHistory(m).Tokens(); got != 4+5 {
		t.Errorf("got %d", got)
	}
	if got := NewHistory(m, m, m).Tail(2).Tokens(); got != 2*9 {
		t.Errorf("of a tail: %d", got)
	}
}

func TestList(t *testing.T) {
	in := []int{1, 2, 3}
	l := ListOf(in...)
	in[0] = 9
	l.Slice()[1] = 9
	twice := l.Map(func(n int) int { return 2 * n })
	a, b := l.Append(4), l.Append(5)
	for _, tc := range []struct {
		name string
		l    List[int]
		want []int
	}{
		{"shares nothing with what it was made of or gave away", l, []int{1, 2, 3}},
		{"mapped", twice, []int{2, 4, 6}},
		{"appended", a, []int{1, 2, 3, 4}},
		{"appended otherwise", b, []int{1, 2, 3, 5}},
		{"appended nothing", l.Append(), []int{1, 2, 3}},
		{"empty", ListOf[int](), nil},
		{"empty, mapped", ListOf[int]().Map(func(int) int { return 1 }), nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if !slices.Equal(tc.l.Slice(), tc.want) || tc.l.Len() != len(tc.want) {
				t.Errorf("got %v", tc.l.Slice())
			}
			for i, n := range tc.l.All() {
				if n != tc.want[i] || tc.l.At(i) != n {
					t.Errorf("item %d is %d", i, n)
				}
			}
		})
	}
}

func TestMap(t *testing.T) {
	in := map[string]any{"b": []any{"x"}, "a": 1}
	m := MapOf(in)
	in["c"], in["b"].([]any)[0] = 3, "spoilt"
	m.Clone()["a"] = 2
	if v, ok := m.Get("b"); !ok || v.([]any)[0] != "x" || m.Len() != 2 {
		t.Errorf("got %v, %v", v, ok)
	}
	var keys []string
	for k := range m.All() {
		keys = append(keys, k)
	}
	if !slices.Equal(keys, []string{"a", "b"}) {
		t.Errorf("keys %v", keys)
	}
	for k := range m.All() {
		if k != "a" {
			t.Error("the loop went on")
		}
		break
	}
	n := m.With("a", 5).Without("b").Without("nothing")
	if v, _ := n.Get("a"); v != 5 || n.Len() != 1 || m.Len() != 2 {
		t.Errorf("got %v", n.Clone())
	}
	var empty Map[string]
	if e := empty.With("k", "v"); e.Len() != 1 || empty.Len() != 0 || empty.Without("k") != empty || empty.Clone() == nil {
		t.Error("the empty map is wrong")
	}
	if MapOf(map[string]int{}) != (Map[int]{}) {
		t.Error("a map of nothing is not the zero value")
	}
}

func TestCloneValue(t *testing.T) {
	for _, tc := range []struct {
		name  string
		v     any
		spoil func(any)
	}{
		{"map", map[string]any{"k": map[string]any{"k": 1}}, func(v any) { v.(map[string]any)["k"].(map[string]any)["k"] = 2 }},
		{"map of strings", map[string]string{"k": "v"}, func(v any) { v.(map[string]string)["k"] = "w" }},
		{"slice", []any{[]any{1}}, func(v any) { v.([]any)[0].([]any)[0] = 2 }},
		{"strings", []string{"a"}, func(v any) { v.([]string)[0] = "b" }},
		{"bytes", []byte("a"), func(v any) { v.([]byte)[0] = 'b' }},
		{"raw JSON", json.RawMessage("1"), func(v any) { v.(json.RawMessage)[0] = '2' }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want := fmt.Sprint(tc.v)
			m := Map[any]{}.With("k", tc.v)
			got, _ := m.Get("k")
			tc.spoil(got)
			if again, _ := m.Get("k"); fmt.Sprint(again) != want {
				t.Error("a value that was handed out reaches the inside")
			}
			tc.spoil(tc.v)
			if again, _ := m.Get("k"); fmt.Sprint(again) != want {
				t.Error("a value that was handed in reaches the inside")
			}
		})
	}
}

func TestModelOptions(t *testing.T) {
	base := ModelOptions{Temperature: Some(0.7), MaxTokens: Some(100), Stop: ListOf("END"), Extra: MapOf(map[string]any{"a": 1, "b": 1})}
	got := base.Merge(ModelOptions{Temperature: Some(0.0), Seed: Some[int64](7), Extra: MapOf(map[string]any{"b": 2})})
	if v, ok := got.Temperature.Get(); !ok || v != 0 {
		t.Error("a zero is a setting too")
	}
	if got.MaxTokens.Or(1) != 100 || got.Seed.Or(1) != 7 || got.TopP.Or(0.5) != 0.5 || got.Stop.At(0) != "END" {
		t.Errorf("got %+v", got)
	}
	if fmt.Sprint(got.Extra.Clone()) != "map[a:1 b:2]" || base.Extra.Len() != 2 {
		t.Errorf("extra %v", got.Extra.Clone())
	}
	if got = got.Merge(ModelOptions{Stop: ListOf("x")}); got.Stop.At(0) != "x" || got.Stop.Len() != 1 {
		t.Errorf("stop %v", got.Stop.Slice())
	}
}

func TestJSONForms(t *testing.T) {
	for _, tc := range []struct {
		name string
		v    any
		want string
	}{
		{"message", Message{Role: RoleUser, Text: "hi"}, `{"role":"user","text":"hi"}`},
		{"tool call", ToolCall{Name: "f", Arguments: `{"a": 1}`}, `{"name":"f","arguments":{"a":1}}`},
		{"tool call with broken arguments", ToolCall{Name: "f", Arguments: `{"a`}, `{"name":"f","arguments":"{\"a"}`},
		{"no options", ModelOptions{}, `{}`},
		{"options", ModelOptions{Temperature: Some(0.0), Stop: ListOf("x"), Extra: MapOf(map[string]any{"k": 1})}, `{"temperature":0,"stop":["x"],"extra":{"k":1}}`},
		{"output", Output{Text: "x", Usage: Usage{OutputTokens: 2}}, `{"text":"x","usage":{"input_tokens":0,"output_tokens":2}}`},
		{"verdict", Verdict{Ruling: Fail, Reason: "why"}, `{"ruling":"fail","reason":"why"}`},
		{"requirement", Requirement{Description: "short"}, `{"description":"short"}`},
		{"empty list", List[int]{}, `[]`},
		{"empty map", Map[int]{}, `{}`},
		{"open setting", Optional[int]{}, `null`},
		{"nothing", JSON(""), `null`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b, err := json.Marshal(tc.v)
			if err != nil || string(b) != tc.want {
				t.Errorf("got %s, %v, want %s", b, err, tc.want)
			}
			if _, ok := tc.v.(Verdict); ok { // written for logs, never read
				return
			}
			again := reflect.New(reflect.TypeOf(tc.v))
			if err := json.Unmarshal(b, again.Interface()); err != nil {
				t.Fatal(err)
			}
			if b2, err := json.Marshal(again.Elem().Interface()); err != nil || string(b2) != tc.want {
				t.Errorf("read back: %s, %v", b2, err)
			}
			if err := json.Unmarshal([]byte(`"`), again.Interface()); err == nil {
				t.Error("read what is no JSON")
			}
		})
	}
	for _, v := range []any{new(List[int]), new(Map[int]), new(Optional[int]), new(History)} {
		if err := json.Unmarshal([]byte(`"wrong"`), v); err == nil {
			t.Errorf("%T reads a string", v)
		}
	}
}

func TestSmallNouns(t *testing.T) {
	m := Message{Role: RoleAssistant, ToolCalls: ListOf(ToolCall{Name: "f"}), Images: ListOf(Image{URL: "u"})}
	same := Message{Role: RoleAssistant, ToolCalls: ListOf(ToolCall{Name: "f"}), Images: ListOf(Image{URL: "u"})}
	if !m.Equal(same) || m.Equal(Message{Role: RoleAssistant}) {
		t.Error("Message.Equal is wrong")
	}
	if got := (Output{Text: "x", ToolCalls: m.ToolCalls}).Message(); got.Role != RoleAssistant || got.Text != "x" || got.ToolCalls.Len() != 1 {
		t.Errorf("got %+v", got)
	}
	if got := (Usage{1, 2, 3}).Add(Usage{10, 20, 30}); got != (Usage{11, 22, 33}) || got.Total() != 44 {
		t.Errorf("got %+v", got)
	}
	if (Requirement{Name: "n", Description: "d"}).String() != "n" || (Requirement{Description: "d"}).String() != "d" {
		t.Error("Requirement.String is wrong")
	}
	if Pass.String()+Fail.String()+Unknown.String()+Ruling(9).String() != "passfailunknowninvalid" {
		t.Error("Ruling.String is wrong")
	}
	if (Verdict{}).Passed() || !(Attempt{}).Passed() || (Attempt{Findings: ListOf(Finding{})}).Passed() ||
		(Attempt{Err: errors.New("down")}).Passed() {
		t.Error("unknown is no pass, and nothing to check is one")
	}
	if s := NamedStrategy("n", Map[any]{}.With("k", 1)); s.Name() != "n" || s.Settings().Len() != 1 {
		t.Error("NamedStrategy is wrong")
	}
	if sameValue[any](map[string]int{}, map[string]int{}) {
		t.Error("what cannot be compared counts as different")
	}
}
