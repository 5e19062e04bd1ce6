package cache

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/stages"
)

func newTest(tb testing.TB, s Settings) *Plugin {
	tb.Helper()
	s.Secret = []byte("0123456789abcdef")
	p, err := New(s)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// request is all that a key is made of, in a form that can be compared.
type request struct {
	Tenant, Name, Provider, Model string
	Options                       stages.ModelOptions
	Messages                      []stages.Message
	Tools                         []stages.Callable
	Format                        stages.Format
}

func (r request) generation() *stages.Generation {
	return stages.NewGeneration(stages.Meta{UserID: r.Tenant}, stages.GenerationFields{
		Messages: stages.ListOf(r.Messages...), ModelOptions: r.Options, Tools: stages.ListOf(r.Tools...), Format: r.Format,
		Backend: stages.Backend{Name: r.Name, Provider: r.Provider, Model: r.Model},
	})
}

func (p *Plugin) keyOf(tb testing.TB, r request) string {
	tb.Helper()
	key, ok := p.key(context.Background(), r.generation())
	if !ok {
		tb.Fatalf("no key for %+v", r)
	}
	return key
}

// Each field of a request counts, and nothing runs into its neighbour.
func TestKeyHasAll(t *testing.T) {
	t.Parallel()
	p := newTest(t, Settings{Sampled: true})
	base := func() request {
		return request{
			Tenant: "t", Name: "n", Provider: "p", Model: "m",
			Messages: []stages.Message{{Role: stages.RoleUser, Text: "ab", Name: "x"}, {Role: stages.RoleAssistant, Text: "c"}},
			Tools:    []stages.Callable{{Name: "f", Description: "g"}},
		}
	}
	call := stages.ListOf(stages.ToolCall{ID: "i", Name: "f", Arguments: "{}"})
	keys := map[string]string{p.keyOf(t, base()): "base"}
	for name, change := range map[string]func(*request){
		"tenant":           func(r *request) { r.Tenant = "u" },
		"backend":          func(r *request) { r.Name = "n2" },
		"provider":         func(r *request) { r.Provider = "" },
		"model":            func(r *request) { r.Model = "m2" },
		"name in provider": func(r *request) { r.Name, r.Provider = "np", "" },
		"temperature":      func(r *request) { r.Options.Temperature = stages.Some(0.5) },
		"temperature 0":    func(r *request) { r.Options.Temperature = stages.Some(0.0) },
		"temperature -0":   func(r *request) { r.Options.Temperature = stages.Some(math.Copysign(0, -1)) },
		"top_p":            func(r *request) { r.Options.TopP = stages.Some(0.5) },
		"max_tokens":       func(r *request) { r.Options.MaxTokens = stages.Some(0) },
		"seed":             func(r *request) { r.Options.Seed = stages.Some(int64(0)) },
		"stop":             func(r *request) { r.Options.Stop = stages.ListOf("a", "b") },
		"stop joined":      func(r *request) { r.Options.Stop = stages.ListOf("ab") },
		"stop empty":       func(r *request) { r.Options.Stop = stages.ListOf("") },
		"extra int":        func(r *request) { r.Options.Extra = stages.MapOf(map[string]any{"k": 1}) },
		"extra float":      func(r *request) { r.Options.Extra = stages.MapOf(map[string]any{"k": 1.0}) },
		"extra text":       func(r *request) { r.Options.Extra = stages.MapOf(map[string]any{"k": "1"}) },
		"extra nil":        func(r *request) { r.Options.Extra = stages.MapOf(map[string]any{"k": nil}) },
		"extra list":       func(r *request) { r.Options.Extra = stages.MapOf(map[string]any{"k": []any{1, []any{}}}) },
		"extra list 2":     func(r *request) { r.Options.Extra = stages.MapOf(map[string]any{"k": []any{[]any{1}}}) },
		"extra map":        func(r *request) { r.Options.Extra = stages.MapOf(map[string]any{"k": map[string]any{"a": 1}}) },
		"extra raw":        func(r *request) { r.Options.Extra = stages.MapOf(map[string]any{"k": json.RawMessage("1")}) },
		"extra bool":       func(r *request) { r.Options.Extra = stages.MapOf(map[string]any{"k": true}) },
		"text":             func(r *request) { r.Messages[0].Text = "b" },
		"text moved":       func(r *request) { r.Messages[0].Text, r.Messages[1].Text = "a", "bc" },
		"role":             func(r *request) { r.Messages[0].Role = stages.RoleSystem },
		"name":             func(r *request) { r.Messages[0].Name = "" },
		"name in text":     func(r *request) { r.Messages[0].Name, r.Messages[0].Text = "", "abx" },
		"one message less": func(r *request) { r.Messages = r.Messages[:1] },
		"order":            func(r *request) { r.Messages[0], r.Messages[1] = r.Messages[1], r.Messages[0] },
		"tool call":        func(r *request) { r.Messages[1].ToolCalls = call },
		"tool call id":     func(r *request) { r.Messages[1].ToolCallID = "i" },
		"image":            func(r *request) { r.Messages[0].Images = stages.ListOf(stages.Image{URL: "u"}) },
		"image bytes":      func(r *request) { r.Messages[0].Images = stages.ListOf(stages.Image{Base64: "u"}) },
		"tool":             func(r *request) { r.Tools = nil },
		"tool description": func(r *request) { r.Tools[0].Description = "h" },
		"tool parameters":  func(r *request) { r.Tools[0].Parameters = "{}" },
		"control flow":     func(r *request) { r.Tools[0].ControlFlow = true },
		"format":           func(r *request) { r.Format.Name = "f" },
		"schema":           func(r *request) { r.Format.Schema = "f" },
	} {
		r := base()
		change(&r)
		key := p.keyOf(t, r)
		if other, taken := keys[key]; taken {
			t.Errorf("%s has the key of %s", name, other)
		}
		keys[key] = name
	}
	if keys[p.keyOf(t, base())] != "base" {
		t.Error("the same request has two keys")
	}
	p.adapted()
	if _, taken := keys[p.keyOf(t, base())]; taken {
		t.Error("the adapters do not count")
	}
}

// What names a tenant is not taken for another kind of name.
func TestTenantsByKind(t *testing.T) {
	t.Parallel()
	m := stages.Meta{UserID: "x", SessionID: "x", Labels: stages.MapOf(map[string]string{"l": "x"})}
	g := stages.NewGeneration(m, stages.GenerationFields{Backend: stages.Backend{Model: "m"}})
	seen := map[string]bool{}
	for _, s := range []Settings{
		{},
		{Scope: ScopeSession},
		{Scope: ScopeShared},
		{Scope: "label:l"},
		{Tenant: func(context.Context, *stages.Generation) (string, bool) { return "x", true }},
	} {
		key, ok := newTest(t, s).key(t.Context(), g)
		if !ok || seen[key] {
			t.Errorf("scope %q: key %q, %t", s.Scope, key, ok)
		}
		seen[key] = true
	}
}

// FuzzKeys cuts two requests out of the same bytes at different places: they have one key only if they are one.
func FuzzKeys(f *testing.F) {
	f.Add("tenant", "a|b", "model", "hello", uint8(3), uint8(4))
	f.Add("a\x00b", "\x00\x00\x00\x00\x00\x00\x00\x01", "m", "\x1f|,\"}", uint8(1), uint8(2))
	f.Add("", "", "", strings.Repeat("x", 2000), uint8(0), uint8(255))
	p := newTest(f, Settings{})
	f.Fuzz(func(t *testing.T, tenant, name, model, text string, i, j uint8) {
		a, b := cutUp(tenant+name, model, text, int(i)), cutUp(tenant+name, model, text, int(j))
		x, y := a.json(t), b.json(t)
		if (p.keyOf(t, a) == p.keyOf(t, b)) != bytes.Equal(x, y) {
			t.Fatalf("keys do not tell apart\n%s\n%s", x, y)
		}
		b.Tenant += "'" // nobody gets into the place of another tenant
		if p.keyOf(t, a) == p.keyOf(t, b) {
			t.Fatalf("two tenants with one key: %s", x)
		}
	})
}

func (r request) json(tb testing.TB) []byte {
	tb.Helper()
	q := [][]byte{[]byte(r.Tenant), []byte(r.Name), []byte(r.Provider), []byte(r.Model), []byte(r.Format.Name), []byte(r.Format.Schema)}
	for _, s := range r.Options.Stop.All() {
		q = append(q, []byte("stop"), []byte(s))
	}
	for _, m := range r.Messages {
		q = append(q, []byte("message"), []byte(m.Role), []byte(m.Name), []byte(m.Text))
	}
	b, err := json.Marshal(q) // of bytes, in base 64: text that is no UTF-8 stays apart
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// cutUp makes a request of the same text, cut where at says.
func cutUp(head, model, text string, at int) request {
	h, x := at%(len(head)+1), at%(len(text)+1)
	r := request{
		Tenant: "t" + head[:h], Name: head[h:], Model: "m" + model,
		Messages: []stages.Message{{Role: stages.RoleUser, Text: text[:x], Name: text[x:]}},
	}
	switch at % 4 {
	case 1:
		r.Messages = append(r.Messages, stages.Message{Role: stages.RoleUser, Text: text[x:]})
		r.Messages[0].Name = ""
	case 2:
		r.Options.Stop = stages.ListOf(text[:x], text[x:])
		r.Messages = nil
	case 3:
		r.Format = stages.Format{Name: text[:x], Schema: stages.JSON(text[x:])}
		r.Messages = nil
	}
	return r
}
