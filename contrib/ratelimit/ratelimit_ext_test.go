package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/ratelimit"
	"github.com/maillon-go/maillon/internal/plugintest"
	"github.com/maillon-go/maillon/middleware"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

func newLimit(tb testing.TB, s ratelimit.Settings) *ratelimit.Plugin {
	tb.Helper()
	return plugintest.Make(tb, ratelimit.New, s)
}

func of(m stages.Meta) *stages.Generation {
	return stages.NewGeneration(m, stages.GenerationFields{Backend: stages.Backend{Name: "harbour", Model: "tide-1"}})
}

func user(id string) *stages.Generation { return of(stages.Meta{UserID: id}) }

// refusedFor checks that a call was refused, and until when.
func refusedFor(tb testing.TB, err error, limit string, after time.Duration) {
	tb.Helper()
	var e *ratelimit.Error
	var retry *middleware.RateLimitError
	if !errors.As(err, &e) || !errors.As(err, &retry) || retry.RetryAfter != e.RetryAfter {
		tb.Fatalf("got %v, want a refusal", err)
	}
	if e.Limit != limit || e.RetryAfter < after || e.RetryAfter > after+time.Millisecond {
		tb.Errorf("got %v (%v), want %s after %v", err, e.RetryAfter, limit, after)
	}
}

func TestRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newLimit(t, ratelimit.Settings{Requests: 60, RequestBurst: 2})
		ask := func() error {
			_, err := p.OnGenerationPreCall(t.Context(), user("u"))
			return err
		}
		for range 2 {
			if err := ask(); err != nil {
				t.Fatal(err)
			}
		}
		refusedFor(t, ask(), "requests", time.Second)
		time.Sleep(400 * time.Millisecond)
		refusedFor(t, ask(), "requests", 600*time.Millisecond)
		time.Sleep(601 * time.Millisecond)
		if err := ask(); err != nil {
			t.Error(err)
		}
		refusedFor(t, ask(), "requests", 999*time.Millisecond)
		if s := p.Stats(); s != (ratelimit.Stats{Allowed: 3, Refused: 3, Keys: 1}) {
			t.Errorf("stats %+v", s)
		}
	})
}

