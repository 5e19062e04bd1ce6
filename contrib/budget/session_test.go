package budget

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/ngram"
	"github.com/maillon-go/maillon/internal/plugintest"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// script is a backend that answers "one two three four" in pieces; err comes at the end.
func script(usage stages.Usage, err error, at func(ctx context.Context, piece int) error) *plugintest.Model {
	return &plugintest.Model{Before: at, Turns: []plugintest.Turn{func(context.Context, *stages.Generation) (stages.Output, error) {
		return stages.Output{Text: "one two three four", Usage: usage, FinishReason: stages.FinishStop}, err
	}}}
}

// perWord counts words.
type perWord struct{}

func (perWord) Tokens(_, text string) int { return len(strings.Fields(text)) }

func startSession(t *testing.T, p *Plugin, b session.Backend, opts ...session.Option) *session.Session {
	t.Helper()
	return plugintest.Start(t, b, append([]session.Option{session.WithPlugins(p), session.WithUser("ada")}, opts...)...)
}

func accounts(p *Plugin) int {
	m := p.store.(*Memory)
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.accounts)
}

const asked = perRequest + perMessage + 2 // "say something", by perWord

// TestStreams: what was generated is settled, however far a stream comes.
func TestStreams(t *testing.T) {
	reported := stages.Usage{InputTokens: 70, OutputTokens: 7}
	for _, tc := range []struct {
		name  string
		b     *plugintest.Model
		setup []any
		read  int // chunks, then the reader goes; 0: all
		want  int64
	}{
		{name: "to its end", b: script(reported, nil, nil), want: 77},
		{name: "nothing reported", b: script(stages.Usage{}, nil, nil), want: asked + 4},
		{name: "left by the reader", b: script(reported, nil, nil), read: 2, want: asked + 2},
		{name: "left at once", b: script(reported, nil, nil), read: 1, want: asked + 1},
		{name: "broken off by the backend", b: script(stages.Usage{}, nil, func(_ context.Context, i int) error {
			if i == 3 {
				return errBackend
			}
			return nil
		}), want: asked + 3},
		{name: "failed before it began", b: script(stages.Usage{}, nil, func(context.Context, int) error { return errBackend }), want: 0},
		{name: "failed at the end, with usage", b: script(reported, errBackend, nil), want: 77},
		{name: "panic", b: script(stages.Usage{}, nil, func(_ context.Context, i int) error {
			if i == 2 {
				panic("boom")
			}
			return nil
		}), want: asked + 2},
		{name: "a chunk is blocked", b: script(stages.Usage{}, nil, nil), setup: []any{chunkBlock("three")}, want: asked + 2},
		{name: "the first chunk is blocked", b: script(stages.Usage{}, nil, nil), setup: []any{chunkBlock("one")}, want: asked},
		{name: "blocked by a hook", b: script(stages.Usage{}, nil, nil), setup: []any{before("b", 60, func(context.Context, *stages.Generation) (*stages.Generation, error) { return nil, chain.Block("no") })}, want: 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, err := New(Settings{Limits: []Limit{{Name: "all", Tokens: 100_000}, {Name: "session", Per: []Dimension{PerSession}, Tokens: 100_000}}, Estimator: perWord{}})
			if err != nil {
				t.Fatal(err)
			}
			s := startSession(t, p, tc.b, session.WithPlugins(tc.setup...))
			if by := s.Pipeline().Streaming(t.Context()).Buffered(); len(by) > 0 {
				t.Errorf("streams are buffered because of %v", by)
			}
			n := 0
			for _, err := range s.Stream(t.Context(), "say something").Text() {
				if n++; err != nil || n == tc.read {
					break
				}
			}
			for _, k := range []Key{{Limit: "all"}, {Limit: "session", Session: s.ID()}} {
				if u, err := p.Usage(t.Context(), k); err != nil || u.Settled != tc.want || u.Reserved != 0 {
					t.Errorf("%v, %v, want %d settled", u, err, tc.want)
				}
			}
		})
	}
}

func chunkBlock(word string) any {
	return chain.Before("chunks", func(_ context.Context, c *stages.Chunk) (*stages.Chunk, error) {
		if strings.Contains(c.Text(), word) {
			return nil, chain.Block("no")
		}
		return c, nil
	})
}

