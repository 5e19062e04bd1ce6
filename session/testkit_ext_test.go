package session_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start starts a session on a pipeline of its own and closes it at the end of the test.
func start(tb testing.TB, opts ...session.Option) *session.Session {
	tb.Helper()
	p := stages.NewPipeline(stages.PipelineConfig{})
	s, err := session.Start(tb.Context(), append([]session.Option{session.WithPipeline(p)}, opts...)...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// echo answers with the last message.
func echo() session.Backend {
	return session.BackendFunc(func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
		m := g.Messages()
		return g.Done(stages.GenerationResult{Output: stages.Output{
			Text: m.At(m.Len() - 1).Text, FinishReason: stages.FinishStop, Usage: stages.Usage{InputTokens: 2, OutputTokens: 1},
		}}), nil
	})
}

// step is one answer of a scripted backend.
type step func() (stages.Output, error)

func answer(text string) step {
	return func() (stages.Output, error) {
		return stages.Output{Text: text, FinishReason: stages.FinishStop, Usage: stages.Usage{InputTokens: 2, OutputTokens: 1}}, nil
	}
}

func call(tool string, arguments stages.JSON) step {
	return func() (stages.Output, error) {
		return stages.Output{
			FinishReason: stages.FinishToolCalls, Usage: stages.Usage{InputTokens: 2, OutputTokens: 1},
			ToolCalls: stages.ListOf(stages.ToolCall{ID: "call-1", Name: tool, Arguments: arguments}),
		}, nil
	}
}

func fails(err error) step { return func() (stages.Output, error) { return stages.Output{}, err } }

var errScript = errors.New("the script is over")

// scripted answers step by step and keeps what it was asked.
type scripted struct {
	mu    sync.Mutex
	steps []step
	asked []*stages.Generation
}

func script(steps ...step) *scripted { return &scripted{steps: steps} }

func (b *scripted) Generate(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
	b.mu.Lock()
	b.asked = append(b.asked, g)
	var next step
	if len(b.steps) > 0 {
		next, b.steps = b.steps[0], b.steps[1:]
	}
	b.mu.Unlock()
	if next == nil {
		return nil, errScript
	}
	out, err := next()
	if err != nil {
		return nil, err
	}
	return g.Done(stages.GenerationResult{Output: out}), nil
}

func (b *scripted) Describe() stages.Backend {
	return stages.Backend{
		Name: "scripted", Provider: "test", Model: "script-1",
		Capabilities: stages.Capabilities{Tools: true, Formats: true, Images: true},
	}
}

func (b *scripted) requests() []*stages.Generation {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.asked)
}

func mentions(what string) stages.Requirement {
	return session.Check("Mention "+what, func(text string) (bool, string) {
		return strings.Contains(text, what), "it does not mention " + what
	})
}

func pass(string) (bool, string) { return true, "" }

// metaOf is what all payloads have.
type payload interface{ Meta() stages.Meta }

type event struct {
	hook    string
	meta    stages.Meta
	payload any
	err     error // of OnError
}

// recorder writes down every hook that the session fires.
type recorder struct {
	mu     sync.Mutex
	events []event
}

func (r *recorder) add(hook string, p payload, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, event{hook, p.Meta(), p, err})
}

func (r *recorder) all() []event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

func (r *recorder) names() (names []string) {
	for _, e := range r.all() {
		names = append(names, e.hook)
	}
	return names
}

func (r *recorder) count(hook string) (n int) {
	for _, e := range r.all() {
		if e.hook == hook {
			n++
		}
	}
	return n
}

// last is the payload that the hook got last.
func last[P any](tb testing.TB, r *recorder, hook string) (p P) {
	tb.Helper()
	for _, e := range slices.Backward(r.all()) {
		if e.hook == hook {
			return e.payload.(P)
		}
	}
	tb.Fatalf("%s did not fire; there were %v", hook, r.names())
	return p
}

// hooks makes links that record, last of all, so that they see what other links did.
func hooks[P payload](r *recorder, c *chain.Chain[P], before, after, onError, observe string) error {
	hook := func(name string) chain.Handler[P] {
		return func(_ context.Context, p P) (P, error) {
			r.add(name, p, nil)
			return p, nil
		}
	}
	tell := func(name string) func(context.Context, chain.Outcome[P]) {
		return func(_ context.Context, o chain.Outcome[P]) {
			at := name
			if c, ok := any(o.Payload).(interface{ Hook() string }); ok {
				at = c.Hook()
			}
			r.add(at, o.Payload, o.Err)
		}
	}
	var links []chain.Link[P]
	if before != "" {
		links = append(links, chain.Before("record "+before, hook(before), chain.Priority(1000)))
	}
	if after != "" {
		links = append(links, chain.After("record "+after, hook(after), chain.Priority(1000)))
	}
	if onError != "" {
		links = append(links, chain.OnError("record "+onError, tell(onError)))
	}
	if observe != "" {
		links = append(links, chain.Observe("record "+observe, tell(observe)))
	}
	_, err := c.Use(links...)
	return err
}

