package budget

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/middleware"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// fixed counts 10 tokens for any text, so that a request of one message is perRequest+perMessage+10 = 17.
type fixed struct{}

func (fixed) Tokens(string, string) int { return 10 }

const input = perRequest + perMessage + 10

// kit is a plugin in a pipeline, with a model of the name "m".
type kit struct {
	*testing.T
	p    *Plugin
	pipe *stages.Pipeline
	n    int
}

func newKit(t *testing.T, s Settings, others ...any) *kit {
	t.Helper()
	if s.Estimator == nil {
		s.Estimator = fixed{}
	}
	p, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	k := &kit{T: t, p: p, pipe: stages.NewPipeline(stages.PipelineConfig{})}
	if _, err := k.pipe.Register(t.Context(), append(others, p)...); err != nil {
		t.Fatal(err)
	}
	return k
}

func (k *kit) payload(maxTokens int) *stages.Generation {
	k.n++
	return payload(fmt.Sprint(k.Name(), k.n), maxTokens)
}

func payload(id string, maxTokens int) *stages.Generation {
	f := stages.GenerationFields{
		Messages: stages.ListOf(stages.Message{Role: stages.RoleUser, Text: "hello"}), Backend: stages.Backend{Name: "b", Model: "m"},
	}
	if maxTokens > 0 {
		f.ModelOptions.MaxTokens = stages.Some(maxTokens)
	}
	return stages.NewGeneration(stages.Meta{RequestID: "r-" + id, CorrelationID: id, SessionID: "s", UserID: "ada"}, f)
}

type handler = chain.Handler[*stages.Generation]

func (k *kit) call(ctx context.Context, g *stages.Generation, h handler) (*stages.Generation, error) {
	return k.pipe.Generation.Then(h)(ctx, g)
}

// want checks the account of a limit, and that no call is left behind.
func (k *kit) want(limit string, settled, reserved, overdraft int64) {
	k.Helper()
	u, err := k.p.Usage(context.Background(), Key{Limit: limit, Session: "s", User: "ada", Model: "m"})
	if err != nil || u.Settled != settled || u.Reserved != reserved || u.Overdraft != overdraft {
		k.Errorf("%s: %+v, %v, want %d settled, %d reserved, %d overdraft", limit, u, err, settled, reserved, overdraft)
	}
	k.p.mu.Lock()
	defer k.p.mu.Unlock()
	if reserved == 0 && len(k.p.inFlight) > 0 {
		k.Errorf("calls in flight: %v", k.p.inFlight)
	}
}

// answer is a backend.
func answer(u stages.Usage, text string) handler {
	return func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
		return g.Done(stages.GenerationResult{Output: stages.Output{Text: text, Usage: u}, Source: stages.SourceBackend}), nil
	}
}

// breaks is a backend that fails with a part of an answer.
func breaks(u stages.Usage, text string, err error) handler {
	return func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
		return g.Partial(stages.GenerationResult{Output: stages.Output{Text: text, Usage: u}, Source: stages.SourceBackend}), err
	}
}

func before(name string, prio int, f handler) chain.Link[*stages.Generation] {
	return chain.Before(name, f, chain.Priority(prio))
}

func around(name string, prio int, f func(ctx context.Context, g *stages.Generation, next handler) (*stages.Generation, error), o ...chain.Option) chain.Link[*stages.Generation] {
	return chain.Around(name, func(next handler) handler {
		return func(ctx context.Context, g *stages.Generation) (*stages.Generation, error) { return f(ctx, g, next) }
	}, append(o, chain.Priority(prio))...)
}

var errBackend = errors.New("backend failed")

