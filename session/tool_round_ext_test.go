package session_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// countCalls asks for the tool n times at once, with the arguments 0, 1, 2...
func countCalls(n int) step {
	return func() (stages.Output, error) {
		var all []stages.ToolCall
		for i := range n {
			all = append(all, stages.ToolCall{ID: fmt.Sprintf("call-%d", i), Name: "count", Arguments: stages.JSON(fmt.Sprint(i))})
		}
		return stages.Output{FinishReason: stages.FinishToolCalls, ToolCalls: stages.ListOf(all...)}, nil
	}
}

func countTool(f func(ctx context.Context, n string) (any, error)) stages.Callable {
	return stages.Callable{Name: "count", Call: func(ctx context.Context, arguments json.RawMessage) (any, error) {
		return f(ctx, string(arguments))
	}}
}

// The tools of one answer run at a time, up to the limit and not beyond, and the model is told in its own order.
func TestToolRoundLimit(t *testing.T) {
	t.Parallel()
	const n = 10
	for _, tc := range []struct {
		name string
		opt  session.Option
		want int32
	}{
		{"by default", nil, session.DefaultToolConcurrency},
		{"one", session.WithToolConcurrency(1), 1},
		{"three", session.WithToolConcurrency(3), 3},
		{"all", session.WithToolConcurrency(100), n},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var running, tooMany atomic.Int32
				gate := make(chan struct{}) // closed when as many run as may
				tool := countTool(func(_ context.Context, n string) (any, error) {
					if running.Add(1) > tc.want {
						tooMany.Add(1)
					}
					defer running.Add(-1)
					<-gate
					return "result " + n, nil
				})
				b := script(countCalls(n), answer("done"))
				s := start(t, session.WithBackend(b), session.WithTools(tool), tc.opt)
				done := make(chan error)
				go func() {
					_, err := s.Instruct(t.Context(), "Count.")
					done <- err
				}()
				synctest.Wait() // nothing more begins
				if got := running.Load(); got != tc.want {
					t.Errorf("%d tools run at a time, want %d", got, tc.want)
				}
				close(gate)
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				if got := tooMany.Load(); got > 0 {
					t.Errorf("%d tools ran beside %d others", got, tc.want)
				}
				m := b.requests()[1].Messages()
				for i := range n {
					if got := m.At(2 + i); got.Text != fmt.Sprintf("result %d", i) || got.ToolCallID != fmt.Sprintf("call-%d", i) {
						t.Errorf("message %d is %+v", i, got)
					}
				}
			})
		})
	}
}

// Behaviour 39: what goes wrong with one tool is told to the model beside the results of the others.
func TestToolRoundFailures(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	b := script(countCalls(4), answer("done"))
	s := start(t, session.WithBackend(b), session.WithSetup(rec.register), session.WithTools(countTool(func(_ context.Context, n string) (any, error) {
		switch n {
		case "1":
			return nil, errors.New("no one")
		case "2":
			panic("secret")
		}
		return "result " + n, nil
	})))
	use(t, s.Pipeline().Tool, chain.Before("refuse", func(ctx context.Context, p *stages.Tool) (*stages.Tool, error) {
		if p.Arguments() == "3" {
			return blocking(ctx, p)
		}
		return p, nil
	}))
	res, err := s.Instruct(t.Context(), "Count.")
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, m := range b.requests()[1].Messages().Slice()[2:] {
		told = append(told, m.Text)
	}
	if got := strings.Join(told, "|"); got != "result 0|error: no one|error: the tool broke down|error: it was refused: not here" {
		t.Errorf("the model was told %s", got)
	}
	if rec.count("tool_pre_invoke") != 4-1 || rec.count("tool_post_invoke") != 4-1 || rec.count("error_occurred") != 1 {
		t.Errorf("hooks: %v", rec.names())
	}
	rec.mu.Lock()
	ids := map[string]int{}
	for _, e := range rec.events {
		if strings.HasPrefix(e.hook, "tool_") {
			ids[e.meta.CorrelationID]++
			if e.meta.RequestID != res.RequestID {
				t.Errorf("request id %q", e.meta.RequestID)
			}
		}
	}
	rec.mu.Unlock()
	if len(ids) != 3 {
		t.Errorf("correlation ids %v: want one for each pair", ids)
	}
}

