package ollama

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/session/backendhttp"
	"github.com/maillon-go/maillon/stages"
)

// DefaultBaseURL is where requests go without WithBaseURL.
const DefaultBaseURL = "http://127.0.0.1:11434"

// ErrOption means that New was given an option that makes no sense.
var ErrOption = errors.New("ollama: invalid option")

// errCutOff is the cause of a BackendTransportError.
var errCutOff = errors.New("ollama: the response ended before the answer did")

// Backend asks an Ollama server. Make one with New. Concurrency safe.
type Backend struct {
	model  string
	url    *url.URL
	header http.Header
	can    stages.Capabilities
	given  *http.Client
	client *http.Client
}

var (
	_ session.Streamer  = (*Backend)(nil)
	_ session.Describer = (*Backend)(nil)
)

// Option sets something about a Backend. A nil option is skipped.
type Option interface{ apply(*Backend) error }

type option func(*Backend) error

func (f option) apply(b *Backend) error { return f(b) }

func set(f func(*Backend)) Option {
	return option(func(b *Backend) error {
		f(b)
		return nil
	})
}

// WithModel sets the model to ask where a session does not choose one.
func WithModel(id string) Option { return set(func(b *Backend) { b.model = id }) }

// WithBaseURL sets the server, such as http://gpu.example:11434. As in OLLAMA_HOST, the scheme and the port may be left out.
func WithBaseURL(base string) Option {
	return option(func(b *Backend) error {
		if !strings.Contains(base, "://") {
			base = "http://" + base
			if u, err := url.Parse(base); err == nil && u.Port() == "" {
				u.Host += ":11434"
				base = u.String()
			}
		}
		u, err := url.Parse(base)
		if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
			return fmt.Errorf("%w: the base URL is not one of http or https", ErrOption) // it may hold a secret
		}
		b.url = u
		return nil
	})
}

// WithHeader sends a header with each request, several where it is given several times.
func WithHeader(key, value string) Option { return set(func(b *Backend) { b.header.Add(key, value) }) }

// WithCapabilities says what the model can do, by default all but adapters. What it cannot is refused without asking.
func WithCapabilities(can stages.Capabilities) Option { return set(func(b *Backend) { b.can = can }) }

// WithHTTPClient sets the client. Its Timeout, if any, is one for the whole answer. Otherwise the backend has one of its own,
// which Close closes.
func WithHTTPClient(client *http.Client) Option { return set(func(b *Backend) { b.given = client }) }

// New makes a backend. The error is ErrOption.
func New(opts ...Option) (*Backend, error) {
	b := &Backend{
		header: http.Header{}, client: &http.Client{},
		can: stages.Capabilities{Streaming: true, Tools: true, Formats: true, Images: true},
	}
	for _, o := range slices.Concat([]Option{WithBaseURL(DefaultBaseURL)}, opts) {
		if o == nil {
			continue
		}
		if err := o.apply(b); err != nil {
			return nil, err
		}
	}
	transport := http.DefaultTransport
	if b.given != nil {
		*b.client = *b.given
		if b.given.Transport != nil {
			transport = b.given.Transport
		}
	} else if t, ok := transport.(*http.Transport); ok {
		t = t.Clone()
		t.MaxIdleConnsPerHost = t.MaxIdleConns // all requests go to one host
		transport = t
	}
	b.client.Transport = backendhttp.Transport(transport)
	return b, nil
}

const name = "ollama"

// Describe says which model is asked, and what it can do.
func (b *Backend) Describe() stages.Backend {
	return stages.Backend{Name: name, Provider: b.url.Hostname(), Model: b.model, Capabilities: b.can}
}

// Close closes idle connections, unless they belong to a client of WithHTTPClient. Requests go on.
func (b *Backend) Close() error {
	if b.given == nil {
		b.client.CloseIdleConnections()
	}
	return nil
}

// Generate asks for an answer in one piece.
func (b *Backend) Generate(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
	return b.generate(ctx, g, nil)
}

// GenerateStream asks for an answer chunk by chunk. What there was of an answer that broke off is in the payload beside the
// error.
func (b *Backend) GenerateStream(ctx context.Context, g *stages.Generation, emit func(text string) error) (*stages.Generation, error) {
	return b.generate(ctx, g, emit)
}

