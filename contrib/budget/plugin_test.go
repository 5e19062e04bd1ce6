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
	less := stages.Usage{InputTokens: 7, OutputTokens: 8}
	fallback := func(h handler, opts ...chain.Option) any {
		return chain.Around("fallback", middleware.Fallback(h), append(opts, chain.Priority(20))...)
	}
	from := func(source stages.Source, u stages.Usage) handler {
		return func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			return g.Done(stages.GenerationResult{Output: stages.Output{Text: "hi there", Usage: u}, Source: source}), nil
		}
	}
	rejects := around("rejects", 80, func(ctx context.Context, g *stages.Generation, next handler) (*stages.Generation, error) {
		_, _ = next(ctx, g)
		return nil, errBackend
	})
	result := func(prio int, h handler) any { // replaces the result
		return around("result", prio, func(ctx context.Context, g *stages.Generation, next handler) (*stages.Generation, error) {
			out, err := next(ctx, g)
			if out == nil {
				return nil, err
			}
			return h(ctx, out)
		})
	}
	type startedKey struct{}
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
			return g.Done(stages.GenerationResult{Output: stages.Output{Text: "hi"}}), nil
		})}, h: answer(used, "hi"), want: 0},
		{name: "a link with usage that names no source", others: []any{around("other", 20, func(_ context.Context, g *stages.Generation, _ handler) (*stages.Generation, error) {
			return g.Done(stages.GenerationResult{Output: stages.Output{Text: "hi", Usage: used}}), nil
		})}, h: answer(used, "hi"), want: 50},
		{name: "a link with usage that makes no sense and no source", others: []any{around("other", 20, func(_ context.Context, g *stages.Generation, _ handler) (*stages.Generation, error) {
			return g.Done(stages.GenerationResult{Output: stages.Output{Text: "hi", Usage: stages.Usage{InputTokens: -1000, OutputTokens: 5}}}), nil
		})}, h: answer(used, "hi"), want: input + 5},
		{name: "a fallback that names no source", others: []any{fallback(from("", used))}, h: breaks(stages.Usage{}, "", errBackend), want: 50},
		{name: "another model answers", others: []any{around("fallback", 20, func(_ context.Context, g *stages.Generation, _ handler) (*stages.Generation, error) {
			return g.Done(stages.GenerationResult{Output: stages.Output{Text: "hi", Usage: used}, Source: "other"}), nil
		})}, h: answer(used, "hi"), want: 50},
		{name: "another model answers after a failure", others: []any{fallback(answer(used, "hi"))}, h: breaks(stages.Usage{}, "", errBackend), want: 50},
		{name: "under a name of its own", others: []any{fallback(from("other", used))}, h: breaks(stages.Usage{}, "", errBackend), want: 50},
		{name: "without usage", others: []any{fallback(answer(stages.Usage{}, "hi"))}, h: breaks(stages.Usage{}, "", errBackend), want: input + 10},
		{name: "outside of the hooks", others: []any{fallback(answer(used, "hi"), chain.Outer())}, h: breaks(stages.Usage{}, "", errBackend), want: 50},
		{name: "its answer is blocked", others: []any{fallback(answer(used, "hi")), chain.After("b", blocks)}, h: breaks(stages.Usage{}, "", errBackend), want: 50},
		{name: "after retries", others: []any{fallback(answer(used, "hi")), retry()}, h: breaks(stages.Usage{}, "", errBackend), want: 50},
		{name: "after a failure with usage", others: []any{fallback(answer(less, "hi"))}, h: breaks(used, "", errBackend), want: 65},
		{name: "after a part without usage, without usage", others: []any{fallback(answer(stages.Usage{}, "hi"))}, h: breaks(stages.Usage{}, "ha", errBackend), want: 2 * (input + 10)},
		{name: "after a panic, without usage", others: []any{fallback(answer(stages.Usage{}, "hi"))}, h: func(context.Context, *stages.Generation) (*stages.Generation, error) { panic("boom") }, want: 2*input + 10},
		{name: "after an answer that a link rejects", others: []any{fallback(answer(less, "hi")), rejects}, h: answer(used, "hi"), want: 65},
		{name: "after one with the same usage", others: []any{fallback(from(stages.SourceBackend, used)), rejects}, h: answer(used, "hi"), want: 100},
		{name: "after one with usage, without usage", others: []any{fallback(from(stages.SourceBackend, stages.Usage{})), rejects}, h: answer(used, "hi"), want: 50 + input + 10},
		{name: "after one that nobody reserved for", others: []any{
			fallback(from("other", less)), rejects, chain.Override[*stages.Generation]("token_budget.generation_pre_call", chain.InMode(chain.Disabled)),
		}, h: answer(used, "hi"), want: 65},
		{name: "a cache answers after a failure", others: []any{fallback(from(stages.SourceCache, used))}, h: breaks(stages.Usage{}, "", errBackend), want: 0},
		{name: "an apology after a failure with usage", others: []any{fallback(from("", stages.Usage{}))}, h: breaks(used, "", errBackend), want: 50},
		{name: "another model fails too", others: []any{fallback(breaks(stages.Usage{}, "", errBackend))}, h: breaks(stages.Usage{}, "", errBackend), want: 0},
		{name: "a part is made an answer", others: []any{result(20, from(stages.SourceBackend, used))}, h: breaks(used, "ha", errBackend), want: 50},
		{name: "a part without usage is made an answer", others: []any{result(20, from(stages.SourceBackend, stages.Usage{}))}, h: breaks(stages.Usage{}, "hi there", errBackend), want: input + 10},
		{name: "the result is replaced, without usage", others: []any{result(20, from(stages.SourceBackend, stages.Usage{}))}, h: answer(used, "hi"), want: 50},
		{name: "the text is rewritten, without usage", others: []any{chain.After("redact", func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			return g.WithText("[GONE]"), nil
		})}, h: answer(stages.Usage{}, "hi"), want: input + 10},
		{name: "one answer of several attempts", others: []any{around("both", 20, func(ctx context.Context, g *stages.Generation, next handler) (*stages.Generation, error) {
			_, _ = next(ctx, g)
			out, _ := next(ctx, g)
			return answer(used.Add(used), out.Output().Text)(ctx, out)
		})}, h: answer(used, "hi"), want: 100},
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
		{name: "attempts side by side, in vain", others: []any{around("hedge", 20, func(ctx context.Context, g *stages.Generation, next handler) (out *stages.Generation, err error) {
			first, second := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(second)
				_, _ = next(context.WithValue(ctx, startedKey{}, first), g)
			}()
			<-first
			out, err = next(ctx, g)
			<-second
			return out, err
		})}, h: func(ctx context.Context, _ *stages.Generation) (*stages.Generation, error) {
			if started, ok := ctx.Value(startedKey{}).(chan struct{}); ok {
				close(started)
				time.Sleep(time.Second) // of the bubble: it ends after the other
			}
			return nil, errBackend
		}, want: 0},
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
	for _, tc := range []struct {
		name    string
		h       handler
		settled int64
	}{
		{"answers", answer(stages.Usage{InputTokens: 20, OutputTokens: 30}, "hi"), 50},
		{"fails", breaks(stages.Usage{}, "", errBackend), 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			running, release, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
			k := newKit(t, Settings{Limits: []Limit{{Name: "all", Tokens: 10_000}}, MaxOutput: 100},
				around("hedge", 50, func(ctx context.Context, g *stages.Generation, next handler) (*stages.Generation, error) {
					go func() {
						defer close(ended)
						_, _ = next(ctx, g)
					}()
					<-running
					return g.Done(stages.GenerationResult{Output: stages.Output{Text: "first"}}), nil
				}))
			if _, err := k.call(t.Context(), k.payload(0), func(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
				close(running)
				<-release
				return tc.h(ctx, g)
			}); err != nil {
				t.Fatal(err)
			}
			k.want("all", 0, input+100, 0)
			close(release)
			<-ended
			k.want("all", tc.settled, 0, 0)
		})
	}
}