// register is for session.WithSetup.
func (r *recorder) register(p *stages.Pipeline) error {
	return errors.Join(
		hooks(r, p.Session, "session_pre_init", "session_post_init", "", ""),
		hooks(r, p.Reset, "session_reset", "", "", ""),
		hooks(r, p.Cleanup, "session_cleanup", "", "", ""),
		hooks(r, p.Create, "component_pre_create", "component_post_create", "", ""),
		hooks(r, p.Component, "component_pre_execute", "component_post_success", "component_post_error", ""),
		hooks(r, p.Generation, "generation_pre_call", "generation_post_call", "generation_error", ""),
		hooks(r, p.Validation, "validation_pre_check", "validation_post_check", "", ""),
		hooks(r, p.Sampling, "sampling_loop_start", "sampling_loop_end", "", ""),
		hooks(r, p.Iteration, "", "sampling_iteration", "", ""),
		hooks(r, p.Repair, "", "sampling_repair", "", ""),
		hooks(r, p.Tool, "tool_pre_invoke", "tool_post_invoke", "", ""),
		hooks(r, p.AdapterLoad, "adapter_pre_load", "adapter_post_load", "", ""),
		hooks(r, p.AdapterUnload, "adapter_pre_unload", "adapter_post_unload", "", ""),
		hooks(r, p.HistoryChange, "", "", "", "context_update"),
		hooks(r, p.Fault, "", "", "", "error_occurred"),
	)
}

// pairs are the hooks that share a correlation id with the one before.
var pairs = map[string]string{
	"session_post_init": "session_pre_init", "component_post_create": "component_pre_create",
	"component_post_success": "component_pre_execute", "component_post_error": "component_pre_execute",
	"generation_post_call": "generation_pre_call", "generation_error": "generation_pre_call",
	"validation_post_check": "validation_pre_check", "sampling_loop_end": "sampling_loop_start",
	"tool_post_invoke": "tool_pre_invoke", "streaming_event": "streaming_start", "streaming_end": "streaming_start",
}

// checkIDs checks one request's ids: one request id, one correlation id for each pair and none for two.
func (r *recorder) checkIDs(tb testing.TB, sessionID, requestID string) {
	tb.Helper()
	open, seen := map[string]string{}, map[string]bool{}
	for _, e := range r.all() {
		m := e.meta
		if m.SessionID != sessionID {
			tb.Errorf("%s: session id %q, want %q", e.hook, m.SessionID, sessionID)
		}
		if m.Version != stages.PayloadVersion || m.Time.IsZero() || m.CorrelationID == "" {
			tb.Errorf("%s: incomplete meta %+v", e.hook, m)
		}
		if !strings.HasPrefix(e.hook, "session_") && m.RequestID != requestID {
			tb.Errorf("%s: request id %q, want %q", e.hook, m.RequestID, requestID)
		}
		if pre := pairs[e.hook]; pre != "" {
			if m.CorrelationID != open[pre] {
				tb.Errorf("%s: correlation id %q, that of %s is %q", e.hook, m.CorrelationID, pre, open[pre])
			}
			continue
		}
		if seen[m.CorrelationID] {
			tb.Errorf("%s: the correlation id %q was used before", e.hook, m.CorrelationID)
		}
		open[e.hook], seen[m.CorrelationID] = m.CorrelationID, true
	}
}

func use[P any](tb testing.TB, c *chain.Chain[P], links ...chain.Link[P]) {
	tb.Helper()
	if _, err := c.Use(links...); err != nil {
		tb.Fatal(err)
	}
}

// blocking is a hook that blocks.
func blocking[P any](_ context.Context, p P) (P, error) {
	return p, chain.Block("not here", chain.Code("test"))
}

func wantBlock(tb testing.TB, err error, in string) {
	tb.Helper()
	var v *chain.Violation
	if !errors.As(err, &v) || v.Chain != in || v.Code != "test" {
		tb.Errorf("got %v, want a block in %s", err, in)
	}
}

func texts(h stages.History) (out []string) {
	for _, m := range h.All() {
		out = append(out, fmt.Sprintf("%s: %s", m.Role, m.Text))
	}
	return out
}

type handler[P any] = chain.Handler[P]

// around registers a middleware.
func around[P any](of func(*stages.Pipeline) *chain.Chain[P], f func(ctx context.Context, p P, next handler[P]) (P, error)) func(*stages.Pipeline) error {
	return func(p *stages.Pipeline) error {
		_, err := of(p).Use(chain.Around("around", func(next handler[P]) handler[P] {
			return func(ctx context.Context, p P) (P, error) { return f(ctx, p, next) }
		}))
		return err
	}
}
