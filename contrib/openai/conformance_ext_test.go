package openai_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"go.uber.org/goleak"

	"github.com/maillon-go/maillon/contrib/openai"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/session/backendtest"
	"github.com/maillon-go/maillon/stages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) { //nolint:paralleltest // the suite counts goroutines
	backendtest.Run(t, backendtest.Subject{
		Start: func(tb testing.TB, s *backendtest.Service) session.Backend {
			tb.Helper()
			return backend(tb, serve(tb, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				write(w, body, s.Reply(r.Context(), body))
			}))
		},
	})
}

// A server that cannot do everything: what it cannot is refused without asking it.
func TestConformanceOfTextOnly(t *testing.T) { //nolint:paralleltest // the suite counts goroutines
	backendtest.Run(t, backendtest.Subject{
		Start: func(tb testing.TB, s *backendtest.Service) session.Backend {
			tb.Helper()
			return backend(tb, serve(tb, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				write(w, body, s.Reply(r.Context(), body))
			}), openai.WithCapabilities(stages.Capabilities{Streaming: true}))
		},
	})
}

// serve starts a server and gives its base URL.
func serve(tb testing.TB, h http.HandlerFunc) string {
	tb.Helper()
	s := httptest.NewServer(h)
	tb.Cleanup(func() {
		s.CloseClientConnections() // a request that goes on would hold up Close
		s.Close()
	})
	return s.URL + "/v1"
}

func backend(tb testing.TB, base string, opts ...openai.Option) *openai.Backend {
	tb.Helper()
	b, err := openai.New(append([]openai.Option{openai.WithBaseURL(base), openai.WithModel("model-1"), openai.WithKey("sk-secret")}, opts...)...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = b.Close() })
	return b
}

type object = map[string]any

// write gives a reply as the protocol has it.
func write(w http.ResponseWriter, request []byte, r backendtest.Reply) {
	var asked struct {
		Stream  bool `json:"stream"`
		Options struct {
			Usage bool `json:"include_usage"`
		} `json:"stream_options"`
	}
	_ = json.Unmarshal(request, &asked)
	if f := r.Failure; f != nil {
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(f.RetryAfter.Seconds())))
		}
		code := any(nil)
		if f.Kind == session.BackendContentPolicy {
			code = "content_filter"
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(f.Status)
		_ = json.NewEncoder(w).Encode(object{"error": object{"message": f.Message, "type": "some_error", "code": code}})
		return
	}
	usage := object{"prompt_tokens": r.Usage.InputTokens, "completion_tokens": r.Usage.OutputTokens, "total_tokens": r.Usage.Total()}
	if asked.Stream {
		writeStream(w, r, usage, asked.Options.Usage)
		return
	}
	message := object{"role": "assistant", "content": r.Text(), "refusal": nil}
	if len(r.ToolCalls) > 0 {
		message["tool_calls"] = calls(r, false)
	}
	body, _ := json.Marshal(object{
		"id": "chatcmpl-1", "object": "chat.completion", "model": r.Model, "usage": usage,
		"choices": []object{{"index": 0, "message": message, "logprobs": nil, "finish_reason": r.Finish}},
	})
	w.Header().Set("Content-Type", "application/json")
	switch r.Ending {
	case backendtest.Cut:
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body[:len(body)/2])
	case backendtest.Garbage:
		_, _ = w.Write([]byte("<html>"))
	case backendtest.Complete:
		_, _ = w.Write(body)
	}
}

func calls(r backendtest.Reply, index bool) (out []object) {
	for i, c := range r.ToolCalls {
		call := object{"id": c.ID, "type": "function", "function": object{"name": c.Name, "arguments": string(c.Arguments)}}
		if index {
			call["index"] = i
		}
		out = append(out, call)
	}
	return out
}

func writeStream(w http.ResponseWriter, r backendtest.Reply, usage object, wantsUsage bool) {
	w.Header().Set("Content-Type", "text/event-stream")
	chunk := func(choices []object, usage any) {
		data, _ := json.Marshal(object{"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": r.Model, "choices": choices, "usage": usage})
		fmt.Fprintf(w, "data: %s\n\n", data)
		_ = http.NewResponseController(w).Flush()
	}
	delta := func(delta object, finish any) {
		chunk([]object{{"index": 0, "delta": delta, "finish_reason": finish}}, nil)
	}
	delta(object{"role": "assistant", "content": ""}, nil)
	for piece := range r.Pieces {
		delta(object{"content": piece}, nil)
	}
	switch r.Ending {
	case backendtest.Cut:
		panic(http.ErrAbortHandler)
	case backendtest.Garbage:
		fmt.Fprint(w, "data: {\"choices\": [{\n\n")
		return
	case backendtest.Complete:
	}
	for _, c := range calls(r, true) { // in three pieces each, as servers do
		f := c["function"].(object)
		arguments := f["arguments"].(string)
		delta(object{"tool_calls": []object{{"index": c["index"], "id": c["id"], "type": "function", "function": object{"name": f["name"], "arguments": ""}}}}, nil)
		for _, part := range []string{arguments[:len(arguments)/2], arguments[len(arguments)/2:]} {
			delta(object{"tool_calls": []object{{"index": c["index"], "function": object{"arguments": part}}}}, nil)
		}
	}
	delta(object{}, r.Finish)
	if wantsUsage {
		chunk([]object{}, usage)
	}
	fmt.Fprint(w, "data: [DONE]\n\n")
}
