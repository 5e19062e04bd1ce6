package openai_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/maillon-go/maillon/contrib/openai"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

func ask(f stages.GenerationFields, texts ...string) *stages.Generation {
	for _, text := range texts {
		f.Messages = f.Messages.Append(stages.Message{Role: stages.RoleUser, Text: text})
	}
	return stages.NewGeneration(stages.Meta{}, f)
}

const yes = `{"id":"c1","object":"chat.completion","model":"model-1-a","choices":[{"index":0,"message":{"role":"assistant","content":"Yes."},"finish_reason":"stop"}],` +
	`"usage":{"prompt_tokens":9,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":4}}}`

func reply(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprint(w, body)
}

func events(w http.ResponseWriter, data ...string) {
	w.Header().Set("Content-Type", "text/event-stream")
	for _, d := range data {
		fmt.Fprintf(w, "data: %s\n\n", d)
	}
}

const strictSchema = `{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"],"additionalProperties":false}`

// One request that has everything, as the server gets it.
func TestRequestOnTheWire(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "sk-of-the-environment")
	t.Setenv("OPENAI_ORG_ID", "org-of-the-environment")
	var got any
	var header http.Header
	b := backend(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != "/v1/chat/completions" {
			t.Errorf("%s %s", r.Method, r.URL.Path)
		}
		header = r.Header
		_ = json.NewDecoder(r.Body).Decode(&got)
		reply(w, yes)
	}), openai.WithHeader("X-Team", "harbour"), openai.WithHeader("X-Team", "pilots"))
	g := ask(stages.GenerationFields{
		Backend: stages.Backend{Model: "model-2"},
		Messages: stages.ListOf(
			stages.Message{Role: stages.RoleSystem, Text: "Be brief."},
			stages.Message{Role: stages.RoleUser, Text: "Look.", Name: "ines", Images: stages.ListOf(
				stages.Image{URL: "https://harbour.example/a.png"}, stages.Image{Base64: "R0lGODlhAQABAAAAACw="},
			)},
			stages.Message{Role: stages.RoleAssistant, ToolCalls: stages.ListOf(stages.ToolCall{ID: "a", Name: "tide", Arguments: `{"at":1}`})},
			stages.Message{Role: stages.RoleTool, Name: "tide", ToolCallID: "a", Text: "06:40"},
		),
		ModelOptions: stages.ModelOptions{
			Temperature: stages.Some(0.5), TopP: stages.Some(0.9), MaxTokens: stages.Some(7), Seed: stages.Some(int64(3)), Stop: stages.ListOf("END"),
			Extra: stages.MapOf(map[string]any{"logprobs": true, "top_logprobs": 2, "guided.regex": "[a-z]+"}),
		},
		Tools:  stages.ListOf(stages.Callable{Name: "tide", Description: "finds it", Parameters: `{"type":"object"}`}),
		Format: stages.Format{Name: "the tide", Schema: strictSchema},
	})
	out, err := b.Generate(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	if o := out.Output(); o.Text != "Yes." || o.Model != "model-1-a" || o.Usage != (stages.Usage{InputTokens: 9, CachedTokens: 4, OutputTokens: 2}) || string(o.Raw) != yes {
		t.Errorf("got %+v", o)
	}
	var want any
	if err := json.Unmarshal([]byte(`{
		"model": "model-2", "temperature": 0.5, "top_p": 0.9, "max_tokens": 7, "seed": 3, "stop": ["END"],
		"logprobs": true, "top_logprobs": 2, "guided.regex": "[a-z]+",
		"messages": [
			{"role":"system","content":"Be brief."},
			{"role":"user","name":"ines","content":[
				{"type":"text","text":"Look."},
				{"type":"image_url","image_url":{"url":"https://harbour.example/a.png"}},
				{"type":"image_url","image_url":{"url":"data:image/gif;base64,R0lGODlhAQABAAAAACw="}}
			]},
			{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"tide","arguments":"{\"at\":1}"}}]},
			{"role":"tool","content":"06:40","tool_call_id":"a"}
		],
		"tools": [{"type":"function","function":{"name":"tide","description":"finds it","parameters":{"type":"object"}}}],
		"response_format": {"type":"json_schema","json_schema":{"name":"the_tide","strict":true,"schema":`+strictSchema+`}}
	}`), &want); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if header.Get("Authorization") != "Bearer sk-secret" || !reflect.DeepEqual(header.Values("X-Team"), []string{"harbour", "pilots"}) ||
		header.Get("OpenAI-Organization") != "" {
		t.Errorf("headers %v", header)
	}
}

