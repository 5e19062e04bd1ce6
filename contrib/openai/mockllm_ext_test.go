package openai_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/maillon-go/maillon/contrib/openai"
	"github.com/maillon-go/maillon/internal/testneed"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// The rules of the foreign server: of those that match, the last one counts.
const mockRules = `
streaming: {chunkSize: 5, chunkIntervalMs: 1}
rules:
  - path: /v1/chat/completions
    match: "@"
    response:
      status: 200
      content: |
        {"id": "c1", "object": "chat.completion", "model": "{{jmes request body.model}}",
         "choices": [{"index": 0, "message": {"role": "assistant", "content": "{{jmes request body.messages[-1].content}}"}, "finish_reason": "stop"}],
         "usage": {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17, "prompt_tokens_details": {"cached_tokens": 8}},
         "request": {{jmes request body}}, "authorization": "{{jmes request headers.authorization}}"}
  - path: /v1/chat/completions
    match: "contains(body.messages[-1].content, 'slowly')"
    response:
      status: 200
      content: '{"model": "m", "choices": [{"message": {"content": "` + "{{jmes request body.messages[0].content}}" + `"}, "finish_reason": "stop"}]}'
  - path: /v1/chat/completions
    match: "body.response_format.json_schema.schema.properties.height"
    response:
      status: 200
      content: '{"model": "m", "choices": [{"message": {"content": "{\"height\": 42}"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}'
  - path: /v1/chat/completions
    match: "body.tools[0].function.name == 'lookup_tide' && body.messages[-1].role == 'user'"
    response:
      status: 200
      content: |
        {"model": "m", "choices": [{"message": {"role": "assistant", "content": null, "tool_calls": [
          {"id": "call_9", "type": "function", "function": {"name": "lookup_tide", "arguments": "{\"harbour\": \"north\"}"}}]}, "finish_reason": "tool_calls"}],
         "usage": {"prompt_tokens": 1, "completion_tokens": 2}}
  - path: /v1/chat/completions
    match: "body.messages[-1].role == 'tool' && body.messages[-1].tool_call_id == 'call_9'"
    response:
      status: 200
      content: '{"model": "m", "choices": [{"message": {"content": "It is at {{jmes request body.messages[-1].content}}."}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}'
  - path: /v1/chat/completions
    match: "body.messages[-1].content == 'error-401'"
    response: {status: 401, content: '{"error": {"message": "Incorrect API key provided.", "type": "invalid_request_error", "param": null, "code": "invalid_api_key"}}'}
  - path: /v1/chat/completions
    match: "body.messages[-1].content == 'error-404'"
    response: {status: 404, content: '{"error": {"message": "The model does not exist.", "type": "invalid_request_error", "param": null, "code": "model_not_found"}}'}
  - path: /v1/chat/completions
    match: "body.messages[-1].content == 'error-429'"
    response: {status: 429, content: '{"error": {"message": "Rate limit reached.", "type": "requests", "param": null, "code": "rate_limit_exceeded"}}'}
  - path: /v1/chat/completions
    match: "body.messages[-1].content == 'error-filter'"
    response: {status: 400, content: '{"error": {"message": "The prompt was filtered.", "type": null, "param": "prompt", "code": "content_filter"}}'}
  - path: /v1/chat/completions
    match: "body.messages[-1].content == 'error-500'"
    response: {status: 500, content: '{"error": {"message": "The server had an error.", "type": "server_error", "param": null, "code": null}}'}
  - path: /v1/load_lora_adapter
    match: "body.lora_name == 'tides' && body.lora_path == '/adapters/tides'"
    response: {status: 200, content: '{"ok": true}'}
  - path: /v1/unload_lora_adapter
    match: "body.lora_name == 'tides'"
    response: {status: 200, content: '{"ok": true}'}
`