// TestSettlement: whatever becomes of a call, what it took is settled, the rest is given back, and nothing stays reserved.
func TestSettlement(t *testing.T) {
	used := stages.Usage{InputTokens: 20, OutputTokens: 30}
	blocks := func(context.Context, *stages.Generation) (*stages.Generation, error) { return nil, chain.Block("no") }
	unchanged := stages.Unchanged[*stages.Generation]
	retry := func(opts ...chain.Option) any {
		return chain.Intercept[*stages.Generation]("retry", middleware.Retry(3), append(opts, chain.Priority(50))...)
	}
	flaky := func(failures int, fail handler) handler {
		return func(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
			if failures--; failures >= 0 {
				return fail(ctx, g)
			}
			return answer(used, "ok")(ctx, g)
		}
	}
	for _, tc := range []struct {
		name   string
		others []any
		h      handler
		want   int64
	}{
		{name: "reported", h: answer(used, "hi"), want: 50},
		{name: "nothing reported: both estimated", h: answer(stages.Usage{}, "hi"), want: input + 10},
		{name: "only the input reported", h: answer(stages.Usage{InputTokens: 20}, "hi"), want: 30},
		{name: "only the output reported", h: answer(stages.Usage{OutputTokens: 5}, "hi"), want: input + 5},
		{name: "an empty answer", h: answer(stages.Usage{}, ""), want: input},
		{name: "negative numbers do not fill a budget up", h: answer(stages.Usage{InputTokens: -1000, OutputTokens: 5}, "hi"), want: input + 5},
		{name: "failed", h: breaks(stages.Usage{}, "", errBackend), want: 0},
		{name: "failed without a payload", h: func(context.Context, *stages.Generation) (*stages.Generation, error) { return nil, errBackend }, want: 0},
		{name: "failed with usage", h: breaks(used, "", errBackend), want: 50},
		{name: "failed in the middle of an answer", h: breaks(stages.Usage{}, "ha", errBackend), want: input + 10},
		{name: "refused by the provider", h: breaks(stages.Usage{}, "", &session.BackendError{Kind: session.BackendRateLimit}), want: 0},
		{name: "timed out", h: breaks(stages.Usage{}, "", &session.BackendError{Kind: session.BackendTimeout}), want: input},
		{name: "deadline", h: breaks(stages.Usage{}, "", context.DeadlineExceeded), want: input},
		{name: "panicked", h: func(context.Context, *stages.Generation) (*stages.Generation, error) { panic("boom") }, want: input},
		{name: "Goexit", h: func(context.Context, *stages.Generation) (*stages.Generation, error) {
			runtime.Goexit()
			return nil, nil
		}, want: input},
		{name: "the backend has a cache", h: func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			return g.Done(stages.GenerationResult{Output: stages.Output{Text: "hi", Usage: used}, Source: stages.SourceCache}), nil
		}, want: 0},

		{name: "blocked by a later hook", others: []any{before("b", 45, blocks)}, h: answer(used, "hi"), want: 0},
		{name: "blocked by an earlier hook", others: []any{before("b", 5, blocks)}, h: answer(used, "hi"), want: 0},
		{name: "a later hook panics", others: []any{before("b", 45, func(context.Context, *stages.Generation) (*stages.Generation, error) { panic("boom") })}, h: answer(used, "hi"), want: 0},
		{name: "a later hook calls Goexit", others: []any{before("b", 45, func(context.Context, *stages.Generation) (*stages.Generation, error) {
			runtime.Goexit()
			return nil, nil
		})}, h: answer(used, "hi"), want: 0},
		{name: "the answer is blocked", others: []any{chain.After("b", blocks)}, h: answer(used, "hi"), want: 50},
		{name: "cache hit", others: []any{around("cache", 20, func(_ context.Context, g *stages.Generation, _ handler) (*stages.Generation, error) {
			return g.Done(stages.GenerationResult{Output: stages.Output{Text: "hi", Usage: used}, Source: stages.SourceCache}), nil
		})}, h: answer(used, "hi"), want: 0},
		{name: "short-circuit", others: []any{around("canned", 20, func(_ context.Context, g *stages.Generation, _ handler) (*stages.Generation, error) {
			return g.Done(stages.GenerationResult{Output: stages.Output{Text: "hi", Usage: used}}), nil
		})}, h: answer(used, "hi"), want: 0},
		{name: "another model answers", others: []any{around("fallback", 20, func(_ context.Context, g *stages.Generation, _ handler) (*stages.Generation, error) {
			return g.Done(stages.GenerationResult{Output: stages.Output{Text: "hi", Usage: used}, Source: "other"}), nil
		})}, h: answer(used, "hi"), want: 50},
		{name: "a link around it panics", others: []any{around("p", 20, func(context.Context, *stages.Generation, handler) (*stages.Generation, error) { panic("boom") })}, h: answer(used, "hi"), want: 0},

		{name: "retries: those without an answer", others: []any{retry()}, h: flaky(2, breaks(stages.Usage{}, "", errBackend)), want: 50},
		{name: "retries: every attempt", others: []any{retry()}, h: flaky(2, breaks(used, "", errBackend)), want: 150},
		{name: "retries: in vain", others: []any{retry()}, h: breaks(used, "", errBackend), want: 150},
		{name: "outer retries: every attempt", others: []any{retry(chain.Outer())}, h: flaky(2, breaks(used, "", errBackend)), want: 150},
		{name: "outer retries: blocked at last", others: []any{retry(chain.Outer()), func() any {
			n := 0
			return before("b", 45, func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
				if n++; n == 2 {
					return nil, chain.Block("no")
				}
				return g, nil
			})
		}()}, h: breaks(stages.Usage{}, "", errBackend), want: 0},
		{name: "retries of what is free", others: []any{around("twice", 20, func(ctx context.Context, g *stages.Generation, next handler) (*stages.Generation, error) {
			_, _ = next(ctx, g)
			return next(ctx, g)
		})}, h: answer(used, "hi"), want: 100},
		{name: "the request grows after the hook", others: []any{before("longer", 45, func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			return g.WithMessages(g.Messages().Append(stages.Message{Role: stages.RoleUser, Text: "more"})), nil
		})}, h: answer(stages.Usage{}, ""), want: input + perMessage + 10},
		{name: "wrap_generation is off", others: []any{chain.Override[*stages.Generation]("token_budget.wrap_generation", chain.InMode(chain.Disabled))}, h: answer(used, "hi"), want: 50},
		{name: "wrap_generation is off, failed", others: []any{chain.Override[*stages.Generation]("token_budget.wrap_generation", chain.InMode(chain.Disabled))}, h: breaks(stages.Usage{}, "", errBackend), want: 0},
		{name: "generation_pre_call is off", others: []any{chain.Override[*stages.Generation]("token_budget.generation_pre_call", chain.InMode(chain.Disabled))}, h: answer(used, "hi"), want: 50},
		{name: "nobody else", others: []any{before("n", 45, unchanged)}, h: answer(used, "hi"), want: 50},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // so that retries do not wait
				k := newKit(t, Settings{Limits: []Limit{{Name: "all", Tokens: 1_000_000}}}, tc.others...)
				done := make(chan struct{})
				go func() { // which Goexit ends
					defer close(done)
					_, _ = k.call(t.Context(), k.payload(0), tc.h)
				}()
				<-done
				k.want("all", tc.want, 0, 0)
			})
		})
	}
}

