package ollama_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/contrib/ollama"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

func ask(f stages.GenerationFields, texts ...string) *stages.Generation {
	for _, text := range texts {
		f.Messages = f.Messages.Append(stages.Message{Role: stages.RoleUser, Text: text})
	}
	return stages.NewGeneration(stages.Meta{}, f)
}

// One request that has everything, as the server gets it.
func TestRequestOnTheWire(t *testing.T) {
	t.Parallel()
	var got any
	var header http.Header
	b := backend(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != "/api/chat" {
			t.Errorf("%s %s", r.Method, r.URL.Path)
		}
		header = r.Header
		_ = json.NewDecoder(r.Body).Decode(&got)
		fmt.Fprint(w, `{"message":{"content":"Yes."},"done":true}`)
	}), ollama.WithHeader("X-Team", "harbour"))
	g := ask(stages.GenerationFields{
		Backend: stages.Backend{Model: "model-2"},
		Messages: stages.ListOf(
			stages.Message{Role: stages.RoleSystem, Text: "Be brief."},
			stages.Message{Role: stages.RoleUser, Text: "Look.", Images: stages.ListOf(stages.Image{MediaType: "image/png", Base64: "aGVsbG8="})},
			stages.Message{Role: stages.RoleAssistant, ToolCalls: stages.ListOf(stages.ToolCall{ID: "a", Name: "tide", Arguments: `{"at":1}`})},
			stages.Message{Role: stages.RoleTool, Name: "tide", ToolCallID: "a", Text: "06:40"},
		),
		ModelOptions: stages.ModelOptions{
			Temperature: stages.Some(0.5), TopP: stages.Some(0.9), MaxTokens: stages.Some(7), Seed: stages.Some(int64(3)), Stop: stages.ListOf("END"),
			Extra: stages.MapOf(map[string]any{"num_ctx": 4096, "keep_alive": "5m"}),
		},
		Tools:  stages.ListOf(stages.Callable{Name: "tide", Description: "finds it", Parameters: `{"type":"object"}`}),
		Format: stages.Format{Name: "x", Schema: `{"type":"string"}`},
	})
	out, err := b.Generate(t.Context(), g)
	if err != nil || out.Output().Text != "Yes." || out.Output().FinishReason != stages.FinishStop {
		t.Fatalf("got %+v, %v", out, err)
	}
	var want any
	if err := json.Unmarshal([]byte(`{
		"model": "model-2", "stream": false, "keep_alive": "5m",
		"messages": [
			{"role":"system","content":"Be brief."},
			{"role":"user","content":"Look.","images":["aGVsbG8="]},
			{"role":"assistant","content":"","tool_calls":[{"function":{"name":"tide","arguments":{"at":1}}}]},
			{"role":"tool","content":"06:40","tool_name":"tide"}
		],
		"options": {"temperature":0.5,"top_p":0.9,"num_predict":7,"seed":3,"stop":["END"],"num_ctx":4096},
		"tools": [{"type":"function","function":{"name":"tide","description":"finds it","parameters":{"type":"object"}}}],
		"format": {"type":"string"}
	}`), &want); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if header.Get("X-Team") != "harbour" || header.Get("Content-Type") != "application/json" {
		t.Errorf("headers %v", header)
	}
}

// What a server may do wrong beside what the conformance suite has.
func TestMisbehaviour(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		serve   func(w http.ResponseWriter)
		kind    session.BackendErrorKind
		partial string // of a stream
	}{
		{"nothing", func(http.ResponseWriter) {}, session.BackendTransportError, ""},
		{"another content", func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<html>log in first</html>")
		}, session.BackendTransportError, ""},
		{"JSON of another kind", func(w http.ResponseWriter) { fmt.Fprint(w, `[1,2]`) }, session.BackendTransportError, ""},
		{"an end without done", func(w http.ResponseWriter) {
			fmt.Fprintln(w, `{"message":{"content":"half"},"done":false}`)
		}, session.BackendTransportError, "half"},
		{"a failure after the answer has begun", func(w http.ResponseWriter) {
			fmt.Fprintln(w, `{"message":{"content":"half"},"done":false}`)
			fmt.Fprintln(w, `{"error":"out of memory"}`)
		}, session.BackendServerError, "half"},
		{"an error without words", func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) }, session.BackendServerError, ""},
		{"a line without an end", func(w http.ResponseWriter) {
			line := []byte(strings.Repeat("x", 1<<20))
			for range 65 {
				if _, err := w.Write(line); err != nil {
					return
				}
			}
		}, session.BackendTransportError, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := backend(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				tc.serve(w)
			}))
			got, err := b.GenerateStream(t.Context(), ask(stages.GenerationFields{}, "The tide"), func(string) error { return nil })
			var e *session.BackendError
			if !errors.As(err, &e) || e.Kind != tc.kind || strings.Contains(err.Error(), "html") {
				t.Errorf("got %v, want kind %s", err, tc.kind)
			}
			if tc.partial != "" && (got == nil || got.HasResult() || got.Output().Text != tc.partial) {
				t.Errorf("partial %+v, want %q", got, tc.partial)
			}
		})
	}
	t.Run("no server", func(t *testing.T) {
		t.Parallel()
		_, err := backend(t, "http://127.0.0.1:1").Generate(t.Context(), ask(stages.GenerationFields{}, "The tide"))
		var e *session.BackendError
		if !errors.As(err, &e) || e.Kind != session.BackendTransportError || strings.Contains(err.Error(), "/api/") {
			t.Errorf("got %v", err)
		}
	})
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		fields stages.GenerationFields
		says   string
	}{
		{"an image by its URL", stages.GenerationFields{Messages: stages.ListOf(stages.Message{
			Role: stages.RoleUser, Images: stages.ListOf(stages.Image{URL: "https://harbour.example/a.png"}),
		})}, "image 0 without its bytes"},
		{"an unknown option", stages.GenerationFields{ModelOptions: stages.ModelOptions{Extra: stages.MapOf(map[string]any{"logprob": true})}}, "logprob"},
		{"a role", stages.GenerationFields{Messages: stages.ListOf(stages.Message{Role: "narrator"})}, "narrator"},
		{"a schema that is none", stages.GenerationFields{Format: stages.Format{Name: "tide", Schema: "{"}}, "tide"},
		{"a tool's schema that is none", stages.GenerationFields{Tools: stages.ListOf(stages.Callable{Name: "dig", Parameters: "{"})}, "dig"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := backend(t, "http://127.0.0.1:1").Generate(t.Context(), ask(tc.fields))
			var e *session.BackendError
			if !errors.As(err, &e) || e.Kind != session.BackendInvalidRequest || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("got %v, want %q in it", err, tc.says)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"", "ftp://x", "http://", "http://a b"} {
		if _, err := ollama.New(ollama.WithBaseURL(base)); !errors.Is(err, ollama.ErrOption) {
			t.Errorf("base URL %q: got %v", base, err)
		}
	}
	for base, want := range map[string]string{"gpu.example": "gpu.example", "10.0.0.7:9999": "10.0.0.7", "https://x.example/sub": "x.example"} {
		if b, err := ollama.New(nil, ollama.WithBaseURL(base)); err != nil || b.Describe().Provider != want {
			t.Errorf("base URL %q: got %v, %v", base, b, err)
		}
	}
}
