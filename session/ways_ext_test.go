package session_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/config"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// doing is what a hook of a test does; at points that only report, the payload that it returns goes nowhere.
type doing func(p any) (any, error)

// ways are those in which a plugin can be written and registered. Each gives a session one that acts at one hook.
var ways = []struct {
	name     string
	register func(tb testing.TB, hook string, do doing) session.Option
}{
	{"function", func(tb testing.TB, hook string, do doing) session.Option {
		tb.Helper()
		return session.WithPlugins(link(tb, hook, do))
	}},
	{"struct", func(_ testing.TB, hook string, do doing) session.Option {
		return session.WithPlugins(&row{hook, do})
	}},
	{"YAML", func(tb testing.TB, hook string, do doing) session.Option {
		tb.Helper()
		kinds := config.NewKinds()
		config.Register(kinds, "row", func(struct{}) (any, error) { return &row{hook, do}, nil })
		path := filepath.Join(tb.TempDir(), "maillon.yaml")
		if err := os.WriteFile(path, []byte("plugins:\n- {name: row, kind: row}\n"), 0o600); err != nil {
			tb.Fatal(err)
		}
		return session.WithSetup(func(p *stages.Pipeline) error {
			_, err := config.Open(tb.Context(), path, config.Options{Pipeline: p, Kinds: kinds}) // ends with the session
			return err
		})
	}},
}

// act runs what a hook does on a payload.
func act[P any](do doing, p P) (P, error) {
	x, err := do(p)
	q, _ := x.(P)
	return q, err
}

func hook[P any](do doing) chain.Handler[P] {
	return func(_ context.Context, p P) (P, error) { return act(do, p) }
}

func watch[P any](do doing) func(context.Context, chain.Outcome[P]) {
	return func(_ context.Context, o chain.Outcome[P]) { _, _ = do(o.Payload) }
}

// ofChange does it for the changes of one kind.
func ofChange(at string, do doing) doing {
	return func(p any) (any, error) {
		if p.(*stages.HistoryChange).Hook() != at {
			return p, nil
		}
		return do(p)
	}
}

// link is a plain link at one hook.
func link(tb testing.TB, at string, do doing) any {
	tb.Helper()
	switch at {
	case "session_pre_init":
		return chain.Before("row", hook[*stages.Session](do))
	case "session_post_init":
		return chain.After("row", hook[*stages.Session](do))
	case "session_reset":
		return chain.Before("row", hook[*stages.Reset](do))
	case "session_cleanup":
		return chain.Before("row", hook[*stages.Cleanup](do))
	case "component_pre_create":
		return chain.Before("row", hook[*stages.Create](do))
	case "component_post_create":
		return chain.After("row", hook[*stages.Create](do))
	case "component_pre_execute":
		return chain.Before("row", hook[*stages.Component](do))
	case "component_post_success":
		return chain.After("row", hook[*stages.Component](do))
	case "component_post_error":
		return chain.OnError("row", watch[*stages.Component](do))
	case "generation_pre_call":
		return chain.Before("row", hook[*stages.Generation](do))
	case "generation_post_call":
		return chain.After("row", hook[*stages.Generation](do))
	case "generation_error":
		return chain.OnError("row", watch[*stages.Generation](do))
	case "generation_stream_chunk":
		return chain.Before("row", hook[*stages.Chunk](do))
	case "streaming_start", "streaming_event", "streaming_end":
		return chain.Observe("row", func(ctx context.Context, o chain.Outcome[*stages.StreamEvent]) {
			if o.Payload.Hook() == at {
				watch[*stages.StreamEvent](do)(ctx, o)
			}
		})
	case "validation_pre_check":
		return chain.Before("row", hook[*stages.Validation](do))
	case "validation_post_check":
		return chain.After("row", hook[*stages.Validation](do))
	case "sampling_loop_start":
		return chain.Before("row", hook[*stages.Sampling](do))
	case "sampling_loop_end":
		return chain.After("row", hook[*stages.Sampling](do))
	case "sampling_iteration":
		return chain.After("row", hook[*stages.Iteration](do))
	case "sampling_repair":
		return chain.After("row", hook[*stages.Repair](do))
	case "tool_pre_invoke":
		return chain.Before("row", hook[*stages.Tool](do))
	case "tool_post_invoke":
		return chain.After("row", hook[*stages.Tool](do))
	case "adapter_pre_load":
		return stages.At("adapter_load", chain.Before("row", hook[*stages.Adapter](do)))
	case "adapter_post_load":
		return stages.At("adapter_load", chain.After("row", hook[*stages.Adapter](do)))
	case "adapter_pre_unload":
		return stages.At("adapter_unload", chain.Before("row", hook[*stages.Adapter](do)))
	case "adapter_post_unload":
		return stages.At("adapter_unload", chain.After("row", hook[*stages.Adapter](do)))
	case "context_update", "context_prune":
		return chain.Observe("row", watch[*stages.HistoryChange](ofChange(at, do)))
	case "error_occurred":
		return chain.Observe("row", watch[*stages.Fault](do))
	}
	tb.Fatalf("no link for %s", at)
	return nil
}

// row is a plugin with every hook that a session fires, which acts at one of them.
type row struct {
	hook string
	do   doing
}