func (b *Backend) generate(ctx context.Context, g *stages.Generation, emit func(text string) error) (*stages.Generation, error) {
	body, err := b.request(g, emit != nil)
	if err != nil {
		return nil, err
	}
	request, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(request, http.MethodPost, b.url.JoinPath("api", "chat").String(), bytes.NewReader(body))
	if err != nil {
		return nil, backendhttp.TransportError(ctx, name, err)
	}
	req.Header = b.header.Clone()
	req.Header.Set("Content-Type", "application/json")
	begun := time.Now()
	res, err := b.client.Do(req)
	if err != nil {
		return nil, backendhttp.TransportError(ctx, name, err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, backendhttp.StatusError(name, res, backendhttp.Clean(b.problem(res.Body), g))
	}
	a := assembly{begun: begun}
	err = a.read(res.Body, g, emit)
	switch {
	case err == nil:
		return g.Done(a.result()), nil
	case a.emitFailed:
	case ctx.Err() == nil && isForm(err):
		err = &session.BackendError{Kind: session.BackendTransportError, Backend: name, Status: res.StatusCode, Err: err}
	default:
		err = backendhttp.TransportError(ctx, name, err)
	}
	if a.text.Len() == 0 && a.calls.Len() == 0 {
		return nil, err
	}
	return g.Partial(a.result()), err
}

// isForm says that err is of what was read rather than of reading.
func isForm(err error) bool {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	return errors.As(err, &syntax) || errors.As(err, &kind) || errors.Is(err, errCutOff) || errors.Is(err, backendhttp.ErrTooLong)
}

// problem is what the server says went wrong.
func (b *Backend) problem(body io.Reader) string {
	var p struct {
		Error string `json:"error"`
	}
	_ = json.NewDecoder(io.LimitReader(body, 1<<16)).Decode(&p) // without words the status has to do
	return p.Error
}

// part is a line of a stream, or the whole answer.
type part struct {
	Model   string `json:"model"`
	Message struct {
		Content   string `json:"content"`
		ToolCalls []struct {
			ID       string `json:"id"`
			Function struct {
				Name      string          `json:"name"`
				Arguments json.RawMessage `json:"arguments"`
			} `json:"function"`
		} `json:"tool_calls"`
	} `json:"message"`
	Done       bool   `json:"done"`
	DoneReason string `json:"done_reason"`
	PromptEval int    `json:"prompt_eval_count"`
	Eval       int    `json:"eval_count"`
	Error      string `json:"error"` // where it fails after the answer has begun
}

// assembly puts an answer together from its lines.
type assembly struct {
	begun      time.Time
	first      time.Duration
	chunks     int
	text       strings.Builder
	calls      stages.List[stages.ToolCall]
	last       part
	raw        string
	emitFailed bool
}

// read reads to the line that says that the answer is done.
func (a *assembly) read(body io.Reader, g *stages.Generation, emit func(string) error) error {
	lines := bufio.NewReader(body)
	for {
		line, err := lines.ReadBytes('\n')
		if line = bytes.TrimSpace(line); len(line) == 0 {
			if errors.Is(err, io.EOF) {
				return errCutOff
			}
			if err != nil {
				return err
			}
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		var p part
		if err := json.Unmarshal(line, &p); err != nil {
			return err
		}
		if p.Error != "" {
			return &session.BackendError{Kind: session.BackendServerError, Backend: name, Status: http.StatusOK, Message: backendhttp.Clean(p.Error, g)}
		}
		if err := a.add(p, emit); err != nil {
			a.emitFailed = true
			return err
		}
		if p.Done {
			a.last, a.raw = p, string(line)
			return nil
		}
	}
}

func (a *assembly) add(p part, emit func(string) error) error {
	for _, c := range p.Message.ToolCalls {
		id := c.ID
		if id == "" {
			id = fmt.Sprintf("call-%d", a.calls.Len()+1)
		}
		a.calls = a.calls.Append(stages.ToolCall{ID: id, Name: c.Function.Name, Arguments: stages.JSON(c.Function.Arguments)})
	}
	text := p.Message.Content
	if text == "" {
		return nil
	}
	a.text.WriteString(text)
	if emit == nil {
		return nil
	}
	if a.chunks++; a.chunks == 1 {
		a.first = time.Since(a.begun)
	}
	return emit(text)
}

func (a *assembly) result() stages.GenerationResult {
	out := stages.Output{
		Text: a.text.String(), ToolCalls: a.calls, FinishReason: stages.FinishReason(a.last.DoneReason), Model: a.last.Model,
		Usage: stages.Usage{InputTokens: a.last.PromptEval, OutputTokens: a.last.Eval},
	}
	if a.chunks == 0 {
		out.Raw = stages.JSON(a.raw)
	}
	switch {
	case a.calls.Len() > 0:
		out.FinishReason = stages.FinishToolCalls // Ollama says stop
	case a.last.Done && out.FinishReason == "":
		out.FinishReason = stages.FinishStop
	}
	return stages.GenerationResult{
		Output: out, HTTPStatus: http.StatusOK, Chunks: a.chunks, Latency: time.Since(a.begun), FirstChunk: a.first, Source: stages.SourceBackend,
	}
}