// What has a limit of its own, and what has one together.
func TestPer(t *testing.T) {
	t.Parallel()
	labels := func(v string) stages.Map[string] { return stages.MapOf(map[string]string{"team": v}) }
	for _, tc := range []struct {
		name     string
		set      ratelimit.Settings
		a, b     stages.Meta
		together bool
	}{
		{"user", ratelimit.Settings{}, stages.Meta{UserID: "a"}, stages.Meta{UserID: "b"}, false},
		{"one user in two sessions", ratelimit.Settings{}, stages.Meta{UserID: "a", SessionID: "1"}, stages.Meta{UserID: "a", SessionID: "2"}, true},
		{"no user", ratelimit.Settings{}, stages.Meta{SessionID: "1"}, stages.Meta{SessionID: "2"}, true},
		{"session", ratelimit.Settings{Per: ratelimit.PerSession}, stages.Meta{UserID: "a", SessionID: "1"}, stages.Meta{UserID: "a", SessionID: "2"}, false},
		{"model", ratelimit.Settings{Per: ratelimit.PerModel}, stages.Meta{UserID: "a"}, stages.Meta{UserID: "b"}, true},
		{"all", ratelimit.Settings{Per: ratelimit.PerAll}, stages.Meta{UserID: "a"}, stages.Meta{UserID: "b"}, true},
		{"label", ratelimit.Settings{Per: "label:team"}, stages.Meta{UserID: "a", Labels: labels("x")}, stages.Meta{UserID: "a", Labels: labels("y")}, false},
		{"no label", ratelimit.Settings{Per: "label:team"}, stages.Meta{UserID: "a"}, stages.Meta{UserID: "b"}, true},
		{"function", ratelimit.Settings{Key: func(_ context.Context, g *stages.Generation) (string, bool) {
			return g.Meta().UserID[:1], true
		}}, stages.Meta{UserID: "a1"}, stages.Meta{UserID: "a2"}, true},
		{"function without a limit", ratelimit.Settings{Key: func(context.Context, *stages.Generation) (string, bool) {
			return "", false
		}}, stages.Meta{UserID: "a1"}, stages.Meta{UserID: "a1"}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.set.Requests, tc.set.Window = 1, time.Hour
			p := newLimit(t, tc.set)
			if _, err := p.OnGenerationPreCall(t.Context(), of(tc.a)); err != nil {
				t.Fatal(err)
			}
			if _, err := p.OnGenerationPreCall(t.Context(), of(tc.b)); (err != nil) != tc.together {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Who waits is served in order of arrival, at the pace of the limit.
func TestFairness(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newLimit(t, ratelimit.Settings{Requests: 60, RequestBurst: 1, MaxWait: time.Hour})
		begun := time.Now()
		var mu sync.Mutex
		var order []string
		var g sync.WaitGroup
		for i := range 64 {
			g.Go(func() {
				if _, err := p.OnGenerationPreCall(t.Context(), user("u")); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				order = append(order, fmt.Sprintf("%d at %v", i, time.Since(begun).Round(time.Second)))
			})
			synctest.Wait() // it stands in line
		}
		g.Wait()
		for i, got := range order {
			if want := fmt.Sprintf("%d at %v", i, time.Duration(i)*time.Second); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
		if s := p.Stats(); s.Waited != 63 || s.Allowed != 64 {
			t.Errorf("stats %+v", s)
		}
	})
}

// Nobody waits in vain: when the time is too short the refusal comes at once.
func TestWaitTooLong(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		max      time.Duration
		deadline time.Duration
		fails    bool
	}{
		{name: "within max_wait", max: 3 * time.Second},
		{name: "longer than max_wait", max: time.Second, fails: true},
		{name: "within the deadline", max: time.Hour, deadline: 3 * time.Second},
		{name: "longer than the deadline", max: time.Hour, deadline: time.Second, fails: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newLimit(t, ratelimit.Settings{Requests: 30, RequestBurst: 1, MaxWait: tc.max})
				if _, err := p.OnGenerationPreCall(t.Context(), user("u")); err != nil {
					t.Fatal(err)
				}
				ctx := t.Context()
				if tc.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tc.deadline)
					defer cancel()
				}
				begun := time.Now()
				_, err := p.OnGenerationPreCall(ctx, user("u"))
				if !tc.fails {
					if err != nil || time.Since(begun) < 2*time.Second {
						t.Errorf("got %v after %v", err, time.Since(begun))
					}
					return
				}
				refusedFor(t, err, "requests", 2*time.Second)
				if time.Since(begun) != 0 {
					t.Errorf("the refusal took %v", time.Since(begun))
				}
			})
		})
	}
}

// The place in line counts: who would have to wait for others too is refused when that is too long.
func TestLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newLimit(t, ratelimit.Settings{Requests: 60, RequestBurst: 1, MaxWait: 2500 * time.Millisecond})
		var g sync.WaitGroup
		for range 3 {
			g.Go(func() {
				if _, err := p.OnGenerationPreCall(t.Context(), user("u")); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		_, err := p.OnGenerationPreCall(t.Context(), user("u"))
		refusedFor(t, err, "requests", 3*time.Second)
		g.Wait()
	})
}

// Who leaves the line gives up the place, for those behind too.
func TestLeavesTheLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newLimit(t, ratelimit.Settings{Requests: 60, RequestBurst: 1, MaxWait: time.Hour})
		if _, err := p.OnGenerationPreCall(t.Context(), user("u")); err != nil {
			t.Fatal(err)
		}
		begun, gone := time.Now(), errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		var g sync.WaitGroup
		for range 2 { // the one whose turn it is, and one behind
			g.Go(func() {
				if _, err := p.OnGenerationPreCall(ctx, user("u")); !errors.Is(err, gone) {
					t.Errorf("got %v", err)
				}
			})
		}
		synctest.Wait()
		g.Go(func() {
			if _, err := p.OnGenerationPreCall(t.Context(), user("u")); err != nil || time.Since(begun) > 1001*time.Millisecond {
				t.Errorf("got %v after %v", err, time.Since(begun))
			}
		})
		synctest.Wait()
		cancel(gone)
		g.Wait()
	})
}