func at[P any](r *row, hook string, p P) (P, error) {
	if r.hook != hook {
		return p, nil
	}
	return act(r.do, p)
}

func (r *row) OnSessionPreInit(_ context.Context, p *stages.Session) (*stages.Session, error) {
	return at(r, "session_pre_init", p)
}

func (r *row) OnSessionPostInit(_ context.Context, p *stages.Session) (*stages.Session, error) {
	return at(r, "session_post_init", p)
}

func (r *row) OnSessionReset(_ context.Context, p *stages.Reset) (*stages.Reset, error) {
	return at(r, "session_reset", p)
}

func (r *row) OnSessionCleanup(_ context.Context, p *stages.Cleanup) (*stages.Cleanup, error) {
	return at(r, "session_cleanup", p)
}

func (r *row) OnComponentPreCreate(_ context.Context, p *stages.Create) (*stages.Create, error) {
	return at(r, "component_pre_create", p)
}

func (r *row) OnComponentPostCreate(_ context.Context, p *stages.Create) (*stages.Create, error) {
	return at(r, "component_post_create", p)
}

func (r *row) OnComponentPreExecute(_ context.Context, p *stages.Component) (*stages.Component, error) {
	return at(r, "component_pre_execute", p)
}

func (r *row) OnComponentPostSuccess(_ context.Context, p *stages.Component) (*stages.Component, error) {
	return at(r, "component_post_success", p)
}

func (r *row) OnComponentPostError(_ context.Context, o chain.Outcome[*stages.Component]) {
	_, _ = at(r, "component_post_error", o.Payload)
}

func (r *row) OnGenerationPreCall(_ context.Context, p *stages.Generation) (*stages.Generation, error) {
	return at(r, "generation_pre_call", p)
}

func (r *row) OnGenerationPostCall(_ context.Context, p *stages.Generation) (*stages.Generation, error) {
	return at(r, "generation_post_call", p)
}

func (r *row) OnGenerationError(_ context.Context, o chain.Outcome[*stages.Generation]) {
	_, _ = at(r, "generation_error", o.Payload)
}

func (r *row) OnGenerationStreamChunk(_ context.Context, p *stages.Chunk) (*stages.Chunk, error) {
	return at(r, "generation_stream_chunk", p)
}

func (r *row) OnStreamingStart(_ context.Context, o chain.Outcome[*stages.StreamEvent]) {
	_, _ = at(r, "streaming_start", o.Payload)
}

func (r *row) OnStreamingEvent(_ context.Context, o chain.Outcome[*stages.StreamEvent]) {
	_, _ = at(r, "streaming_event", o.Payload)
}

func (r *row) OnStreamingEnd(_ context.Context, o chain.Outcome[*stages.StreamEvent]) {
	_, _ = at(r, "streaming_end", o.Payload)
}

func (r *row) OnValidationPreCheck(_ context.Context, p *stages.Validation) (*stages.Validation, error) {
	return at(r, "validation_pre_check", p)
}

func (r *row) OnValidationPostCheck(_ context.Context, p *stages.Validation) (*stages.Validation, error) {
	return at(r, "validation_post_check", p)
}

func (r *row) OnSamplingLoopStart(_ context.Context, p *stages.Sampling) (*stages.Sampling, error) {
	return at(r, "sampling_loop_start", p)
}

func (r *row) OnSamplingLoopEnd(_ context.Context, p *stages.Sampling) (*stages.Sampling, error) {
	return at(r, "sampling_loop_end", p)
}

func (r *row) OnSamplingIteration(_ context.Context, p *stages.Iteration) (*stages.Iteration, error) {
	return at(r, "sampling_iteration", p)
}

func (r *row) OnSamplingRepair(_ context.Context, p *stages.Repair) (*stages.Repair, error) {
	return at(r, "sampling_repair", p)
}

func (r *row) OnToolPreInvoke(_ context.Context, p *stages.Tool) (*stages.Tool, error) {
	return at(r, "tool_pre_invoke", p)
}

func (r *row) OnToolPostInvoke(_ context.Context, p *stages.Tool) (*stages.Tool, error) {
	return at(r, "tool_post_invoke", p)
}

func (r *row) OnContextPrune(_ context.Context, o chain.Outcome[*stages.HistoryChange]) {
	_, _ = at(r, "context_prune", o.Payload)
}

func (r *row) OnAdapterPreLoad(_ context.Context, p *stages.Adapter) (*stages.Adapter, error) {
	return at(r, "adapter_pre_load", p)
}

func (r *row) OnAdapterPostLoad(_ context.Context, p *stages.Adapter) (*stages.Adapter, error) {
	return at(r, "adapter_post_load", p)
}

func (r *row) OnAdapterPreUnload(_ context.Context, p *stages.Adapter) (*stages.Adapter, error) {
	return at(r, "adapter_pre_unload", p)
}

func (r *row) OnAdapterPostUnload(_ context.Context, p *stages.Adapter) (*stages.Adapter, error) {
	return at(r, "adapter_post_unload", p)
}

func (r *row) OnContextUpdate(_ context.Context, o chain.Outcome[*stages.HistoryChange]) {
	_, _ = at(r, "context_update", o.Payload)
}

func (r *row) OnErrorOccurred(_ context.Context, o chain.Outcome[*stages.Fault]) {
	_, _ = at(r, "error_occurred", o.Payload)
}