// mockLLM starts the independent server and gives its base URL.
func mockLLM(t *testing.T) string {
	t.Helper()
	dir := testneed.NPM(t, "@dwmkerr/mock-llm", "0.1.29")
	rules := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(rules, []byte(mockRules), 0o600); err != nil {
		t.Fatal(err)
	}
	var said string
	for range 5 { // the port may be taken before the server listens
		port := freePort(t)
		var ready bool
		if ready, said = startMockLLM(t, dir, rules, port); ready {
			return "http://127.0.0.1:" + port + "/v1"
		}
	}
	t.Fatalf("mock-llm does not start:\n%s", said)
	return ""
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// startMockLLM starts the server, which ends with the test, and waits until it says that it listens.
func startMockLLM(t *testing.T, dir, rules, port string) (ready bool, said string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "node", filepath.Join(dir, "node_modules", "@dwmkerr", "mock-llm", "dist", "main.js"), "--config", rules)
	cmd.Env = append(os.Environ(), "HOST=127.0.0.1", "PORT="+port)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var wrong strings.Builder
	cmd.Stderr = &wrong
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	up, over := make(chan bool, 1), make(chan struct{})
	go func() {
		defer close(over)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if strings.Contains(lines.Text(), "server running on") {
				up <- true
			}
		}
		close(up)
	}()
	end := func() {
		cancel()
		<-over
		_ = cmd.Wait()
	}
	patience := time.AfterFunc(30*time.Second, cancel)
	ready = <-up
	patience.Stop()
	if !ready {
		end()
		return false, wrong.String()
	}
	t.Cleanup(end)
	return true, ""
}

