package openai

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	sdk "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/session/backendhttp"
	"github.com/maillon-go/maillon/stages"
)

// DefaultBaseURL is where requests go without WithBaseURL.
const DefaultBaseURL = "https://api.openai.com/v1"

// ErrOption means that New was given an option that makes no sense.
var ErrOption = errors.New("openai: invalid option")

// Backend asks a server for chat completions. Make one with New. Concurrency safe.
type Backend struct {
	cfg         config
	completions sdk.ChatCompletionService
	client      *http.Client
}

var (
	_ session.Streamer      = (*Backend)(nil)
	_ session.Describer     = (*Backend)(nil)
	_ session.AdapterLoader = (*Backend)(nil)
)

type config struct {
	name, model, key string
	baseURL          *url.URL
	header           http.Header
	client           *http.Client
	can              stages.Capabilities
}

// Option sets something about a Backend. A nil option is skipped.
type Option interface{ apply(*config) error }

type optionFunc func(*config) error

func (f optionFunc) apply(c *config) error { return f(c) }

func set(f func(*config)) Option {
	return optionFunc(func(c *config) error {
		f(c)
		return nil
	})
}

// WithModel sets the model to ask where a session does not choose one.
func WithModel(id string) Option { return set(func(c *config) { c.model = id }) }

// WithKey sets the key that is sent as a bearer token. Without one none is sent.
func WithKey(key string) Option { return set(func(c *config) { c.key = key }) }

// WithBaseURL sets the server, such as http://localhost:8000/v1.
func WithBaseURL(base string) Option {
	return optionFunc(func(c *config) error {
		u, err := url.Parse(base)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return fmt.Errorf("%w: the base URL is not one of http or https", ErrOption) // it may hold a secret
		}
		c.baseURL = u
		return nil
	})
}

// WithHeader sends a header with each request, several where it is given several times.
func WithHeader(key, value string) Option { return set(func(c *config) { c.header.Add(key, value) }) }

// WithName sets the name of the backend in payloads and errors. It is "openai" otherwise.
func WithName(name string) Option { return set(func(c *config) { c.name = name }) }

// WithCapabilities says what the server and its models can do, by default all but adapters. What they cannot is refused
// without asking. Adapters need a server with the endpoints load_lora_adapter and unload_lora_adapter, such as vLLM.
func WithCapabilities(can stages.Capabilities) Option { return set(func(c *config) { c.can = can }) }

// WithHTTPClient sets the client. Its Timeout, if any, is one for the whole answer. Otherwise the backend has one of its own,
// which Close closes.
func WithHTTPClient(client *http.Client) Option { return set(func(c *config) { c.client = client }) }

// New makes a backend. The error is ErrOption.
func New(opts ...Option) (*Backend, error) {
	cfg := config{
		name: "openai", header: http.Header{},
		can: stages.Capabilities{Streaming: true, Tools: true, Formats: true, Images: true},
	}
	for _, o := range slices.Concat([]Option{WithBaseURL(DefaultBaseURL)}, opts) {
		if o == nil {
			continue
		}
		if err := o.apply(&cfg); err != nil {
			return nil, err
		}
	}
	b := &Backend{cfg: cfg, client: &http.Client{}}
	transport := http.DefaultTransport
	if cfg.client != nil {
		*b.client = *cfg.client
		if cfg.client.Transport != nil {
			transport = cfg.client.Transport
		}
	} else if t, ok := transport.(*http.Transport); ok {
		t = t.Clone()
		t.MaxIdleConnsPerHost = t.MaxIdleConns // all requests go to one host
		transport = t
	}
	b.client.Transport = backendhttp.Transport(transport)
	b.completions = sdk.NewChatCompletionService(b.options()...)
	return b, nil
}

// options are for the SDK. It retries nothing, and reads nothing from the environment, as its NewClient would.
func (b *Backend) options() []option.RequestOption {
	out := []option.RequestOption{
		option.WithBaseURL(b.cfg.baseURL.String()), option.WithHTTPClient(b.client), option.WithMaxRetries(0),
	}
	if b.cfg.key != "" {
		out = append(out, option.WithAPIKey(b.cfg.key))
	}
	for k, values := range b.cfg.header {
		out = append(out, option.WithHeaderDel(k))
		for _, v := range values {
			out = append(out, option.WithHeaderAdd(k, v))
		}
	}
	return out
}

// Describe says which model is asked, and what it can do.
func (b *Backend) Describe() stages.Backend {
	return stages.Backend{Name: b.cfg.name, Provider: b.cfg.baseURL.Hostname(), Model: b.cfg.model, Capabilities: b.cfg.can}
}

// Close closes idle connections, unless they belong to a client of WithHTTPClient. Requests go on.
func (b *Backend) Close() error {
	if b.cfg.client == nil {
		b.client.CloseIdleConnections()
	}
	return nil
}

// Generate asks for an answer in one piece.
func (b *Backend) Generate(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
	params, err := b.params(g)
	if err != nil {
		return nil, err
	}
	var res *http.Response
	begun := time.Now()
	c, err := b.completions.New(ctx, params, option.WithResponseInto(&res))
	if err != nil {
		return nil, b.failed(ctx, g, res, err)
	}
	if p := problemIn(c.RawJSON()); p != nil {
		return nil, b.refused(g, res, p)
	}
	if len(c.Choices) == 0 {
		return nil, b.noAnswer(res, errNoChoice)
	}
	choice := c.Choices[0]
	out := stages.Output{
		Text: choice.Message.Content, FinishReason: finishReason(choice.FinishReason), Usage: usageOf(c.Usage),
		Model: c.Model, Raw: stages.JSON(c.RawJSON()),
	}
	for _, call := range choice.Message.ToolCalls {
		out.ToolCalls = out.ToolCalls.Append(stages.ToolCall{
			ID: call.ID, Name: call.Function.Name, Arguments: stages.JSON(call.Function.Arguments),
		})
	}
	return b.done(g, stages.GenerationResult{
		Output: out, HTTPStatus: res.StatusCode, Latency: time.Since(begun), Source: stages.SourceBackend,
	}, choice.Message.Refusal)
}

// done is an answer, unless its provider has withheld all of it.
func (b *Backend) done(g *stages.Generation, res stages.GenerationResult, refusal string) (*stages.Generation, error) {
	if out := res.Output; out.Text == "" && out.ToolCalls.Len() == 0 && (refusal != "" || out.FinishReason == stages.FinishFiltered) {
		e := &session.BackendError{Kind: session.BackendContentPolicy, Backend: b.cfg.name, Status: res.HTTPStatus, Message: "the answer was withheld"}
		if refusal != "" {
			e.Message = "the model refuses to answer" // how it puts it is content, and in Raw
		}
		return g.Partial(res), e
	}
	return g.Done(res), nil
}

func usageOf(u sdk.CompletionUsage) stages.Usage {
	return stages.Usage{
		InputTokens: int(u.PromptTokens), CachedTokens: int(u.PromptTokensDetails.CachedTokens), OutputTokens: int(u.CompletionTokens),
	}
}

func finishReason(s string) stages.FinishReason {
	if s == "function_call" { // of old servers
		return stages.FinishToolCalls
	}
	return stages.FinishReason(s)
}

// isOpenAI says that the server is OpenAI's own.
func (b *Backend) isOpenAI() bool {
	host := b.cfg.baseURL.Hostname()
	return host == "openai.com" || strings.HasSuffix(host, ".openai.com")
}
