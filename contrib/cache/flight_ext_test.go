package cache_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/cache"
	"github.com/maillon-go/maillon/internal/plugintest"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// direct calls the generation stage with the cache and nothing else.
func direct(tb testing.TB, p *cache.Plugin, h chain.Handler[*stages.Generation]) chain.Handler[*stages.Generation] {
	tb.Helper()
	pl := stages.NewPipeline(stages.PipelineConfig{})
	if _, err := pl.Register(tb.Context(), p); err != nil {
		tb.Fatal(err)
	}
	return pl.Generation.Then(h)
}

func question(user string) *stages.Generation {
	return stages.NewGeneration(stages.Meta{UserID: user, RequestID: "r"}, stages.GenerationFields{
		Messages: stages.ListOf(stages.Message{Role: stages.RoleUser, Text: "When is high water?"}),
		Backend:  stages.Backend{Name: "harbour", Model: "tide-1"},
	})
}

func noon(g *stages.Generation) *stages.Generation {
	return g.Done(stages.GenerationResult{
		Output: stages.Output{Text: "noon", FinishReason: stages.FinishStop, Usage: spent}, Source: stages.SourceBackend,
	})
}

// A thousand who ask the same at one time are one call of the backend: here in a thousand sessions.
func TestThousandMisses(t *testing.T) {
	t.Parallel()
	const n = 1000
	p, release := newCache(t, cache.Settings{}), make(chan struct{})
	b := &plugintest.Model{Turns: []plugintest.Turn{func(ctx context.Context, _ *stages.Generation) (stages.Output, error) {
		select {
		case <-release:
		case <-ctx.Done():
			return stages.Output{}, ctx.Err()
		}
		return stages.Output{Text: "noon", FinishReason: stages.FinishStop, Usage: spent}, nil
	}}}
	var waiting sync.WaitGroup
	waiting.Add(n)
	arrived := session.WithPlugins(chain.Before("arrived", func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
		waiting.Done()
		return g, nil
	}))
	sessions := make([]*session.Session, n)
	for i := range sessions {
		sessions[i] = start(t, b, session.WithPlugins(p), arrived)
	}
	var g sync.WaitGroup
	var wrong, tokens atomic.Int64
	for i, s := range sessions {
		g.Go(func() {
			ask := s.Chat
			if i%10 == 3 { // some of them as a stream
				ask = func(ctx context.Context, text string, opts ...session.InstructOption) (*session.Result, error) {
					_, res, err := plugintest.Read(s.Stream(ctx, text, opts...))
					return res, err
				}
			}
			res, err := ask(t.Context(), "When?")
			if err != nil || res.Text() != "noon" {
				wrong.Add(1)
				return
			}
			tokens.Add(int64(res.Usage.Total()))
		})
	}
	waiting.Wait()
	close(release)
	g.Wait()
	if wrong.Load() != 0 {
		t.Errorf("%d calls got no answer or another one", wrong.Load())
	}
	s := p.Stats()
	if s.Hits+s.Shared+s.Misses != n {
		t.Errorf("stats %+v", s)
	}
	if got := tokens.Load(); got != int64(spent.Total()) {
		t.Errorf("%d tokens are on the books, %d were spent", got, spent.Total())
	}
	wantCalls(t, b, 1)
}