// A link that fails ends the call: the tools that run are cancelled, no other one begins.
func TestToolRoundLinkFails(t *testing.T) {
	t.Parallel()
	errLink := errors.New("the link is broken")
	var begun atomic.Int32
	s := start(t, session.WithBackend(script(countCalls(20))), session.WithToolConcurrency(2), session.WithTools(countTool(func(ctx context.Context, _ string) (any, error) {
		begun.Add(1)
		<-ctx.Done()
		return nil, ctx.Err()
	})))
	use(t, s.Pipeline().Tool, chain.Before("fail", func(_ context.Context, p *stages.Tool) (*stages.Tool, error) {
		if p.Arguments() == "1" {
			return nil, errLink
		}
		return p, nil
	}))
	if _, err := s.Instruct(t.Context(), "Count."); !errors.Is(err, errLink) {
		t.Errorf("got %v", err)
	}
	if n := begun.Load(); n > 1 {
		t.Errorf("%d tools began, want at most the first", n)
	}
}

// runtime.Goexit in one of several tools ends the caller's goroutine, as in a single one, and the session goes on.
func TestToolRoundGoexit(t *testing.T) {
	t.Parallel()
	b := script(countCalls(3), answer("still here"))
	s := start(t, session.WithBackend(b), session.WithTools(countTool(func(_ context.Context, n string) (any, error) {
		if n == "1" {
			runtime.Goexit()
		}
		return n, nil
	})))
	returned := false
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = s.Instruct(t.Context(), "Count.")
		returned = true
	})
	wg.Wait()
	if returned {
		t.Error("the call returned")
	}
	if res, err := s.Instruct(t.Context(), "And now?"); err != nil || res.Text() != "still here" {
		t.Errorf("got %v, %v", res, err)
	}
}

// A panic that the pipeline lets through reaches the caller from any tool.
func TestToolRoundPassesPanic(t *testing.T) {
	t.Parallel()
	errAbort := errors.New("abort")
	p := stages.NewPipeline(stages.PipelineConfig{PassPanic: func(v any) bool { return v == any(errAbort) }})
	s, err := session.Start(t.Context(), session.WithPipeline(p), session.WithBackend(script(countCalls(3))), session.WithTools(
		countTool(func(_ context.Context, n string) (any, error) {
			if n == "1" {
				panic(errAbort)
			}
			return n, nil
		})))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if v := recover(); v != any(errAbort) {
			t.Errorf("recovered %v", v)
		}
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	_, _ = s.Instruct(t.Context(), "Count.")
	t.Error("it returned")
}

// Many calls of one session with several tools each.
func TestToolRoundsOfManyCalls(t *testing.T) {
	t.Parallel()
	const n, each = 64, 5
	backend := session.BackendFunc(func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
		m := g.Messages()
		if m.At(m.Len()-1).Role == stages.RoleTool {
			return g.Done(stages.GenerationResult{Output: stages.Output{Text: m.At(m.Len() - 1).Text}}), nil
		}
		out, err := countCalls(each)()
		return g.Done(stages.GenerationResult{Output: out}), err
	})
	var ran atomic.Int32
	s := start(t, session.WithBackend(backend), session.WithHistoryKind(stages.HistorySingle), session.WithTools(
		countTool(func(_ context.Context, n string) (any, error) { ran.Add(1); return n, nil })))
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			res, err := s.Instruct(t.Context(), "Count.", session.Require(session.MustUse("count")))
			if err != nil || res.Text() != fmt.Sprint(each-1) || !res.Success {
				t.Errorf("got %v, %v", res, err)
			}
		})
	}
	wg.Wait()
	if ran.Load() != n*each || s.History().Len() != n*(1+1+each+1) {
		t.Errorf("%d tools ran, the history has %d messages", ran.Load(), s.History().Len())
	}
}
