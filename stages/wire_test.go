package stages

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/chain"
)

func mustEncode(t testing.TB, hook string, p any) []byte {
	t.Helper()
	b, err := Encode(hook, p)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWireGolden(t *testing.T) {
	dir := filepath.Join("testdata", "wire")
	rows := map[string]bool{}
	for _, h := range HookPoints() {
		rows[h.Name+".json"] = true
		t.Run(h.Name, func(t *testing.T) {
			example := wireExample(h)
			b := mustEncode(t, h.Name, example)
			var pretty bytes.Buffer
			if err := json.Indent(&pretty, b, "", "  "); err != nil {
				t.Fatal(err)
			}
			pretty.WriteByte('\n')
			file := filepath.Join(dir, h.Name+".json")
			if *update {
				if err := os.MkdirAll(dir, 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, pretty.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatalf("%v; write it with go test ./stages -run TestWireGolden -update", err)
			}
			if !bytes.Equal(pretty.Bytes(), want) {
				t.Errorf("the form has changed, which may need another WireVersion. Got\n%s", &pretty)
			}
			hook, p, err := Decode(want)
			if err != nil || hook != h.Name || reflect.TypeOf(p) != reflect.TypeOf(example) {
				t.Fatalf("read back: %q, %T, %v", hook, p, err)
			}
			if again := mustEncode(t, hook, p); !bytes.Equal(again, b) {
				t.Errorf("read back and written again:\n%s\nwant\n%s", again, b)
			}
		})
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !rows[f.Name()] {
			t.Errorf("%s belongs to no hook point", f.Name())
		}
	}
}

func TestWireCarriesWhatTheTableSays(t *testing.T) {
	for _, h := range HookPoints() {
		t.Run(h.Name, func(t *testing.T) {
			var doc struct {
				Version        int
				Hook           string
				Meta           map[string]any
				Fields, Result map[string]json.RawMessage
			}
			if err := json.Unmarshal(mustEncode(t, h.Name, wireExample(h)), &doc); err != nil {
				t.Fatal(err)
			}
			if doc.Version != WireVersion || doc.Hook != h.Name || doc.Meta["request_id"] != "r_2" {
				t.Errorf("version %d, hook %q, meta %v", doc.Version, doc.Hook, doc.Meta)
			}
			var names []string
			for _, part := range []map[string]json.RawMessage{doc.Fields, doc.Result} {
				for name, v := range part {
					names = append(names, name)
					if zero := slices.Contains([]string{"null", `""`, "0", "{}", "[]"}, string(v)); zero {
						t.Errorf("the example has no %s", name)
					}
				}
			}
			want := h.Carries
			if h.Name == "generation_error" { // what there was of an answer
				post, _ := LookupHook("generation_post_call")
				want = post.Carries
			}
			slices.Sort(names)
			slices.Sort(want)
			if !slices.Equal(names, want) {
				t.Errorf("carries %v\nwant %v", names, want)
			}
		})
	}
}

func TestPayloadsMarshalThemselves(t *testing.T) {
	for _, h := range HookPoints() {
		t.Run(h.Name, func(t *testing.T) {
			p := wireExample(h)
			var got bytes.Buffer
			enc := json.NewEncoder(&got)
			enc.SetEscapeHTML(false)
			if err := enc.Encode(p); err != nil {
				t.Fatal(err)
			}
			want := string(mustEncode(t, h.Name, p))
			if h.Payload == "Adapter" {
				want = strings.Replace(want, `"hook":"`+h.Name+`",`, "", 1)
			}
			if strings.TrimSpace(got.String()) != want {
				t.Errorf("got  %s\nwant %s", got.String(), want)
			}
		})
	}
	var none *Tool
	if b, err := json.Marshal(none); err != nil || string(b) != "null" {
		t.Errorf("a nil payload: %s, %v", b, err)
	}
}

func TestStandIns(t *testing.T) {
	pre, _ := LookupHook("component_pre_execute")
	c, err := DecodeAs[*Component](pre.Name, mustEncode(t, pre.Name, wireExample(pre)))
	if err != nil {
		t.Fatal(err)
	}
	t.Run("an action has its messages", func(t *testing.T) {
		m, err := c.Action().Messages()
		if err != nil || len(m) != 1 || !m[0].Equal(wireMessages[1]) || c.Action().Kind() != KindInstruction || c.Action().Name() != "describe" {
			t.Errorf("got %v, %v of %s %s", m, err, c.Action().Kind(), c.Action().Name())
		}
		m[0].Text = "changed"
		if again, _ := c.Action().Messages(); again[0].Text == "changed" {
			t.Error("the slice is the action's own")
		}
		if !reflect.TypeOf(c.Action()).Comparable() {
			t.Error("policies could not compare it")
		}
	})
	t.Run("a strategy has its name and settings", func(t *testing.T) {
		if b, _ := c.Strategy().Settings().Get("loop_budget"); c.Strategy().Name() != "rejection" || b != 3.0 {
			t.Errorf("got %s, %v", c.Strategy().Name(), b)
		}
	})
	t.Run("a requirement has no check", func(t *testing.T) {
		if r := c.Requirements().At(0); r.Name != "short" || r.Check != nil {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("an error has its text and kind", func(t *testing.T) {
		h, _ := LookupHook("component_post_error")
		c, err := DecodeAs[*Component](h.Name, mustEncode(t, h.Name, wireExample(h)))
		if err != nil {
			t.Fatal(err)
		}
		f := c.Failure()
		if f.Err.Error() != chain.Block("no").Error() || KindOfError(f.Err) != ErrorViolation || f.Kind != FaultTool || !f.Recoverable {
			t.Errorf("got %+v", f)
		}
	})
	t.Run("a tool cannot be called", func(t *testing.T) {
		h, _ := LookupHook("tool_pre_invoke")
		tool, err := DecodeAs[*Tool](h.Name, mustEncode(t, h.Name, wireExample(h)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tool.Available().At(0).Call(t.Context(), nil); !errors.Is(err, ErrStandIn) || !strings.Contains(err.Error(), `"look"`) {
			t.Errorf("got %v", err)
		}
	})
}

func TestErrorsTravelByKind(t *testing.T) {
	for _, tc := range []struct {
		name string
		err  error
		want ErrorKind
		is   error
	}{
		{"any", errors.New("x"), ErrorOther, nil},
		{"a block", fmt.Errorf("wrapped: %w", chain.Block("x")), ErrorViolation, nil},
		{"canceled", fmt.Errorf("wrapped: %w", context.Canceled), ErrorCanceled, context.Canceled},
		{"too late", context.DeadlineExceeded, ErrorDeadline, context.DeadlineExceeded},
		{"a panic", &chain.PanicError{Value: "x"}, ErrorPanic, nil},
		{"one that panics itself", panicky{}, ErrorOther, nil},
		{"a nil pointer", (*chain.LinkError)(nil), ErrorOther, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			const hook = "tool_post_invoke"
			b := mustEncode(t, hook, NewTool(Meta{}, ToolFields{}).Done(ToolResult{Err: tc.err}))
			for range 2 { // the second time it is a stand-in that travels
				p, err := DecodeAs[*Tool](hook, b)
				if err != nil {
					t.Fatal(err)
				}
				var got *RemoteError
				if !errors.As(p.Err(), &got) || got.Kind() != tc.want || got.Error() == "" {
					t.Errorf("got %#v, want %s", p.Err(), tc.want)
				}
				if tc.is != nil && !errors.Is(p.Err(), tc.is) {
					t.Errorf("%v is not %v", p.Err(), tc.is)
				}
				for _, other := range []error{context.Canceled, context.DeadlineExceeded} {
					if other != tc.is && errors.Is(p.Err(), other) {
						t.Errorf("%v is %v", p.Err(), other)
					}
				}
				b = mustEncode(t, hook, p)
			}
		})
	}
	if KindOfError(nil) != "" {
		t.Error("nil has a kind")
	}
}

// panicky is everything that can go wrong in foreign methods.
type panicky struct{}

func (panicky) Error() string                { panic("no") }
func (panicky) Kind() string                 { return "panicky" }
func (panicky) Name() string                 { return "p" }
func (panicky) Messages() ([]Message, error) { panic("no") }
func (panicky) Settings() Map[any]           { panic("no") }
func (panicky) MarshalJSON() ([]byte, error) { panic("no") }

type failing struct{ *wireNote }

func (failing) Messages() ([]Message, error) { return nil, errors.New("no template") }

func TestActionsWithoutMessages(t *testing.T) {
	for _, tc := range []struct {
		name   string
		action Action
		want   string
	}{
		{"an error", failing{wireAction}, "no template"},
		{"a panic", panicky{}, "panic: no"},
		{"a nil pointer", (*remoteAction)(nil), "panic: runtime error: invalid memory address or nil pointer dereference"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			const hook = "component_pre_execute"
			b := mustEncode(t, hook, NewComponent(Meta{}, ComponentFields{Action: tc.action, Strategy: panicky{}}))
			c, err := DecodeAs[*Component](hook, b)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Action().Messages(); err == nil || err.Error() != tc.want {
				t.Errorf("got %v, want %s", err, tc.want)
			}
			if again := mustEncode(t, hook, c); !bytes.Equal(again, b) {
				t.Errorf("got %s\nwant %s", again, b)
			}
		})
	}
}

func TestFreeValuesTravel(t *testing.T) {
	type point struct{ X, Y int }
	deep := any("bottom")
	for range MaxWireFreeDepth + 1 {
		deep = []any{deep}
	}
	cycle := map[string]any{}
	cycle["self"] = &cycle
	for _, tc := range []struct {
		name string
		v    any
		want string // in JSON
		back any    // what is decoded
	}{
		{"nil", nil, `null`, nil},
		{"a text", "x<y", `"x<y"`, "x<y"},
		{"bytes that are no text", "\xff", `"�"`, "\uFFFD"},
		{"a small integer", 3, `3`, 3.0},
		{"a large integer", int64(1<<53 + 1), `9007199254740993`, json.Number("9007199254740993")},
		{"a large round number", 1e20, `100000000000000000000`, 1e20},
		{"a huge number", 1e300, `1e+300`, 1e300},
		{"a number as somebody wrote it", json.Number("1.50"), `1.5`, 1.5},
		{"a number beyond float64", json.Number("1e999"), `1e999`, json.Number("1e999")},
		{"no number", floatNaN(), `{"cannot_travel":"float64"}`, map[string]any{"cannot_travel": "float64"}},
		{"a struct", point{1, 2}, `{"X":1,"Y":2}`, map[string]any{"X": 1.0, "Y": 2.0}},
		{"a function", func() {}, `{"cannot_travel":"func()"}`, map[string]any{"cannot_travel": "func()"}},
		{"a cycle", &cycle, `{"cannot_travel":"*map[string]interface {}"}`, map[string]any{"cannot_travel": "*map[string]interface {}"}},
		{"what is too deep", deep, `{"cannot_travel":"[]interface {}"}`, map[string]any{"cannot_travel": "[]interface {}"}},
		{"a panic", panicky{}, `{"cannot_travel":"stages.panicky"}`, map[string]any{"cannot_travel": "stages.panicky"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			const hook = "session_pre_init"
			settings := Map[any]{}.With("k", tc.v)
			b := mustEncode(t, hook, NewSession(Meta{}, SessionFields{BackendSettings: settings}))
			if !strings.Contains(string(b), `"backend_settings":{"k":`+tc.want+`}`) {
				t.Errorf("got %s\nwant %s", b, tc.want)
			}
			s, err := DecodeAs[*Session](hook, b)
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := s.BackendSettings().Get("k"); !reflect.DeepEqual(got, tc.back) {
				t.Errorf("read back %#v, want %#v", got, tc.back)
			}
			if again := mustEncode(t, hook, s); !bytes.Equal(again, b) {
				t.Errorf("written again %s\nwant %s", again, b)
			}
		})
	}
}

func floatNaN() float64 { zero := 0.0; return zero / zero }

func TestTextsOfJSONTravelExactly(t *testing.T) {
	tooDeep := strings.Repeat("[", MaxWireFreeDepth+1) + strings.Repeat("]", MaxWireFreeDepth+1)
	for _, tc := range []struct{ name, text, want string }{
		{"nothing", ``, `null`},
		{"an object keeps its order", `{"b":1.50,"a":[null]}`, `{"b":1.50,"a":[null]}`},
		{"a number", `12345678901234567890`, `12345678901234567890`},
		{"no JSON", `{"a`, `"{\"a"`},
		{"a string", `"x"`, `"\"x\""`},
		{"null", `null`, `"null"`},
		{"too deep", tooDeep, `"` + tooDeep + `"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			const hook = "tool_pre_invoke"
			b := mustEncode(t, hook, NewTool(Meta{}, ToolFields{Arguments: JSON(tc.text)}))
			if !strings.Contains(string(b), `"arguments":`+tc.want+`,`) {
				t.Errorf("got %s\nwant %s", b, tc.want)
			}
			p, err := DecodeAs[*Tool](hook, b)
			if err != nil || string(p.Arguments()) != tc.text {
				t.Errorf("read back %s, %v", p.Arguments(), err)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	meta := fmt.Sprintf(`"meta":{"version":%d}`, PayloadVersion)
	envelope := func(rest string) string { return `{"version":1,"hook":"tool_pre_invoke",` + meta + rest + `}` }
	for _, tc := range []struct {
		name, in string
		is       error
		want     string
	}{
		{"nothing", ``, nil, `stages: decode: byte 0: unexpected end of JSON input`},
		{"no JSON", `{"version":1,}`, nil, `stages: decode: byte 14: invalid character '}'`},
		{"more than one", `{} {}`, nil, `byte 4: invalid character '{' after top-level value`},
		{"a list", `[]`, nil, `stages: decode: want an object, got an array`},
		{"no version", `{"hook":"tool_pre_invoke"}`, nil, `version: want a whole number, got nothing`},
		{"another version", `{"version":2,"hook":"from_the_future"}`, ErrWireVersion, `version: another version: 2, but this program has 1`},
		{"no hook", `{"version":1}`, nil, `hook: want a string, got nothing`},
		{"an unknown hook", `{"version":1,"hook":"tool_pre_invok"}`, nil, `called "tool_pre_invok" (did you mean tool_pre_invoke?)`},
		{"no meta", `{"version":1,"hook":"tool_pre_invoke"}`, ErrWireVersion, `meta.version: another version: 0`},
		{"payload of another version", `{"version":1,"hook":"tool_pre_invoke","meta":{"version":7}}`, ErrWireVersion, `decode tool_pre_invoke: meta.version: another version: 7`},
		{"no time", `{"version":1,"hook":"tool_pre_invoke","meta":{"version":1,"time":"noon"}}`, nil, `meta.time: "noon": parsing time`},
		{"a long time", `{"version":1,"hook":"tool_pre_invoke","meta":{"time":"` + strings.Repeat("1", 1<<20) + `"}}`, nil, `1"... is too long`},
		{"a list of fields", envelope(`,"fields":[]`), nil, `fields: want an object, got an array`},
		{"a number for a text", envelope(`,"fields":{"name":1}`), nil, `decode tool_pre_invoke: fields.name: want a string, got a number`},
		{"a text for a list", envelope(`,"fields":{"available":"x"}`), nil, `fields.available: want an array, got a string`},
		{"a text in a list", envelope(`,"fields":{"available":[{"name":"a"},"b"]}`), nil, `fields.available.1: none is called "b"`},
		{"nothing in a list", envelope(`,"fields":{"available":[null]}`), nil, `fields.available.0: there is no item`},
		{"the same key twice", envelope(`,"fields":{"name":"a","name":"b"}`), nil, `"name" is there twice`},
		{"a fraction for an integer", `{"version":1,"hook":"sampling_loop_start",` + meta + `,"fields":{"loop_budget":1.5}}`, nil, `fields.loop_budget: want a whole number of 64 bits, got 1.5`},
		{"an integer that is too large", `{"version":1,"hook":"sampling_loop_start",` + meta + `,"fields":{"loop_budget":99999999999999999999}}`, nil, `want a whole number of 64 bits`},
		{"a number that is too large", `{"version":1,"hook":"validation_pre_check",` + meta + `,"fields":{"model_options":{"temperature":1e999}}}`, nil, `fields.model_options.temperature: 1e999 is too large`},
		{"an unknown ruling", `{"version":1,"hook":"validation_post_check",` + meta + `,"result":{"results":[{"verdict":{"ruling":"maybe"}}]}}`, nil, `result.results.0.verdict.ruling: no ruling is called "maybe"; there are unknown, pass, fail`},
		{"the event of another hook", `{"version":1,"hook":"streaming_end",` + meta + `,"fields":{"phase":"start"}}`, nil, `this one belongs to "streaming_start"`},
		{"too many bytes", strings.Repeat(" ", MaxWireBytes+1), ErrWireLimit, `16777217 bytes, at most 16777216`},
		{"too deep", envelope(`,"x":` + strings.Repeat("[", MaxWireDepth) + strings.Repeat("]", MaxWireDepth)), ErrWireLimit, `nested too deep`},
		{"much too deep", strings.Repeat("[", 1<<20), nil, `exceeded max depth`},
		{"too many values", envelope(`,"x":[` + strings.Repeat("0,", MaxWireValues) + `0]`), ErrWireLimit, `more than 1048576 values`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, p, err := Decode([]byte(tc.in))
			if err == nil || p != nil || !strings.Contains(err.Error(), tc.want) || len(err.Error()) > 500 {
				t.Errorf("got %v, want %s", err, tc.want)
			}
			if tc.is != nil && !errors.Is(err, tc.is) {
				t.Errorf("%v is not %v", err, tc.is)
			}
		})
	}
}

func TestDecodeSkipsWhatIsNew(t *testing.T) {
	in := `{"version":1,"hook":"tool_pre_invoke","new":1,"meta":{"version":1,"new":1},"fields":{"name":"look","new":{},"available":[{"name":"look","new":1}]}}`
	p, err := DecodeAs[*Tool]("tool_pre_invoke", []byte(in))
	if err != nil || p.Name() != "look" || p.HasResult() || p.Available().Len() != 1 {
		t.Errorf("got %+v, %v", p, err)
	}
}

func TestDecodeAsRefuses(t *testing.T) {
	b := mustEncode(t, "tool_pre_invoke", NewTool(Meta{}, ToolFields{}))
	if _, err := DecodeAs[*Tool]("tool_post_invoke", b); err == nil || !strings.Contains(err.Error(), "the payload is one of tool_pre_invoke") {
		t.Errorf("another hook: %v", err)
	}
	if _, err := DecodeAs[*Chunk]("tool_pre_invoke", b); err == nil || !strings.Contains(err.Error(), "is a *stages.Tool, not a *stages.Chunk") {
		t.Errorf("another payload: %v", err)
	}
	if _, err := DecodeAs[any]("tool_pre_invoke", nil); err == nil {
		t.Error("nothing was decoded")
	}
}

func TestEncodeRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, hook string
		p          any
		is         error
		want       string
	}{
		{"an unknown hook", "chunk", NewChunk(Meta{}, ChunkFields{}), nil, `no hook point with a JSON form is called "chunk"`},
		{"nil", "tool_pre_invoke", nil, errPayload, "want a *stages.Tool, got nil"},
		{"a nil pointer", "tool_pre_invoke", (*Tool)(nil), errPayload, "got a nil *stages.Tool"},
		{"another payload", "tool_pre_invoke", NewChunk(Meta{}, ChunkFields{}), errPayload, "want a *stages.Tool, got a *stages.Chunk"},
		{"the event of another hook", "streaming_end", NewStreamEvent(Meta{}, StreamEventFields{Phase: StreamStart}), errPayload, `belongs to "streaming_start"`},
		{"too large", "generation_stream_chunk", NewChunk(Meta{}, ChunkFields{Text: strings.Repeat("x", MaxWireBytes)}), ErrWireLimit, "more than 16777216 bytes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if b, err := Encode(tc.hook, tc.p); err == nil || b != nil || !strings.Contains(err.Error(), tc.want) || tc.is != nil && !errors.Is(err, tc.is) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

// An attempt that has no answer says why, wherever it is read.
func TestAttemptsTravelWithTheirError(t *testing.T) {
	a := Attempt{Action: wireAction, Err: fmt.Errorf("the model: %w", context.DeadlineExceeded)}
	b, err := Encode("sampling_iteration", NewIteration(Meta{}, IterationFields{Number: 1, Attempt: a}))
	if err != nil {
		t.Fatal(err)
	}
	i, err := DecodeAs[*Iteration]("sampling_iteration", b)
	if err != nil || i.AllValid() || !errors.Is(i.in.Attempt.Err, context.DeadlineExceeded) || i.in.Attempt.Err.Error() != a.Err.Error() {
		t.Errorf("got %+v, %v", i, err)
	}
	if sameAttempt(a, Attempt{Action: wireAction}) {
		t.Error("the error makes no difference")
	}
}