// TestFallback: a call holds its reservation as long as a link may ask another model, so that nobody passes a limit that way. Where the
// attempt has used it, the calls that follow are blocked until the overdraft is made good.
func TestFallback(t *testing.T) {
	used := stages.Usage{InputTokens: 20, OutputTokens: 10}
	for _, tc := range []struct {
		name                        string
		fails                       handler
		answers, settled, overdraft int64
	}{
		{"failed without a word", breaks(stages.Usage{}, "", errBackend), 3, 90, 0},
		{"failed with usage", breaks(stages.Usage{InputTokens: 15, OutputTokens: 5}, "", errBackend), 2, 100, 0},
		{"failed with all there is", breaks(stages.Usage{InputTokens: 40, OutputTokens: 50}, "", errBackend), 1, 120, 80}, // 50 more than reserved, then 30
	} {
		t.Run(tc.name, func(t *testing.T) {
			var k *kit
			answers, spent := int64(0), int64(0)
			k = newKit(t, Settings{Limits: []Limit{{Name: "all", Tokens: 100}, {Name: "wide", Tokens: 10_000}}, MaxOutput: 23},
				around("fallback", 20, func(ctx context.Context, g *stages.Generation, next handler) (*stages.Generation, error) {
					return middleware.Fallback(func(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
						answers++
						return answer(used, "hi")(ctx, g)
					})(func(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
						out, err := next(ctx, g)
						if u, _ := k.p.Usage(ctx, Key{Limit: "all"}); u.Settled == spent && u.Reserved != input+23 {
							t.Errorf("%v, want %d reserved while another model answers", u, input+23)
						}
						return out, err
					})(ctx, g)
				}))
			for range 20 {
				_, err := k.call(t.Context(), k.payload(0), tc.fails)
				if err != nil {
					wantBlock(t, err, CodeExceeded, map[string]any{"limit": "all"})
				}
				u, _ := k.p.Usage(t.Context(), Key{Limit: "all"})
				if spent = u.Settled; u.Settled-u.Overdraft > u.Max {
					t.Errorf("%v", u)
				}
			}
			if answers != tc.answers {
				t.Errorf("%d answers, want %d", answers, tc.answers)
			}
			k.want("all", tc.settled, 0, tc.overdraft)
			k.want("wide", tc.settled, 0, max(tc.overdraft-30, 0))
		})
	}
}