func TestNoKeyIsSentWithoutOne(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "sk-of-the-environment")
	b, err := openai.New(openai.WithModel("m"), openai.WithBaseURL(serve(t, func(w http.ResponseWriter, r *http.Request) {
		if h := r.Header.Get("Authorization"); h != "" {
			t.Errorf("sent %q", h)
		}
		reply(w, yes)
	})))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	if _, err := b.Generate(t.Context(), ask(stages.GenerationFields{}, "The tide")); err != nil {
		t.Fatal(err)
	}
}

func TestFormatIsStrictWhereItCanBe(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, schema string
		strict       bool
	}{
		{"strict", strictSchema, true},
		{"no object", `{"type":"string"}`, true},
		{"a property that is not required", `{"type":"object","properties":{"a":{},"b":{}},"required":["a"],"additionalProperties":false}`, false},
		{"further properties", `{"type":"object","properties":{"a":{}},"required":["a"]}`, false},
		{"deep inside", `{"type":"array","items":{"anyOf":[{"type":"object"}]}}`, false},
		{"any object", `{"type":"object"}`, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := backend(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if got := strings.Contains(string(body), `"strict":true`); got != tc.strict {
					t.Errorf("strict %v: %s", got, body)
				}
				reply(w, yes)
			}))
			if _, err := b.Generate(t.Context(), ask(stages.GenerationFields{Format: stages.Format{Schema: stages.JSON(tc.schema)}}, "The tide")); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// Log-probabilities are read in the same way, streamed or not.
func TestLogProbs(t *testing.T) {
	t.Parallel()
	b := backend(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		const hi, ho = `{"token":"Hi","logprob":-0.25,"top_logprobs":[{"token":"Hi","logprob":-0.25},{"token":"Oh","logprob":-2}]}`, `{"token":" ho","logprob":-0.5,"top_logprobs":[]}`
		if strings.Contains(string(body), `"stream":true`) {
			events(w,
				`{"choices":[{"index":0,"delta":{"content":"Hi"},"logprobs":{"content":[`+hi+`]}}]}`,
				`{"choices":[{"index":0,"delta":{"content":" ho"},"logprobs":{"content":[`+ho+`]},"finish_reason":"stop"}]}`, `[DONE]`)
			return
		}
		reply(w, `{"choices":[{"index":0,"message":{"content":"Hi ho"},"finish_reason":"stop","logprobs":{"content":[`+hi+`,`+ho+`]}}]}`)
	}))
	g := ask(stages.GenerationFields{ModelOptions: stages.ModelOptions{Extra: stages.MapOf(map[string]any{"logprobs": true, "top_logprobs": 2})}}, "Say hi")
	unary, err := b.Generate(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	streamed, err := b.GenerateStream(t.Context(), g, func(string) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	want := []openai.TokenLogProb{
		{Token: "Hi", LogProb: -0.25, Top: []openai.TokenLogProb{{Token: "Hi", LogProb: -0.25}, {Token: "Oh", LogProb: -2}}},
		{Token: " ho", LogProb: -0.5, Top: []openai.TokenLogProb{}},
	}
	for way, out := range map[string]*stages.Generation{"unary": unary, "streamed": streamed} {
		if got, err := openai.LogProbs(out.Output().Raw); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v", way, got, err)
		}
	}
	if streamed.Chunks() != 2 || streamed.FirstChunk() <= 0 || streamed.HTTPStatus() != http.StatusOK {
		t.Errorf("%d chunks, the first after %v, status %d", streamed.Chunks(), streamed.FirstChunk(), streamed.HTTPStatus())
	}
	if _, err := openai.LogProbs("{"); err == nil {
		t.Error("no error for what is no JSON")
	}
}