func TestStreamCancelled(t *testing.T) {
	p, err := New(Settings{Limits: []Limit{{Name: "all", Tokens: 100_000}}, Estimator: perWord{}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := startSession(t, p, script(stages.Usage{}, nil, func(ctx context.Context, i int) error {
		if i == 3 { // it hangs until it is cancelled
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}))
	n := 0
	for _, err := range s.Stream(ctx, "say something").Text() {
		if n++; n == 3 {
			cancel()
		}
		if n == 4 && err == nil {
			t.Error("it goes on")
		}
	}
	if u, err := p.Usage(t.Context(), Key{Limit: "all"}); err != nil || u.Settled != asked+3 || u.Reserved != 0 {
		t.Errorf("%v, %v, want %d settled", u, err, asked+3)
	}
}

// TestSessionEnds: the accounts of a request go with it, and those of a session.
func TestSessionEnds(t *testing.T) {
	p, err := New(Settings{Estimator: perWord{}, Limits: []Limit{
		{Name: "request", Per: []Dimension{PerRequest}, Tokens: 100_000},
		{Name: "session", Per: []Dimension{PerSession, PerModel}, Tokens: 100_000},
		{Name: "user", Per: []Dimension{PerUser}, Tokens: 100_000},
	}})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			s := startSession(t, p, script(stages.Usage{}, nil, nil))
			for range 3 {
				if _, err := s.Instruct(t.Context(), "say something"); err != nil {
					t.Error(err)
				}
			}
			if u, err := p.Usage(t.Context(), Key{Limit: "session", Session: s.ID(), Model: "tide-1"}); err != nil || u.Settled == 0 {
				t.Errorf("%v, %v", u, err)
			}
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := accounts(p); n != 1 {
		t.Errorf("%d accounts are left, want that of the user", n)
	}
	if _, err := session.Instruct(t.Context(), script(stages.Usage{}, nil, nil), stages.History{}, "say something"); err != nil {
		t.Fatal(err)
	}
	if n := accounts(p); n != 1 {
		t.Errorf("%d accounts are left after a call without a session", n)
	}
}

// TestRequestHasAllItDoes: attempts, tool rounds and judges of one call are one request.
func TestRequestHasAllItDoes(t *testing.T) {
	p, err := New(Settings{Limits: []Limit{{Name: "request", Per: []Dimension{PerRequest}, Tokens: 700}}, Estimator: fixed{}, MaxOutput: 200})
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	s := startSession(t, p, session.BackendFunc(func(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
		asked++
		return answer(stages.Usage{InputTokens: 100, OutputTokens: 100}, "no")(ctx, g)
	}))
	_, err = s.Instruct(t.Context(), "say something", session.Require(session.Judge("It is kind.")))
	var v *chain.Violation
	if !errors.As(err, &v) || v.Code != CodeExceeded || asked != 3 {
		t.Errorf("asked %d times, then %v; want 3 times and %s", asked, err, CodeExceeded)
	}
	if n := accounts(p); n != 0 {
		t.Errorf("%d accounts are left", n)
	}
}

// TestNestedRequests: what hooks ask the model, in requests of requests, counts for the call from outside, and the account goes with it.
func TestNestedRequests(t *testing.T) {
	p, err := New(Settings{Limits: []Limit{{Name: "request", Per: []Dimension{PerRequest}, Tokens: 200}}, Estimator: fixed{}, MaxOutput: 20})
	if err != nil {
		t.Fatal(err)
	}
	served, refused := 0, 0
	var s *session.Session
	s = startSession(t, p, session.BackendFunc(func(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
		served++
		return answer(stages.Usage{InputTokens: 20, OutputTokens: 10}, "no")(ctx, g)
	}), session.WithHistoryKind(stages.HistorySingle), session.WithPlugins(stages.At("component", chain.Before("ask", func(ctx context.Context, c *stages.Component) (*stages.Component, error) {
		for range 3 {
			if stages.From(ctx).Depth() < 4 {
				if _, err := s.Instruct(ctx, "say something"); err != nil {
					refused++
				}
			}
		}
		return c, nil
	}))))
	for i := range 2 {
		served, refused = 0, 0
		if _, err = s.Instruct(t.Context(), "say something"); served != 6 || refused != 39-6 { // 5 x 30, and 37 for the next
			t.Errorf("call %d: %d calls were served, %d refused, want 6 and 33", i, served, refused)
		}
		wantBlock(t, err, CodeExceeded, map[string]any{"limit": "request"})
		if n := accounts(p); n != 0 {
			t.Errorf("%d accounts are left", n)
		}
	}
}

// TestNgram: a real model in this process, by call and by stream.
func TestNgram(t *testing.T) {
	p, err := New(Settings{Limits: []Limit{{Name: "session", Per: []Dimension{PerSession}, Tokens: 500}}, MaxOutput: 100})
	if err != nil {
		t.Fatal(err)
	}
	s := startSession(t, p, ngram.NewBackend())
	for i := range 1000 {
		if i%2 == 0 {
			_, err = s.Instruct(t.Context(), "Who looks after the crane?")
		} else {
			st := s.Stream(t.Context(), "Which cargo came in?")
			for _, err = range st.Text() { //nolint:revive // the last error is what counts
			}
		}
		if err != nil {
			break
		}
	}
	wantBlock(t, err, CodeExceeded, map[string]any{"limit": "session"})
	u, err := p.Usage(t.Context(), Key{Limit: "session", Session: s.ID()})
	if err != nil || u.Settled != int64(s.Totals().Usage.Total()) || u.Settled == 0 || u.Reserved != 0 {
		t.Errorf("%v, %v, want the %d tokens of the session", u, err, s.Totals().Usage.Total())
	}
}