// TestSharedAnswer: of calls that share one each pays for itself, since nothing says that its answer is another's, and each ends its own
// reservation.
func TestSharedAnswer(t *testing.T) {
	const calls = 8
	synctest.Test(t, func(t *testing.T) {
		share := middleware.Singleflight(func(_ context.Context, g *stages.Generation) string { return g.Meta().UserID })
		k := newKit(t, Settings{Limits: []Limit{{Name: "all", Tokens: 10_000}}, MaxOutput: 100}, chain.Around("share", share, chain.Priority(20)))
		release, asked := make(chan struct{}), 0
		call := k.pipe.Generation.Then(func(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
			asked++
			<-release
			return answer(stages.Usage{InputTokens: 20, OutputTokens: 30}, "hi")(ctx, g)
		})
		var wg sync.WaitGroup
		for range calls {
			g := k.payload(0)
			wg.Go(func() {
				out, err := call(t.Context(), g)
				if err != nil || out.Output().Text != "hi" || out.Meta() != g.Meta() {
					t.Errorf("%v, %v, want the answer as this call's own", out, err)
				}
			})
		}
		synctest.Wait()
		k.want("all", 0, calls*(input+100), 0)
		close(release)
		wg.Wait()
		if asked != 1 {
			t.Errorf("the model was asked %d times", asked)
		}
		k.want("all", calls*50, 0, 0)
	})
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