// One whose turn is far away harms nobody else.
func TestKeysDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newLimit(t, ratelimit.Settings{Requests: 1, Window: time.Hour, MaxWait: 2 * time.Hour})
		var g sync.WaitGroup
		for range 2 {
			g.Go(func() { _, _ = p.OnGenerationPreCall(t.Context(), user("busy")) })
		}
		synctest.Wait()
		begun := time.Now()
		if _, err := p.OnGenerationPreCall(t.Context(), user("other")); err != nil || time.Since(begun) != 0 {
			t.Errorf("got %v after %v", err, time.Since(begun))
		}
		g.Wait()
	})
}

// answering is a session's backend of a given usage.
func answering(usage stages.Usage) session.Backend {
	return &plugintest.Model{Turns: []plugintest.Turn{plugintest.Answer(stages.Output{Text: "noon", Usage: usage})}}
}

func start(tb testing.TB, b session.Backend, opts ...session.Option) *session.Session {
	tb.Helper()
	return plugintest.Start(tb, b, append([]session.Option{session.WithUser("u")}, opts...)...)
}

// An estimate is corrected: what was taken too much comes back, what was too little is owed.
func TestTokens(t *testing.T) {
	t.Parallel()
	failed := errors.New("the backend failed")
	down := &plugintest.Model{Turns: []plugintest.Turn{plugintest.Fails(failed)}}
	other := func(source stages.Source, usage stages.Usage) chain.Handler[*stages.Generation] {
		return func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			return g.Done(stages.GenerationResult{Output: stages.Output{Text: "noon", Usage: usage}, Source: source}), nil
		}
	}
	around := func(m chain.Middleware[*stages.Generation]) []session.Option {
		return []session.Option{session.WithPlugins(stages.At("generation", chain.Around("around", m)))}
	}
	instead := func(h chain.Handler[*stages.Generation]) []session.Option {
		return around(func(chain.Handler[*stages.Generation]) chain.Handler[*stages.Generation] { return h })
	}
	used := stages.Usage{InputTokens: 20, OutputTokens: 10}
	for _, tc := range []struct {
		name    string
		backend session.Backend
		opts    []session.Option
		left    int // of 1000, after an estimate of 100
	}{
		{name: "as estimated", backend: answering(stages.Usage{InputTokens: 60, OutputTokens: 40}), left: 900},
		{name: "less", backend: answering(stages.Usage{InputTokens: 10, OutputTokens: 5}), left: 985},
		{name: "more", backend: answering(stages.Usage{InputTokens: 400, OutputTokens: 200}), left: 400},
		{name: "much more", backend: answering(stages.Usage{InputTokens: 2500, OutputTokens: 2500}), left: -4000},
		{name: "nothing reported", backend: answering(stages.Usage{}), left: 900},
		{name: "failed", backend: down, left: 1000},
		{name: "blocked before the model was asked", backend: answering(stages.Usage{InputTokens: 50}), left: 1000, opts: []session.Option{
			session.WithPlugins(chain.Before("block", no)),
		}},
		{name: "blocked after the model was asked", backend: answering(stages.Usage{InputTokens: 50}), left: 950, opts: []session.Option{
			session.WithPlugins(chain.After("block", no)),
		}},
		{name: "from a cache", backend: answering(stages.Usage{InputTokens: 50}), left: 1000, opts: instead(other(stages.SourceCache, used))},
		{name: "a link's own", backend: answering(stages.Usage{InputTokens: 50}), left: 1000, opts: instead(other("", stages.Usage{}))},
		{name: "another model's, that names no source", backend: answering(stages.Usage{InputTokens: 50}), left: 970, opts: instead(other("", used))},
		{name: "another model's", backend: answering(stages.Usage{InputTokens: 50}), left: 970, opts: instead(other("other", used))},
		{name: "another model's, as a backend", backend: answering(stages.Usage{InputTokens: 50}), left: 970, opts: instead(other(stages.SourceBackend, used))},
		{name: "a fallback's", backend: down, left: 970, opts: around(middleware.Fallback(other("other", used)))},
		{name: "a fallback's, as a backend", backend: down, left: 970, opts: around(middleware.Fallback(other(stages.SourceBackend, used)))},
		{name: "a fallback's, nothing reported", backend: down, left: 900, opts: around(middleware.Fallback(other("other", stages.Usage{})))},
		{name: "an apology", backend: down, left: 1000, opts: around(middleware.Fallback(other("", stages.Usage{})))},
		{name: "a fallback's, that names no source", backend: down, left: 970, opts: around(middleware.Fallback(other("", used)))},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				next := 100
				p := newLimit(t, ratelimit.Settings{
					Tokens: 1000, Window: 1000 * time.Second, // one a second
					Estimate: func(*stages.Generation) int { return next },
				})
				s := start(t, tc.backend, append([]session.Option{session.WithPlugins(p)}, tc.opts...)...)
				_, _ = s.Chat(t.Context(), "When?")
				next = 1000 // the whole of it: the refusal says what is missing
				_, err := s.Chat(t.Context(), "When?")
				if tc.left == 1000 {
					var e *ratelimit.Error
					if errors.As(err, &e) {
						t.Errorf("got %v", err)
					}
					return
				}
				refusedFor(t, err, "tokens", time.Duration(1000-tc.left)*time.Second)
			})
		})
	}
}