// TestReservedMeanwhile: the reservation is input and output at most, and there as long as the attempt lasts.
func TestReservedMeanwhile(t *testing.T) {
	k := newKit(t, Settings{Limits: []Limit{{Name: "all", Tokens: 1000}}, MaxOutput: 300})
	if _, err := k.call(t.Context(), k.payload(100), func(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
		k.want("all", 0, input+100, 0)
		if n, _ := g.ModelOptions().MaxTokens.Get(); n != 100 {
			t.Errorf("max tokens %d, want the caller's 100", n)
		}
		return answer(stages.Usage{InputTokens: 5, OutputTokens: 6}, "hi")(ctx, g)
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := k.call(t.Context(), k.payload(0), func(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
		k.want("all", 11, input+300, 0)
		if n, _ := g.ModelOptions().MaxTokens.Get(); n != 300 {
			t.Errorf("max tokens %d, want the 300 of MaxOutput", n)
		}
		return answer(stages.Usage{InputTokens: 5, OutputTokens: 6}, "hi")(ctx, g)
	}); err != nil {
		t.Fatal(err)
	}
	k.want("all", 22, 0, 0)
}

func TestCancelled(t *testing.T) {
	k := newKit(t, Settings{Limits: []Limit{{Name: "all", Tokens: 1_000_000}}})
	ctx, cancel := context.WithCancel(t.Context())
	started := make(chan struct{})
	done := make(chan error)
	go func() {
		_, err := k.call(ctx, k.payload(0), func(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
			close(started)
			<-ctx.Done()
			return g.Partial(stages.GenerationResult{}), errors.New("connection closed")
		})
		done <- err
	}()
	<-started
	cancel()
	if err := <-done; err == nil {
		t.Error("no error")
	}
	k.want("all", input, 0, 0)
	if _, err := k.call(ctx, k.payload(0), answer(stages.Usage{}, "hi")); !errors.Is(err, context.Canceled) {
		t.Errorf("a call that is cancelled already: %v", err)
	}
	k.want("all", input, 0, 0)
}

// TestAbandonedAttempt: a hedge returns while its slower attempt goes on, which is settled when it ends.
func TestAbandonedAttempt(t *testing.T) {
	release, ended := make(chan struct{}), make(chan struct{})
	slow := true
	var mu sync.Mutex
	k := newKit(t, Settings{Limits: []Limit{{Name: "all", Tokens: 10_000}}, MaxOutput: 100},
		around("hedge", 50, func(ctx context.Context, g *stages.Generation, next handler) (*stages.Generation, error) {
			started := make(chan struct{})
			go func() {
				defer close(ended)
				close(started)
				_, _ = next(ctx, g)
			}()
			<-started
			return g.Done(stages.GenerationResult{Output: stages.Output{Text: "first"}}), nil
		}))
	running := make(chan struct{})
	_, err := k.call(t.Context(), k.payload(0), func(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
		mu.Lock()
		wait := slow
		mu.Unlock()
		close(running)
		if wait {
			<-release
		}
		return answer(stages.Usage{InputTokens: 20, OutputTokens: 30}, "hi")(ctx, g)
	})
	if err != nil {
		t.Fatal(err)
	}
	<-running
	k.want("all", 0, input+100, 0)
	close(release)
	<-ended
	k.want("all", 50, 0, 0)
}

// TestHung: an attempt that never ends is settled in full when its time is over.
func TestHung(t *testing.T) {
	store := NewMemory(MemoryConfig{ReservationTTL: time.Millisecond})
	k := newKit(t, Settings{Limits: []Limit{{Name: "all", Tokens: 10_000}}, MaxOutput: 100, Store: store})
	release, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		_, _ = k.call(t.Context(), k.payload(0), func(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
			<-release
			return answer(stages.Usage{InputTokens: 1, OutputTokens: 1}, "hi")(ctx, g)
		})
	}()
	for {
		if u, _ := k.p.Usage(t.Context(), Key{Limit: "all"}); u.Settled == input+100 && u.Reserved == 0 {
			break
		}
		runtime.Gosched()
	}
	close(release)
	<-done
	k.want("all", input+100, 0, 0)
}

func wantBlock(t *testing.T, err error, code string, details map[string]any) {
	t.Helper()
	var v *chain.Violation
	if !errors.As(err, &v) || v.Code != code {
		t.Fatalf("got %v, want a block with the code %s", err, code)
	}
	for key, want := range details {
		if v.Details[key] != want {
			t.Errorf("detail %s is %v, want %v", key, v.Details[key], want)
		}
	}
	if _, has := details["retry_after_seconds"]; !has && v.Details["retry_after_seconds"] != nil {
		t.Errorf("retry_after_seconds is %v, want none", v.Details["retry_after_seconds"])
	}
}
