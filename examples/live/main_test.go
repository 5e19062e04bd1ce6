package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/maillon-go/maillon/internal/exampletest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// asked is what the stand-in reads of a request, of either protocol.
type asked struct {
	Stream   bool `json:"stream"`
	Messages []struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	} `json:"messages"`
	Tools          []any `json:"tools"`
	Format         any   `json:"format"`
	ResponseFormat any   `json:"response_format"`
}

// model is what the stand-in answers: a text, or a call of the tool.
func model(a asked) (text string, call bool) {
	last := a.Messages[len(a.Messages)-1]
	all := ""
	for _, m := range a.Messages {
		all += m.Content + "\n"
	}
	switch {
	case last.Role == "tool":
		return "High water is at " + last.Content + ".", false
	case len(a.Tools) > 0:
		return "", true
	case a.Format != nil || a.ResponseFormat != nil:
		return `{"ship":"Marie","metres":12,"water":true}`, false
	case strings.Contains(all, "does not warn of the bar"):
		return "High water is at 06:40. Keep clear of the bar.", false
	case strings.Contains(all, "does not begin with Ahoy"):
		return "Ahoy! High water is at 06:40.", false
	}
	return "High water is at 06:40. Ask office@harbour.example for more.", false
}

type object = map[string]any

// standIn speaks both protocols. Its first answer is that it is busy, and quotes what it was asked.
func standIn(t *testing.T) string {
	t.Helper()
	var once sync.Once
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		first := false
		once.Do(func() { first = true })
		if first {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write(body)
			return
		}
		var a asked
		if err := json.Unmarshal(body, &a); err != nil {
			t.Error(err)
		}
		text, call := model(a)
		switch r.URL.Path {
		case "/v1/chat/completions":
			completions(w, a, text, call)
		case "/api/chat":
			chat(w, a, text, call)
		default:
			t.Errorf("asked for %s", r.URL.Path)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func completions(w http.ResponseWriter, a asked, text string, call bool) {
	usage := object{"prompt_tokens": 20, "completion_tokens": 10}
	if a.Stream {
		w.Header().Set("Content-Type", "text/event-stream")
		event := func(v any) {
			data, _ := json.Marshal(v)
			fmt.Fprintf(w, "data: %s\n\n", data)
		}
		for piece := range slices.Chunk([]rune(text), 4) {
			event(object{"choices": []object{{"delta": object{"content": string(piece)}}}})
		}
		event(object{"choices": []object{{"delta": object{}, "finish_reason": "stop"}}})
		event(object{"choices": []object{}, "usage": usage})
		fmt.Fprint(w, "data: [DONE]\n\n")
		return
	}
	choice := object{"message": object{"content": text}, "finish_reason": "stop"}
	if call {
		choice = object{"finish_reason": "tool_calls", "message": object{"tool_calls": []object{{
			"id": "call_1", "type": "function", "function": object{"name": "tide", "arguments": `{"harbour":"north"}`},
		}}}}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(object{"choices": []object{choice}, "usage": usage})
}

func chat(w http.ResponseWriter, a asked, text string, call bool) {
	done := object{"done": true, "done_reason": "stop", "prompt_eval_count": 20, "eval_count": 10, "message": object{"content": text}}
	if call {
		done["message"] = object{"tool_calls": []object{{"function": object{"name": "tide", "arguments": object{"harbour": "north"}}}}}
	}
	if a.Stream {
		for piece := range slices.Chunk([]rune(text), 4) {
			_ = json.NewEncoder(w).Encode(object{"message": object{"content": string(piece)}})
		}
		done["message"] = object{"content": ""}
	}
	_ = json.NewEncoder(w).Encode(done)
}

func env(values map[string]string) func(string) string {
	return func(key string) string { return values[key] }
}

// Each of them runs, with either server, and shows what it is for.
func TestAll(t *testing.T) {
	const key = "sk-planted-0123456789"
	for name, tc := range map[string]struct {
		variable, path, model, key string
	}{
		"a compatible server": {"OPENAI_BASE_URL", "/v1", openaiModel, key},
		"Ollama":              {"OLLAMA_HOST", "", ollamaModel, ""},
	} {
		t.Run(name, func(t *testing.T) {
			values := map[string]string{tc.variable: standIn(t) + tc.path, "OPENAI_API_KEY": tc.key}
			out := exampletest.Run(t, func(ctx context.Context, w io.Writer) error {
				return run(ctx, w, env(values), "", "", time.Minute)
			}, key)
			for _, want := range []string{
				"== quickstart: " + tc.model + " of 127.0.0.1\n\nHigh water is at 06:40. Ask [address] for more.\nafter 1 attempts\nblocked: generation/topics",
				"== instruct-validate-repair: " + tc.model + " of 127.0.0.1\n\nAhoy! High water is at 06:40.\nafter 2 attempts",
				"{Ship:Marie Metres:12 Water:true}",
				"the model asks for the tide of the north harbour\nHigh water is at 06:40.\nafter 1 attempts",
				"High |water |is |at |06:40. |Ask |office@harbour.example |for |more.|\n30 tokens",
				"== two-solvers: " + tc.model + " of 127.0.0.1\n\nHigh water is at 06:40. Keep clear of the bar.\nafter 2 attempts",
				"(2 requests, 30 tokens)", // the first one was made again
			} {
				if !strings.Contains(out, want) {
					t.Errorf("no %q in\n%s", want, out)
				}
			}
		})
	}
}

func TestOnly(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	e := env(map[string]string{"OPENAI_BASE_URL": standIn(t) + "/v1", "OPENAI_API_KEY": "sk-1"})
	if err := run(t.Context(), &out, e, "tide-1", "slots,tools", time.Minute); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "== "); n != 2 || !strings.Contains(out.String(), "tide-1") {
		t.Errorf("got\n%s", out.String())
	}
	if err := run(t.Context(), &out, e, "", "slot", time.Minute); err == nil || !strings.Contains(err.Error(), "quickstart, instruct") {
		t.Errorf("got %v", err)
	}
}

func TestWithoutAServer(t *testing.T) {
	t.Parallel()
	err := run(t.Context(), io.Discard, env(nil), "", "", time.Minute)
	if !errors.Is(err, errNoServer) || !strings.Contains(err.Error(), "OLLAMA_HOST=127.0.0.1:11434") {
		t.Errorf("got %v", err)
	}
	if err := run(t.Context(), io.Discard, env(map[string]string{"OPENAI_BASE_URL": "localhost"}), "", "", time.Minute); err == nil {
		t.Error("no error for a base URL that is none")
	}
}