func no(context.Context, *stages.Generation) (*stages.Generation, error) {
	return nil, chain.Block("no")
}

// A call that is larger than the burst never goes through, and is told so.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	p := newLimit(t, ratelimit.Settings{Tokens: 10, MaxWait: time.Hour, Estimate: func(*stages.Generation) int { return 11 }})
	_, err := p.OnGenerationPreCall(t.Context(), user("u"))
	refusedFor(t, err, "tokens", 0)
}

// What comes back is there for those who wait, at once.
func TestRefundWakes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newLimit(t, ratelimit.Settings{
			Tokens: 100, Window: 100 * time.Hour, MaxWait: 1000 * time.Hour, Estimate: func(*stages.Generation) int { return 100 },
		})
		begun, release := time.Now(), make(chan struct{})
		b := session.BackendFunc(func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			<-release
			return nil, errors.New("failed")
		})
		s := start(t, b, session.WithPlugins(p))
		var g sync.WaitGroup
		for range 2 {
			g.Go(func() { _, _ = s.Chat(t.Context(), "When?") })
		}
		synctest.Wait()
		close(release)
		g.Wait()
		if took := time.Since(begun); took > time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// Many at a time: never more than the limit, in any window, with corrections in between.
func TestHammer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const perSecond, burst = 10, 20
		p := newLimit(t, ratelimit.Settings{Requests: perSecond, RequestBurst: burst, Window: time.Second, MaxWait: 5 * time.Second})
		begun := time.Now()
		var through atomic.Int64
		var g sync.WaitGroup
		for i := range 64 {
			g.Go(func() {
				for range 20 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+i%7)*time.Second)
					_, err := p.OnGenerationPreCall(ctx, user("u"))
					cancel()
					if err == nil {
						n, most := through.Add(1), burst+perSecond*time.Since(begun).Seconds()+1e-6
						if float64(n) > most {
							t.Errorf("%d calls after %v", n, time.Since(begun))
						}
						continue
					}
					time.Sleep(100 * time.Millisecond)
				}
			})
		}
		g.Wait()
		if most := burst + perSecond*time.Since(begun).Seconds(); float64(through.Load()) < most*0.9 {
			t.Errorf("%d calls in %v, %v would have been possible", through.Load(), time.Since(begun), most)
		}
	})
}