// All of it against a server that others have written, of which the backend knows nothing.
func TestAgainstMockLLM(t *testing.T) { //nolint:paralleltest // the server is one for all
	base := mockLLM(t)
	b := backend(t, base, openai.WithCapabilities(stages.Capabilities{Streaming: true, Tools: true, Formats: true, Images: true, Adapters: true}))
	discard := func(string) error { return nil }

	t.Run("unary and streamed", func(t *testing.T) {
		const text = "High water is at 06:40, low water at 12:55. Été, 日本."
		g := ask(stages.GenerationFields{}, text)
		unary, err := b.Generate(t.Context(), g)
		if err != nil {
			t.Fatal(err)
		}
		var pieces []string
		streamed, err := b.GenerateStream(t.Context(), g, func(s string) error {
			pieces = append(pieces, s)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if o := unary.Output(); o.Text != text || o.Model != "model-1" || o.Usage != (stages.Usage{InputTokens: 12, CachedTokens: 8, OutputTokens: 5}) {
			t.Errorf("unary %+v", o)
		}
		o := streamed.Output()
		if o.Text != text || strings.Join(pieces, "") != text || len(pieces) < 10 || streamed.Chunks() != len(pieces) || o.FinishReason != stages.FinishStop {
			t.Errorf("streamed %+v in %d pieces", o, len(pieces))
		}
		if o.Usage != (stages.Usage{}) {
			t.Errorf("the server tells no usage in streams, got %+v", o.Usage)
		}
	})
	t.Run("the request as the server understood it", func(t *testing.T) {
		out, err := b.Generate(t.Context(), ask(stages.GenerationFields{ModelOptions: stages.ModelOptions{
			Temperature: stages.Some(0.5), TopP: stages.Some(0.9), MaxTokens: stages.Some(7), Seed: stages.Some(int64(3)), Stop: stages.ListOf("END"),
			Extra: stages.MapOf(map[string]any{"logprobs": true, "top_logprobs": 2}),
		}}, "The tide"))
		if err != nil {
			t.Fatal(err)
		}
		var raw struct {
			Request       json.RawMessage `json:"request"`
			Authorization string          `json:"authorization"`
		}
		if err := json.Unmarshal([]byte(out.Output().Raw), &raw); err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{
			`"temperature":0.5`, `"top_p":0.9`, `"max_tokens":7`, `"seed":3`, `"stop":["END"]`, `"logprobs":true`, `"top_logprobs":2`, `"model":"model-1"`,
		} {
			if !strings.Contains(string(raw.Request), part) {
				t.Errorf("no %s in %s", part, raw.Request)
			}
		}
		if raw.Authorization != "Bearer sk-secret" {
			t.Errorf("authorization %q", raw.Authorization)
		}
	})
	t.Run("a format", func(t *testing.T) {
		f := stages.Format{Name: "tide", Schema: `{"type":"object","properties":{"height":{"type":"integer"}}}`}
		out, err := b.Generate(t.Context(), ask(stages.GenerationFields{Format: f}, "How high?"))
		if err != nil || out.Output().Text != `{"height": 42}` {
			t.Errorf("got %+v, %v", out, err)
		}
	})
	t.Run("a session with a tool", func(t *testing.T) {
		s, err := session.Start(t.Context(), session.WithBackend(session.BackendFunc(b.Generate)), session.WithModel("m"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close(context.Background()) }()
		var asked string
		res, err := s.Instruct(t.Context(), "When is high water?", session.Tools(stages.Callable{
			Name: "lookup_tide", Description: "Finds it", Parameters: `{"type":"object","properties":{"harbour":{"type":"string"}}}`,
			Call: func(_ context.Context, arguments json.RawMessage) (any, error) {
				asked = string(arguments)
				return "06:40", nil
			},
		}))
		if err != nil || res.Text() != "It is at 06:40." || asked != `{"harbour": "north"}` || res.Usage.Total() != 10 {
			t.Errorf("got %v, %v, arguments %s", res, err, asked)
		}
	})
	t.Run("errors", func(t *testing.T) {
		for text, want := range map[string]session.BackendErrorKind{
			"error-401": session.BackendAuth, "error-404": session.BackendInvalidRequest, "error-429": session.BackendRateLimit,
			"error-filter": session.BackendContentPolicy, "error-500": session.BackendServerError,
		} {
			g := ask(stages.GenerationFields{}, text)
			_, unary := b.Generate(t.Context(), g)
			_, streamed := b.GenerateStream(t.Context(), g, discard) // the server says so with a status of success
			for way, err := range map[string]error{"unary": unary, "streamed": streamed} {
				var e *session.BackendError
				if !errors.As(err, &e) || e.Kind != want || e.Message == "" {
					t.Errorf("%s, %s: got %v, want kind %s", text, way, err, want)
				}
			}
		}
	})
	t.Run("an adapter", func(t *testing.T) {
		settings := stages.MapOf(map[string]any{"lora_path": "/adapters/tides"})
		if err := errors.Join(b.LoadAdapter(t.Context(), "tides", settings), b.UnloadAdapter(t.Context(), "tides")); err != nil {
			t.Error(err)
		}
		var e *session.BackendError
		if err := b.UnloadAdapter(t.Context(), "moons"); !errors.As(err, &e) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("nobody wants the rest", func(t *testing.T) {
		g := ask(stages.GenerationFields{}, strings.Repeat("word ", 500), "slowly")
		_, err := b.GenerateStream(t.Context(), g, func(string) error { return io.ErrClosedPipe })
		if !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("got %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		_, err = b.GenerateStream(ctx, g, func(string) error {
			cancel()
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("many at once", func(t *testing.T) {
		errs := make(chan error, 32)
		for i := range cap(errs) {
			go func() {
				text := fmt.Sprintf("note %d of the tide", i)
				ways := []func() (*stages.Generation, error){
					func() (*stages.Generation, error) {
						return b.Generate(t.Context(), ask(stages.GenerationFields{}, text))
					},
					func() (*stages.Generation, error) {
						return b.GenerateStream(t.Context(), ask(stages.GenerationFields{}, text), discard)
					},
				}
				out, err := ways[i%2]()
				if err == nil && out.Output().Text != text {
					err = fmt.Errorf("got %q, want %q", out.Output().Text, text)
				}
				errs <- err
			}()
		}
		var all []error
		for range cap(errs) {
			all = append(all, <-errs)
		}
		if err := errors.Join(slices.DeleteFunc(all, func(err error) bool { return err == nil })...); err != nil {
			t.Error(err)
		}
	})
}