// What a server may do wrong, or just differently, beside what the conformance suite has.
func TestMisbehaviour(t *testing.T) {
	t.Parallel()
	const half = `{"choices":[{"index":0,"delta":{"content":"half"}}]}`
	for _, tc := range []struct {
		name    string
		stream  bool
		serve   func(w http.ResponseWriter)
		kind    session.BackendErrorKind
		says    string
		partial string
	}{
		{"nothing", false, func(http.ResponseWriter) {}, session.BackendTransportError, "", ""},
		{"an empty stream", true, func(http.ResponseWriter) {}, session.BackendTransportError, "ended before", ""},
		{"another content", false, func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<html>log in first</html>")
		}, session.BackendTransportError, "", ""},
		{"another content for a stream", true, func(w http.ResponseWriter) { fmt.Fprint(w, "<html>log in first</html>") }, session.BackendTransportError, "", ""},
		{"no choice", false, func(w http.ResponseWriter) { reply(w, `{"choices":[]}`) }, session.BackendTransportError, "no choice", ""},
		{"JSON of another kind", false, func(w http.ResponseWriter) { reply(w, `[1]`) }, session.BackendTransportError, "", ""},
		{"a stream that ends early, in good order", true, func(w http.ResponseWriter) { events(w, half) }, session.BackendTransportError, "ended before", "half"},
		{"a stream that is done, but not finished", true, func(w http.ResponseWriter) { events(w, half, "[DONE]") }, session.BackendTransportError, "ended before", "half"},
		{"an error in a stream", true, func(w http.ResponseWriter) {
			events(w, half, `{"error":{"message":"out of memory","type":"server_error"}}`)
		}, session.BackendServerError, "out of memory", "half"},
		{"an error in a stream, by its number", true, func(w http.ResponseWriter) {
			events(w, `{"error":{"message":"slow down","code":429}}`)
		}, session.BackendRateLimit, "slow down", ""},
		{"a wrong key, in a stream", true, func(w http.ResponseWriter) {
			events(w, `{"error":{"message":"Incorrect API key: sk-secret","type":"invalid_request_error","code":"invalid_api_key"}}`)
		}, session.BackendAuth, "Incorrect API key: …", ""},
		{"an error that is a text", true, func(w http.ResponseWriter) { events(w, `{"error":"broken"}`) }, session.BackendServerError, "broken", ""},
		{"an error with a status of success", false, func(w http.ResponseWriter) {
			reply(w, `{"error":{"message":"no such model","type":"invalid_request_error","code":"model_not_found"}}`)
		}, session.BackendInvalidRequest, "no such model", ""},
		{"an error at the top", false, func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"object":"error","message":"too long","type":"BadRequestError","code":400}`)
		}, session.BackendInvalidRequest, "too long", ""},
		{"an error in words of a proxy", false, func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusBadGateway)
			fmt.Fprint(w, "<html>bad gateway</html>")
		}, session.BackendServerError, "HTTP 502", ""},
		{"retry after in milliseconds", false, func(w http.ResponseWriter) {
			w.Header().Set("Retry-After-Ms", "1500")
			w.WriteHeader(http.StatusTooManyRequests)
		}, session.BackendRateLimit, "", ""},
		{"an answer that was withheld", false, func(w http.ResponseWriter) {
			reply(w, `{"choices":[{"message":{"content":""},"finish_reason":"content_filter"}]}`)
		}, session.BackendContentPolicy, "withheld", ""},
		{"a refusal", true, func(w http.ResponseWriter) {
			events(w, `{"choices":[{"index":0,"delta":{"refusal":"I will not say where the harbour is"}}]}`, `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`)
		}, session.BackendContentPolicy, "refuses", ""},
		{"a line without an end", true, func(w http.ResponseWriter) {
			line := []byte(strings.Repeat("x", 1<<20))
			for range 65 {
				if _, err := w.Write(line); err != nil {
					return
				}
			}
		}, session.BackendTransportError, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := backend(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				tc.serve(w)
			}))
			var got *stages.Generation
			var err error
			if g := ask(stages.GenerationFields{}, "The tide"); tc.stream {
				got, err = b.GenerateStream(t.Context(), g, func(string) error { return nil })
			} else {
				got, err = b.Generate(t.Context(), g)
			}
			var e *session.BackendError
			if !errors.As(err, &e) || e.Kind != tc.kind || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("got %v, want kind %s and %q in it", err, tc.kind, tc.says)
			}
			if strings.Contains(err.Error(), "html") || strings.Contains(err.Error(), "harbour") || strings.Contains(err.Error(), "sk-secret") {
				t.Errorf("the error tells too much: %v", err)
			}
			if strings.HasPrefix(tc.name, "retry after") && e.RetryAfter != 1500*time.Millisecond {
				t.Errorf("retry after %v", e.RetryAfter)
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
		if !errors.As(err, &e) || e.Kind != session.BackendTransportError {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a client's own timeout", func(t *testing.T) {
		t.Parallel()
		b := backend(t, serve(t, func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}), openai.WithHTTPClient(&http.Client{Timeout: 50 * time.Millisecond, Transport: http.DefaultTransport.(*http.Transport).Clone()}))
		_, err := b.Generate(t.Context(), ask(stages.GenerationFields{}, "The tide"))
		var e *session.BackendError
		if !errors.As(err, &e) || e.Kind != session.BackendTimeout {
			t.Errorf("got %v", err)
		}
	})
}

// Some servers give all tool calls the index 0, and an id to each; usage may come with the last chunk or never.
func TestOddStreams(t *testing.T) {
	t.Parallel()
	b := backend(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
		events(w,
			`{"choices":[{"index":1,"delta":{"content":"of another choice"}}]}`,
			`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"tide","arguments":"{}"}}]}}]}`,
			`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"b","function":{"name":"moon","arguments":"{\"x\":"}}]}}]}`,
			`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":3,"completion_tokens":4}}`)
	}))
	got, err := b.GenerateStream(t.Context(), ask(stages.GenerationFields{}, "The tide"), func(string) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	want := []stages.ToolCall{{ID: "a", Name: "tide", Arguments: "{}"}, {ID: "b", Name: "moon", Arguments: `{"x":1}`}}
	if o := got.Output(); !reflect.DeepEqual(o.ToolCalls.Slice(), want) || o.Text != "" || o.Usage.Total() != 7 || o.FinishReason != stages.FinishToolCalls {
		t.Errorf("got %+v", o)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		fields stages.GenerationFields
		says   string
	}{
		{"what the backend sets itself", stages.GenerationFields{ModelOptions: stages.ModelOptions{Extra: stages.MapOf(map[string]any{"n": 2, "model": "x"})}}, "extra option model, extra option n"},
		{"an option without a JSON form", stages.GenerationFields{ModelOptions: stages.ModelOptions{Extra: stages.MapOf(map[string]any{"f": func() {}})}}, "extra option f"},
		{"an empty image", stages.GenerationFields{Messages: stages.ListOf(stages.Message{Role: stages.RoleUser, Images: stages.ListOf(stages.Image{})})}, "image 0"},
		{"an image that is none", stages.GenerationFields{Messages: stages.ListOf(stages.Message{Role: stages.RoleUser, Images: stages.ListOf(stages.Image{Base64: "!"})})}, "base64"},
		{"an image of a tool", stages.GenerationFields{Messages: stages.ListOf(stages.Message{Role: stages.RoleTool, Images: stages.ListOf(stages.Image{URL: "x"})})}, "images in a message of role tool"},
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
	t.Run("no model", func(t *testing.T) {
		t.Parallel()
		_, err := backend(t, "http://127.0.0.1:1", openai.WithModel("")).Generate(t.Context(), ask(stages.GenerationFields{}))
		if err == nil || !strings.Contains(err.Error(), "WithModel") {
			t.Errorf("got %v", err)
		}
	})
}

func TestNew(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"", "ftp://x", "http://", "localhost:8000", "http://a b"} {
		if _, err := openai.New(openai.WithBaseURL(base)); !errors.Is(err, openai.ErrOption) {
			t.Errorf("base URL %q: got %v", base, err)
		}
	}
	b, err := openai.New(nil, openai.WithModel("m"), openai.WithName("work"))
	if err != nil {
		t.Fatal(err)
	}
	want := stages.Backend{Name: "work", Provider: "api.openai.com", Model: "m", Capabilities: stages.Capabilities{Streaming: true, Tools: true, Formats: true, Images: true}}
	if got := b.Describe(); got != want {
		t.Errorf("got %+v", got)
	}
}

// OpenAI itself is asked for max_completion_tokens.
func TestMaxTokensOfOpenAI(t *testing.T) {
	t.Parallel()
	var body []byte
	b, err := openai.New(openai.WithModel("m"), openai.WithHTTPClient(&http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		body, _ = io.ReadAll(r.Body)
		return nil, errors.New("no network")
	})}))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = b.Generate(t.Context(), ask(stages.GenerationFields{ModelOptions: stages.ModelOptions{MaxTokens: stages.Some(5)}}, "The tide"))
	if s := string(body); !strings.Contains(s, `"max_completion_tokens":5`) || strings.Contains(s, `"max_tokens"`) {
		t.Errorf("got %s", s)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