// Keys take a bounded room, and one that was idle is forgotten.
func TestKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newLimit(t, ratelimit.Settings{Requests: 60, RequestBurst: 1, MaxKeys: 10})
		for i := range 100 {
			for range 2 { // the key that was used last is none of those that go
				_, _ = p.OnGenerationPreCall(t.Context(), user(fmt.Sprint(i)))
			}
			if s := p.Stats(); s.Keys > 10 || s.Refused != int64(i+1) {
				t.Fatalf("stats %+v", s)
			}
		}
		q := newLimit(t, ratelimit.Settings{Requests: 60})
		for i := range 100 {
			_, _ = q.OnGenerationPreCall(t.Context(), user(fmt.Sprint(i)))
		}
		time.Sleep(2 * time.Minute)
		for i := range 100 {
			_, _ = q.OnGenerationPreCall(t.Context(), user(fmt.Sprint("new", i)))
		}
		if n := q.Stats().Keys; n != 100 {
			t.Errorf("%d keys, want those in use, 100", n)
		}
	})
}

// A debt is not forgotten, however long the call takes.
func TestDebtStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newLimit(t, ratelimit.Settings{Tokens: 60, Estimate: func(g *stages.Generation) int { return 1 }})
		b := session.BackendFunc(func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			time.Sleep(time.Hour) // of fake time
			for i := range 10 {   // others come meanwhile
				_, _ = p.OnGenerationPreCall(t.Context(), user(fmt.Sprint(i)))
			}
			return g.Done(stages.GenerationResult{Output: stages.Output{Text: "x", Usage: stages.Usage{OutputTokens: 600}}}), nil
		})
		s := start(t, b, session.WithPlugins(p))
		if _, err := s.Chat(t.Context(), "When?"); err != nil {
			t.Fatal(err)
		}
		_, err := s.Chat(t.Context(), "When?")
		refusedFor(t, err, "tokens", 540*time.Second) // 60 of 600 - 1 were there
	})
}

// A refusal is no fault of the link: its breaker stays closed, however many there are.
func TestBreaker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newLimit(t, ratelimit.Settings{Requests: 1, Window: time.Second})
		b, pl := answering(stages.Usage{}), stages.NewPipeline(stages.PipelineConfig{})
		s := start(t, b, session.WithPipeline(pl), session.WithPlugins(p))
		refused := 0
		for range 20 {
			if _, err := s.Chat(t.Context(), "When?"); err != nil {
				var link *chain.LinkError
				if refused++; !errors.As(err, &link) || link.Link != "rate_limit.generation_pre_call" || strings.Contains(err.Error(), "breaker") {
					t.Fatalf("got %v", err)
				}
			}
		}
		time.Sleep(time.Second)
		if _, err := s.Chat(t.Context(), "When?"); err != nil || refused != 19 {
			t.Errorf("got %v after %d refusals", err, refused)
		}
	})
}

// A stream is limited as any call, and stays a stream.
func TestStream(t *testing.T) {
	t.Parallel()
	p := newLimit(t, ratelimit.Settings{Requests: 1, Window: time.Hour})
	plugintest.Unbuffered(t, p)
	s := start(t, answering(stages.Usage{}), session.WithPlugins(p))
	for want := range 2 {
		_, _, err := plugintest.Read(s.Stream(t.Context(), "When?"))
		var e *ratelimit.Error
		if errors.As(err, &e) != (want == 1) {
			t.Errorf("call %d: %v", want, err)
		}
	}
}

// Who comes again and again is not forgotten, however many others there are.
func TestKeepsThoseInUse(t *testing.T) {
	t.Parallel()
	p := newLimit(t, ratelimit.Settings{Requests: 1, Window: time.Hour, MaxKeys: 10})
	for i := range 50 {
		_, err := p.OnGenerationPreCall(t.Context(), user("steady"))
		if (err == nil) != (i == 0) {
			t.Fatalf("call %d: %v", i, err)
		}
		_, _ = p.OnGenerationPreCall(t.Context(), user(fmt.Sprint(i)))
	}
}
