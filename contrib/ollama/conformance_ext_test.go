package ollama_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"go.uber.org/goleak"

	"github.com/maillon-go/maillon/contrib/ollama"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/session/backendtest"
	"github.com/maillon-go/maillon/stages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) { //nolint:paralleltest // the suite counts goroutines
	for name, can := range map[string]stages.Capabilities{
		"all":       {Streaming: true, Tools: true, Formats: true, Images: true},
		"text only": {Streaming: true},
	} {
		t.Run(name, func(t *testing.T) {
			backendtest.Run(t, backendtest.Subject{
				Without: []session.BackendErrorKind{session.BackendContentPolicy}, // models on one's own machine have none
				Start: func(tb testing.TB, s *backendtest.Service) session.Backend {
					tb.Helper()
					return backend(tb, serve(tb, func(w http.ResponseWriter, r *http.Request) {
						body, _ := io.ReadAll(r.Body)
						write(w, body, s.Reply(r.Context(), body))
					}), ollama.WithCapabilities(can))
				},
			})
		})
	}
}

func serve(tb testing.TB, h http.HandlerFunc) string {
	tb.Helper()
	s := httptest.NewServer(h)
	tb.Cleanup(func() {
		s.CloseClientConnections() // a request that goes on would hold up Close
		s.Close()
	})
	return s.URL
}

func backend(tb testing.TB, base string, opts ...ollama.Option) *ollama.Backend {
	tb.Helper()
	b, err := ollama.New(append([]ollama.Option{ollama.WithBaseURL(base), ollama.WithModel("model-1")}, opts...)...)
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
		Stream bool `json:"stream"`
	}
	_ = json.Unmarshal(request, &asked)
	if f := r.Failure; f != nil {
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(f.RetryAfter.Seconds())))
		}
		w.WriteHeader(f.Status)
		_ = json.NewEncoder(w).Encode(object{"error": f.Message})
		return
	}
	message := object{"role": "assistant", "content": ""}
	var calls []object
	for _, c := range r.ToolCalls {
		calls = append(calls, object{"function": object{"name": c.Name, "arguments": c.Arguments}})
	}
	if calls != nil {
		message["tool_calls"] = calls
	}
	done := object{
		"model": r.Model, "message": message, "done": true, "done_reason": r.Finish,
		"prompt_eval_count": r.Usage.InputTokens, "eval_count": r.Usage.OutputTokens,
	}
	if r.Finish == stages.FinishToolCalls {
		done["done_reason"] = "stop"
	}
	if !asked.Stream {
		message["content"] = r.Text()
		body, _ := json.Marshal(done)
		switch r.Ending {
		case backendtest.Cut:
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			_, _ = w.Write(body[:len(body)/2])
		case backendtest.Garbage:
			_, _ = w.Write([]byte("<html>"))
		case backendtest.Complete:
			_, _ = w.Write(body)
		}
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	for piece := range r.Pieces {
		line, _ := json.Marshal(object{"model": r.Model, "message": object{"role": "assistant", "content": piece}, "done": false})
		fmt.Fprintf(w, "%s\n", line)
		_ = http.NewResponseController(w).Flush()
	}
	switch r.Ending {
	case backendtest.Cut:
		panic(http.ErrAbortHandler)
	case backendtest.Garbage:
		fmt.Fprintln(w, "{{")
	case backendtest.Complete:
		_ = json.NewEncoder(w).Encode(done)
	}
}
