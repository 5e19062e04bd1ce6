package stages

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/chain"
)

// TestMergePatch has the examples of RFC 7386, appendix A.
func TestMergePatch(t *testing.T) {
	for _, tc := range []struct{ target, patch, want string }{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`["a","b"]`, `["c","d"]`, `["c","d"]`},
		{`{"a":"b"}`, `["c"]`, `["c"]`},
		{`{"a":"foo"}`, `null`, `null`},
		{`{"a":"foo"}`, `"bar"`, `"bar"`},
		{`{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`},
		{`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
	} {
		t.Run(tc.target+" and "+tc.patch, func(t *testing.T) {
			target, patch := mustParse(t, tc.target), mustParse(t, tc.patch)
			got, err := write(mergePatch(target, patch))
			if err != nil || string(got) != tc.want {
				t.Errorf("got %s, %v, want %s", got, err, tc.want)
			}
			if b, _ := write(target); string(b) != tc.target {
				t.Errorf("the target is %s now", b)
			}
		})
	}
}

func mustParse(t testing.TB, text string) any {
	t.Helper()
	n, err := parse([]byte(text), MaxWireDepth, true)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// patched applies a patch to the example of a hook point, and checks that the example is as it was.
func patched(t testing.TB, h HookPoint, patch string) (before, after any, discarded []string, err error) {
	t.Helper()
	before = wireExample(h)
	was := dump(reflect.ValueOf(before))
	after, discarded, err = ApplyPatch(h.Name, before, []byte(patch))
	if now := dump(reflect.ValueOf(before)); now != was {
		t.Fatalf("the payload changed:\n%s\n%s", was, now)
	}
	return before, after, discarded, err
}

// patchedAs is patched for a patch that is accepted, and a type that is known.
func patchedAs[P any](t *testing.T, hook, patch string) (before, after P) {
	t.Helper()
	h, _ := LookupHook(hook)
	b, a, discarded, err := patched(t, h, patch)
	if err != nil || discarded != nil {
		t.Fatalf("%v, discarded %v", err, discarded)
	}
	before, _ = b.(P)
	after, _ = a.(P)
	return before, after
}

func (w wireOf[S]) checkPatch(t *testing.T, h HookPoint) {
	t.Helper()
	all := append([]wireField[S]{w.meta()}, w.in...)
	if h.Position == chain.KindAfter || h.Position == chain.KindOnError {
		all = append(all, w.out...)
	}
	var patches, readOnly []string
	for _, f := range all {
		writable := slices.Contains(h.Writable, f.name)
		patch := `{"` + f.name + `":null}`
		if f.derived { // an example may have null there
			patch = `{"` + f.name + `":"something else"}`
		}
		patches = append(patches, strings.Trim(patch, "{}"))
		t.Run(f.name, func(t *testing.T) {
			before, after, discarded, err := patched(t, h, patch)
			if err != nil {
				t.Fatal(err)
			}
			old, _ := before.(*S)
			kept, _ := after.(*S)
			switch {
			case writable:
				if discarded != nil || !isEmpty(f.place(kept)) {
					t.Errorf("writable, but discarded %v, kept %v", discarded, f.place(kept))
				}
				if _, more := w.spec.policy(h.Chain).Rewrite(position(h), old, kept); more != nil {
					t.Errorf("the chain's policy discards %v", more)
				}
			case old == kept && f.place(old).IsZero():
				// a component has a failure at one hook point only
			case old != kept || !slices.Equal(discarded, []string{f.name}):
				t.Errorf("read-only, but discarded %v, same payload: %v", discarded, old == kept)
			}
		})
		if p, _ := wireExample(h).(*S); !writable && (f.derived || !f.place(p).IsZero()) {
			readOnly = append(readOnly, f.name)
		}
	}
	t.Run("all at once", func(t *testing.T) {
		slices.Reverse(patches)
		_, _, discarded, err := patched(t, h, "{"+strings.Join(patches, ",")+"}")
		if err != nil || !slices.Equal(discarded, readOnly) {
			t.Errorf("discarded %v, %v\nwant %v, in the policy's order", discarded, err, readOnly)
		}
	})
	t.Run("what is there already", func(t *testing.T) {
		var doc struct {
			Meta           json.RawMessage
			Fields, Result map[string]json.RawMessage
		}
		if err := json.Unmarshal(mustEncode(t, h.Name, wireExample(h)), &doc); err != nil {
			t.Fatal(err)
		}
		same := map[string]json.RawMessage{"meta": doc.Meta}
		for _, part := range []map[string]json.RawMessage{doc.Fields, doc.Result} {
			for name, v := range part {
				same[name] = v
			}
		}
		patch, err := json.Marshal(same)
		if err != nil {
			t.Fatal(err)
		}
		before, after, discarded, err := patched(t, h, string(patch))
		if err != nil || discarded != nil || before != after {
			t.Errorf("discarded %v, %v, same payload: %v", discarded, err, before == after)
		}
	})
}

func position(h HookPoint) chain.Position {
	if h.Position == chain.KindBefore {
		return chain.In
	}
	return chain.Out
}

func TestPatchEveryField(t *testing.T) {
	for _, h := range HookPoints() {
		t.Run(h.Name, func(t *testing.T) {
			f, _ := wireForms()[h.Chain].(interface{ checkPatch(*testing.T, HookPoint) })
			f.checkPatch(t, h)
		})
	}
}

func TestPatch(t *testing.T) {
	t.Run("a text", func(t *testing.T) {
		before, after := patchedAs[*Generation](t, "generation_post_call", `{"text":"[redacted]"}`)
		if after.Output().Text != "[redacted]" || !after.HasResult() || !sameList(after.Output().ToolCalls, before.Output().ToolCalls) {
			t.Errorf("got %+v", after.Output())
		}
	})
	t.Run("an object is merged", func(t *testing.T) {
		before, after := patchedAs[*Generation](t, "generation_pre_call",
			`{"model_options":{"temperature":0,"seed":null,"extra":{"top_k":null,"beams":2}}}`)
		want := before.ModelOptions()
		want.Temperature, want.Seed = Some(0.0), Optional[int64]{}
		want.Extra = MapOf(map[string]any{"beams": 2.0})
		if got := after.ModelOptions(); dump(reflect.ValueOf(got)) != dump(reflect.ValueOf(want)) {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("null clears", func(t *testing.T) {
		_, after := patchedAs[*Component](t, "component_pre_execute", `{"strategy":null,"format":null,"history":null,"action":null}`)
		if after.Strategy() != nil || after.Format() != (Format{}) || after.History().Len() != 0 || after.Action() != nil {
			t.Errorf("got %+v", after)
		}
	})
	t.Run("arguments are merged", func(t *testing.T) {
		_, after := patchedAs[*Tool](t, "tool_pre_invoke", `{"arguments":{"limit":5}}`)
		if after.Arguments() != `{"where":"here","limit":5}` {
			t.Errorf("got %s", after.Arguments())
		}
	})
	t.Run("arguments that are no JSON are replaced", func(t *testing.T) {
		p := NewTool(Meta{}, ToolFields{Arguments: "{broken"})
		after, _, err := ApplyPatch("tool_pre_invoke", p, []byte(`{"arguments":{"limit":5}}`))
		if err != nil || after.Arguments() != `{"limit":5}` {
			t.Errorf("got %s, %v", after.Arguments(), err)
		}
	})
	t.Run("tools by name are the live ones", func(t *testing.T) {
		_, after := patchedAs[*Generation](t, "generation_pre_call", `{"tools":["name"]}`)
		tool := after.Tools().At(0)
		if got, err := tool.Call(t.Context(), nil); after.Tools().Len() != 1 || tool.Description != "Does name." || got != "name" || err != nil {
			t.Errorf("got %+v, called %v, %v", tool, got, err)
		}
	})
	t.Run("a tool described anew keeps its function", func(t *testing.T) {
		_, after := patchedAs[*Generation](t, "generation_pre_call", `{"tools":["name",{"name":"look","description":"Look hard."}]}`)
		tool := after.Tools().At(1)
		if got, err := tool.Call(t.Context(), nil); tool.Description != "Look hard." || tool.Parameters != "" || got != "look" || err != nil {
			t.Errorf("got %+v, called %v, %v", tool, got, err)
		}
	})
	t.Run("requirements", func(t *testing.T) {
		_, after := patchedAs[*Validation](t, "validation_pre_check",
			`{"requirements":["friendly",{"name":"short","description":"at most five words"},{"name":"new","description":"in French"}]}`)
		r := after.Requirements()
		if !r.At(0).CheckOnly || r.At(1).Check == nil || r.At(1).Description != "at most five words" || r.At(2).Check != nil || r.At(2).Description != "in French" {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("findings keep the check", func(t *testing.T) {
		_, after := patchedAs[*Validation](t, "validation_post_check",
			`{"results":["friendly",{"requirement":{"name":"short","description":"at most ten words"},"verdict":{"ruling":"fail"}}]}`)
		f := after.Results()
		if f.At(0).Verdict.Reason != "curt" || f.At(1).Requirement.Check == nil || f.At(1).Verdict.Ruling != Fail || after.AllPassed() {
			t.Errorf("got %+v", f)
		}
	})
	t.Run("an entry that cannot travel stays", func(t *testing.T) {
		_, after := patchedAs[*Session](t, "session_pre_init", `{"backend_settings":{"url":"http://other","large":null}}`)
		hook, _ := after.BackendSettings().Get("hook")
		large, has := after.BackendSettings().Get("large")
		retries, _ := after.BackendSettings().Get("retries")
		url, _ := after.BackendSettings().Get("url")
		if _, ok := hook.(func()); !ok || has || retries != 3 || url != "http://other" {
			t.Errorf("hook %T, large %v, retries %T %v, url %v", hook, large, retries, retries, url)
		}
	})
	t.Run("an action that is changed has the messages of the patch", func(t *testing.T) {
		_, after := patchedAs[*Repair](t, "sampling_repair", `{"repair_action":{"messages":[{"role":"user","text":"Again."}]}}`)
		m, err := after.RepairAction().Messages()
		if err != nil || len(m) != 1 || m[0].Text != "Again." || after.RepairAction().Name() != "describe" {
			t.Errorf("got %v, %v", m, err)
		}
	})
	t.Run("an action that is left alone is the live one", func(t *testing.T) {
		before, after := patchedAs[*Component](t, "component_pre_execute", `{"tools_enabled":false}`)
		if a, ok := after.Action().(*wireNote); !ok || a.name != "describe" || before == after {
			t.Errorf("got %T", after.Action())
		}
		if _, ok := after.Strategy().(wireStrategy); !ok {
			t.Errorf("got %T", after.Strategy())
		}
	})
	t.Run("messages for an action that had none", func(t *testing.T) {
		c := NewComponent(Meta{}, ComponentFields{Action: failing{wireAction}})
		after, _, err := ApplyPatch("component_pre_execute", c, []byte(`{"action":{"messages":[{"role":"user","text":"x"}]}}`))
		if err != nil {
			t.Fatal(err)
		}
		if m, err := after.Action().Messages(); err != nil || len(m) != 1 {
			t.Errorf("got %v, %v", m, err)
		}
	})
	t.Run("what is made from a field follows it", func(t *testing.T) {
		_, after := patchedAs[*Component](t, "component_post_success", `{"result":{"text":"Other."}}`)
		if last, _ := after.HistoryAfter().Last(); last.Text != "Other." {
			t.Errorf("the history ends in %+v", last)
		}
	})
	t.Run("a result that is not there cannot be written", func(t *testing.T) {
		g := NewGeneration(Meta{}, GenerationFields{})
		after, discarded, err := ApplyPatch("generation_post_call", g, []byte(`{"text":"made up"}`))
		if err != nil || after != g || !slices.Equal(discarded, []string{"text"}) {
			t.Errorf("discarded %v, %v", discarded, err)
		}
	})
	t.Run("another way to write the same number is no change", func(t *testing.T) {
		before, after := patchedAs[*Validation](t, "validation_pre_check", `{"model_options":{"temperature":0.70}}`)
		if before != after {
			t.Error("another payload")
		}
	})
	t.Run("a wrong value in a read-only field is discarded too", func(t *testing.T) {
		h, _ := LookupHook("tool_pre_invoke")
		before, after, discarded, err := patched(t, h, `{"available":7,"meta":"x","control_flow":true}`)
		if err != nil || before != after || !slices.Equal(discarded, []string{"meta", "available", "control_flow"}) {
			t.Errorf("discarded %v, %v", discarded, err)
		}
	})
}

func TestPatchRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, hook, patch string
		is                error
		want              string
	}{
		{"no JSON", "tool_pre_invoke", `{`, nil, "stages: patch tool_pre_invoke: byte 1: unexpected end"},
		{"no object", "tool_pre_invoke", `[]`, nil, "want an object, got an array"},
		{"a field that is not there", "generation_pre_call", `{"message":[]}`, nil, `the payload carries no field "message" (did you mean messages?)`},
		{"a field of another hook point", "generation_pre_call", `{"text":""}`, nil, `the payload carries no field "text"`},
		{"a long name", "generation_pre_call", `{"` + strings.Repeat("x", 1<<20) + `":1}`, nil, `no field "` + strings.Repeat("x", 64) + `"...`},
		{"a member that is not there", "generation_pre_call", `{"model_options":{"temprature":1}}`, nil, `model_options: no field is called "temprature" (did you mean temperature?)`},
		{"in a list", "generation_pre_call", `{"messages":[{"role":"user","txt":"x"}]}`, nil, `messages.0: no field is called "txt" (did you mean text?)`},
		{"a function", "validation_pre_check", `{"requirements":[{"name":"short","check":"x"}]}`, nil, `requirements.0: no field is called "check"`},
		{"a wrong type", "generation_pre_call", `{"messages":"x"}`, nil, "messages: want an array, got a string"},
		{"nothing in a list", "generation_pre_call", `{"messages":[null]}`, nil, "messages.0: there is no item"},
		{"a tool that is not there", "generation_pre_call", `{"tools":["looc"]}`, nil, `tools.0: none is called "looc" (did you mean look?)`},
		{"a new tool", "generation_pre_call", `{"tools":[{"name":"looc"}]}`, nil, `tools.0: none is called "looc" (did you mean look?)`},
		{"a tool twice", "generation_pre_call", `{"tools":["look","look"]}`, nil, `tools.1: "look" is there more often than before`},
		{"a requirement that is not there", "validation_pre_check", `{"requirements":["shor"]}`, nil, `requirements.0: none is called "shor" (did you mean short?)`},
		{"an unknown hook", "tool_pre", `{}`, nil, `called "tool_pre"`},
		{"too large", "tool_pre_invoke", strings.Repeat(" ", MaxWireBytes+1), ErrWireLimit, "over a limit"},
		{"the same field twice", "tool_pre_invoke", `{"name":"a","name":"b"}`, nil, `"name" is there twice`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h, _ := LookupHook(tc.hook)
			var p any
			if h.Name != "" {
				p = wireExample(h)
			}
			kept, discarded, err := ApplyPatch(tc.hook, p, []byte(tc.patch))
			if err == nil || kept != nil || discarded != nil || !strings.Contains(err.Error(), tc.want) || len(err.Error()) > 500 {
				t.Errorf("got %v, %v, %v, want %s", kept, discarded, err, tc.want)
			}
			if tc.is != nil && !errors.Is(err, tc.is) {
				t.Errorf("%v is not %v", err, tc.is)
			}
		})
	}
	if _, _, err := ApplyPatch("tool_pre_invoke", NewChunk(Meta{}, ChunkFields{}), []byte(`{}`)); !errors.Is(err, errPayload) {
		t.Errorf("another payload: %v", err)
	}
}