// What becomes of those who wait when the one that asks lets them down.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		lead  func(ctx context.Context, g *stages.Generation, cancelled <-chan struct{}) (*stages.Generation, error)
		later func(g *stages.Generation) (*stages.Generation, error) // of all others
		calls int64
		fail  int // of the followers
	}{
		{
			name: "it is cancelled",
			lead: func(ctx context.Context, _ *stages.Generation, _ <-chan struct{}) (*stages.Generation, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			},
			calls: 2,
		},
		{
			name: "it fails",
			lead: func(context.Context, *stages.Generation, <-chan struct{}) (*stages.Generation, error) {
				return nil, errBackend
			},
			calls: 2,
		},
		{
			name:  "it panics",
			lead:  func(context.Context, *stages.Generation, <-chan struct{}) (*stages.Generation, error) { panic("wave") },
			calls: 2,
		},
		{
			name: "it calls Goexit",
			lead: func(context.Context, *stages.Generation, <-chan struct{}) (*stages.Generation, error) {
				runtime.Goexit()
				return nil, nil
			},
			calls: 2,
		},
		{
			name: "its answer is not for others",
			lead: func(_ context.Context, g *stages.Generation, _ <-chan struct{}) (*stages.Generation, error) {
				return g.Done(stages.GenerationResult{Output: stages.Output{Text: "no", FinishReason: stages.FinishLength}, Source: stages.SourceBackend}), nil
			},
			calls: 1 + followers, // each asks itself, at once
		},
		{
			name: "the next one fails too",
			lead: func(context.Context, *stages.Generation, <-chan struct{}) (*stages.Generation, error) {
				return nil, errBackend
			},
			later: func(*stages.Generation) (*stages.Generation, error) { return nil, errBackend },
			calls: 1 + followers, fail: followers, // not one after the other
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newCache(t, cache.Settings{})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var calls atomic.Int64
				release := make(chan struct{})
				ask := direct(t, p, func(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
					n := calls.Add(1)
					if n == 1 {
						<-release
						return tc.lead(ctx, g, ctx.Done())
					}
					time.Sleep(time.Second) // of fake time: the backend's
					if tc.later != nil {
						return tc.later(g)
					}
					return noon(g), nil
				})
				var failures atomic.Int64
				var g sync.WaitGroup
				g.Go(func() { _, _ = ask(ctx, question("u")) })
				synctest.Wait()
				for range followers {
					g.Go(func() {
						out, err := ask(t.Context(), question("u"))
						if err != nil || out.Output().Text != "noon" {
							failures.Add(1)
						}
					})
				}
				synctest.Wait()
				if n := calls.Load(); n != 1 {
					t.Fatalf("%d calls while the first runs", n)
				}
				begun := time.Now()
				cancelled := tc.name == "it is cancelled"
				if cancelled {
					cancel()
				}
				close(release)
				g.Wait()
				if n := failures.Load(); n != int64(tc.fail) {
					t.Errorf("%d of those who waited failed, want %d", n, tc.fail)
				}
				if n := calls.Load(); n != tc.calls {
					t.Errorf("the backend was called %d times, want %d", n, tc.calls)
				}
				if took := time.Since(begun); took > 2*time.Second {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

const followers = 64

// A follower that goes away does so at once, and harms nobody.
func TestFollowerLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, release := newCache(t, cache.Settings{}), make(chan struct{})
		ask := direct(t, p, func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			<-release
			return noon(g), nil
		})
		var g sync.WaitGroup
		g.Go(func() {
			if _, err := ask(t.Context(), question("u")); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		g.Go(func() {
			if _, err := ask(ctx, question("u")); !errors.Is(err, gone) {
				t.Errorf("got %v", err)
			}
			close(release)
		})
		synctest.Wait()
		cancel(gone)
		g.Wait()
		if s := p.Stats(); s.Misses != 1 || s.Stores != 1 {
			t.Errorf("stats %+v", s)
		}
	})
}

// Nobody waits for ever for one that does not come back: after max_wait one of them asks.
func TestMaxWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, release := newCache(t, cache.Settings{MaxWait: 3 * time.Second}), make(chan struct{})
		var calls atomic.Int64
		ask := direct(t, p, func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			if calls.Add(1) == 1 {
				<-release
			}
			return noon(g), nil
		})
		var first, others sync.WaitGroup
		first.Go(func() { _, _ = ask(t.Context(), question("u")) })
		synctest.Wait()
		begun := time.Now()
		for range followers {
			others.Go(func() {
				if _, err := ask(t.Context(), question("u")); err != nil {
					t.Error(err)
				}
			})
		}
		others.Wait()
		if took := time.Since(begun); took != 3*time.Second {
			t.Errorf("they waited %v", took)
		}
		if n := calls.Load(); n != 2 {
			t.Errorf("%d calls, want 2", n)
		}
		close(release)
		first.Wait()
	})
}

// A call within the one that others wait for does not wait for it.
func TestNested(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newCache(t, cache.Settings{})
		var ask chain.Handler[*stages.Generation]
		depth := 0
		ask = direct(t, p, func(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
			if depth++; depth == 1 {
				if _, err := ask(ctx, question("u")); err != nil {
					return nil, err
				}
			}
			return noon(g), nil
		})
		begun := time.Now()
		if _, err := ask(t.Context(), question("u")); err != nil || time.Since(begun) != 0 {
			t.Errorf("got %v after %v", err, time.Since(begun))
		}
	})
}
