package cache_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/cache"
	"github.com/maillon-go/maillon/internal/plugintest"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

var errBackend = errors.New("the backend failed")

// A hit is an answer like another, but from the cache and for nothing.
func TestHit(t *testing.T) {
	t.Parallel()
	b, p := &plugintest.Model{}, newCache(t, cache.Settings{})
	var seen []*stages.Generation
	record := session.WithPlugins(chain.After("record", func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
		seen = append(seen, g)
		return g, nil
	}))
	for range 2 {
		res, err := asks(t, b, session.WithPlugins(p), record)
		if err != nil || res.Text() != "high water at noon" {
			t.Fatalf("got %v, %v", res, err)
		}
	}
	wantCalls(t, b, 1)
	miss, hit := seen[0], seen[1]
	if miss.Source() != stages.SourceBackend || miss.Output().Usage != spent {
		t.Errorf("the miss has source %s, usage %+v", miss.Source(), miss.Output().Usage)
	}
	if o := hit.Output(); hit.Source() != stages.SourceCache || o.Usage != (stages.Usage{}) || o.Model != "tide-1" || o.FinishReason != stages.FinishStop {
		t.Errorf("the hit has source %s, output %+v", hit.Source(), o)
	}
	if hit.Meta().RequestID == miss.Meta().RequestID {
		t.Error("the hit says that it is the other request")
	}
	s := p.Stats()
	if s.Hits != 1 || s.Misses != 1 || s.Stores != 1 || s.SavedTokens != 8 || s.Bytes <= 0 {
		t.Errorf("stats %+v", s)
	}
}

// The session's books have what was spent, and no more.
func TestHitCostsNothing(t *testing.T) {
	t.Parallel()
	b, p := &plugintest.Model{}, newCache(t, cache.Settings{})
	var used []stages.Usage
	for range 2 {
		s := start(t, b, session.WithPlugins(p), session.WithPlugins(chain.Observe("books", func(_ context.Context, o chain.Outcome[*stages.Component]) {
			used = append(used, o.Payload.Usage())
		})))
		if _, err := s.Chat(t.Context(), "When is high water?"); err != nil {
			t.Fatal(err)
		}
	}
	if used[0] != spent || used[1] != (stages.Usage{}) {
		t.Errorf("used %+v", used)
	}
}

func TestNeverKept(t *testing.T) {
	t.Parallel()
	canned := &plugintest.Model{}
	for _, tc := range []struct {
		name   string
		answer plugintest.Turn
		model  *plugintest.Model // the one whose calls count; nil is the backend
		opts   []session.Option
	}{
		{name: "error", answer: plugintest.Fails(errBackend)},
		{name: "violation by the backend", answer: plugintest.Fails(chain.Block("no"))},
		{name: "panic", answer: func(context.Context, *stages.Generation) (stages.Output, error) { panic("wave") }},
		{name: "empty", answer: says(" \n", stages.FinishStop)},
		{name: "cut off by length", answer: says("high wat", stages.FinishLength)},
		{name: "filtered", answer: says("high water", stages.FinishFiltered)},
		{name: "unknown reason", answer: says("high water", "recitation")},
		{name: "blocked in the chunk stage", opts: []session.Option{session.WithPlugins(chain.Before("policy", func(context.Context, *stages.Chunk) (*stages.Chunk, error) {
			return nil, chain.Block("no")
		}))}},
		{name: "blocked by generation_post_call", opts: []session.Option{session.WithPlugins(chain.After("policy", func(context.Context, *stages.Generation) (*stages.Generation, error) {
			return nil, chain.Block("no")
		}))}},
		{name: "failure of a hook", opts: []session.Option{session.WithPlugins(chain.After("policy", func(context.Context, *stages.Generation) (*stages.Generation, error) {
			return nil, errBackend
		}))}},
		{name: "blocked by the component's hook", opts: []session.Option{session.WithPlugins(chain.After("policy", func(context.Context, *stages.Component) (*stages.Component, error) {
			return nil, chain.Block("no")
		}))}},
		{name: "answer of another link", model: canned, opts: []session.Option{
			session.WithPlugins(chain.Around("canned", func(chain.Handler[*stages.Generation]) chain.Handler[*stages.Generation] { return canned.Generate })),
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b, p := &plugintest.Model{}, newCache(t, cache.Settings{})
			if tc.answer != nil {
				b.Turns = []plugintest.Turn{tc.answer}
			}
			if tc.model == nil {
				tc.model = b
			}
			before := int64(0)
			for range 2 {
				opts := append([]session.Option{session.WithPlugins(p)}, tc.opts...)
				_, err := asks(t, b, opts...)
				if err == nil && before == 0 && strings.Contains(tc.name, "blocked") {
					t.Fatal("the call was not blocked")
				}
				if n := tc.model.Calls(); n == before {
					t.Errorf("the second call was answered from the cache")
				} else {
					before = n
				}
			}
			if s := p.Stats(); s.Hits+s.Shared != 0 || s.Stores != s.Dropped {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

var tide = stages.Callable{Name: "tide", Call: func(context.Context, json.RawMessage) (any, error) { return "high", nil }}

func TestSkipped(t *testing.T) {
	t.Parallel()
	hot := stages.ModelOptions{Temperature: stages.Some(0.7)}
	seeded := hot
	seeded.Seed = stages.Some(int64(7))
	for _, tc := range []struct {
		name    string
		backend session.Backend
		set     cache.Settings
		options stages.ModelOptions
		user    string
		kept    bool
	}{
		{name: "nothing said", user: "u", kept: true},
		{name: "temperature", user: "u", options: hot},
		{name: "temperature and seed", user: "u", options: seeded, kept: true},
		{name: "temperature 0", user: "u", options: stages.ModelOptions{Temperature: stages.Some(0.0)}, kept: true},
		{name: "temperature, sampled", user: "u", options: hot, set: cache.Settings{Sampled: true}, kept: true},
		{name: "a model without a name", user: "u", backend: session.BackendFunc((&plugintest.Model{}).Generate)},
		{name: "no user", kept: false},
		{name: "no label", user: "u", set: cache.Settings{Scope: "label:tenant"}},
		{name: "the tenant says so", user: "u", set: cache.Settings{Tenant: func(context.Context, *stages.Generation) (string, bool) { return "", false }}},
		{name: "an option that nobody can compare", user: "u", options: stages.ModelOptions{Extra: stages.MapOf(map[string]any{"f": &tide})}},
		{name: "options of a backend's own", user: "u", options: stages.ModelOptions{Extra: stages.MapOf(map[string]any{"top_k": 3, "x": []any{map[string]any{"y": 1.5}}})}, kept: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := newCache(t, tc.set)
			if tc.backend == nil {
				tc.backend = &plugintest.Model{}
			}
			for range 2 {
				if _, err := asks(t, tc.backend, session.WithPlugins(p), session.WithUser(tc.user), session.WithModelOptions(tc.options)); err != nil {
					t.Fatal(err)
				}
			}
			if s := p.Stats(); tc.name != "no user" && (s.Hits == 1) != tc.kept || tc.name == "no user" && s.Hits != 0 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

// Without a session and without a user nobody knows who asks.
func TestSkippedWithoutSession(t *testing.T) {
	t.Parallel()
	p, pl := newCache(t, cache.Settings{}), stages.NewPipeline(stages.PipelineConfig{})
	if _, err := pl.Register(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	b := &plugintest.Model{}
	for range 2 {
		if _, err := session.On(b, stages.History{}, session.WithPipeline(pl)).Chat(t.Context(), "When?"); err != nil {
			t.Fatal(err)
		}
	}
	wantCalls(t, b, 2)
	if s := p.Stats(); s.Skipped != 2 {
		t.Errorf("stats %+v", s)
	}
}

// Who shares answers, and who does not.
func TestScopes(t *testing.T) {
	t.Parallel()
	type who struct{ user, tenant string }
	by := func(w who) session.Option { return session.WithUser(w.user) }
	for _, tc := range []struct {
		name   string
		set    cache.Settings
		a, b   who
		shared bool
	}{
		{"user, the same", cache.Settings{}, who{user: "a"}, who{user: "a"}, true},
		{"user, another", cache.Settings{}, who{user: "a"}, who{user: "b"}, false},
		{"session", cache.Settings{Scope: cache.ScopeSession}, who{user: "a"}, who{user: "a"}, false},
		{"shared", cache.Settings{Scope: cache.ScopeShared}, who{user: "a"}, who{user: "b"}, true},
		{"label, the same", cache.Settings{Scope: "label:tenant"}, who{"a", "t"}, who{"b", "t"}, true},
		{"label, another", cache.Settings{Scope: "label:tenant"}, who{"a", "t"}, who{"a", "v"}, false},
		{"label, empty", cache.Settings{Scope: "label:tenant"}, who{"a", ""}, who{"b", ""}, false},
		{"function", cache.Settings{Tenant: func(_ context.Context, g *stages.Generation) (string, bool) {
			return g.Meta().UserID[:1], true
		}}, who{user: "a1"}, who{user: "a2"}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b, p := &plugintest.Model{}, newCache(t, tc.set)
			for _, w := range []who{tc.a, tc.b} {
				if _, err := asks(t, b, session.WithPlugins(p), by(w), session.WithLabel("tenant", w.tenant)); err != nil {
					t.Fatal(err)
				}
			}
			wantCalls(t, b, map[bool]int64{true: 1, false: 2}[tc.shared])
		})
	}
}

// A hit passes the policy that is there now, streamed or not.
func TestHitPassesThePolicy(t *testing.T) {
	t.Parallel()
	block := func(stage string) session.Option {
		if stage == "chunk" {
			return session.WithPlugins(chain.Before("policy", func(_ context.Context, c *stages.Chunk) (*stages.Chunk, error) {
				if strings.Contains(c.Text(), "noon") {
					return nil, chain.Block("no", chain.Code("noon"))
				}
				return c, nil
			}))
		}
		return session.WithPlugins(chain.After("policy", func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			return nil, chain.Block("no", chain.Code("noon"))
		}, stages.AcceptsChunks()))
	}
	for _, stage := range []string{"chunk", "post"} {
		t.Run(stage, func(t *testing.T) {
			t.Parallel()
			b, p := &plugintest.Model{}, newCache(t, cache.Settings{})
			if _, err := asks(t, b, session.WithPlugins(p)); err != nil {
				t.Fatal(err)
			}
			var v *chain.Violation
			if _, err := asks(t, b, session.WithPlugins(p), block(stage)); !errors.As(err, &v) || v.Code != "noon" {
				t.Errorf("got %v", err)
			}
			wantCalls(t, b, 1)
			if s := p.Stats(); s.Hits != 1 || s.Dropped == 0 {
				t.Errorf("stats %+v", s)
			}
		})
	}
	t.Run("redaction", func(t *testing.T) {
		t.Parallel()
		b, p := &plugintest.Model{}, newCache(t, cache.Settings{})
		if _, err := asks(t, b, session.WithPlugins(p)); err != nil {
			t.Fatal(err)
		}
		res, err := asks(t, b, session.WithPlugins(p), redact("noon"))
		if err != nil || res.Text() != "high water at ***" {
			t.Errorf("got %v, %v", res, err)
		}
		wantCalls(t, b, 1)
	})
}

// A loop that tries again gets another answer, and the better one is kept.
func TestAnotherSample(t *testing.T) {
	t.Parallel()
	b, p := &plugintest.Model{Turns: []plugintest.Turn{plugintest.Says("mist"), plugintest.Says("high water")}}, newCache(t, cache.Settings{})
	water := session.Check("Mention water", func(text string) (bool, string) { return strings.Contains(text, "water"), "no" })
	for range 2 {
		res, err := start(t, b, session.WithPlugins(p)).Instruct(t.Context(), "Tell me.", session.Require(water))
		if err != nil || res.Text() != "high water" {
			t.Fatalf("got %v, %v", res, err)
		}
	}
	wantCalls(t, b, 2)
}

// What did not fulfil its requirements does not stay.
func TestUnfulfilled(t *testing.T) {
	t.Parallel()
	b, p := &plugintest.Model{}, newCache(t, cache.Settings{})
	never := session.Check("Mention gold", func(text string) (bool, string) { return strings.Contains(text, "gold"), "no" })
	for i := range 2 {
		res, err := start(t, b, session.WithPlugins(p)).Instruct(t.Context(), "Tell me.", session.Require(never), session.LoopBudget(2))
		if err != nil || res.Success {
			t.Fatalf("got %v, %v", res, err)
		}
		wantCalls(t, b, int64(2*(i+1)))
	}
}

// Attempts that are made at once to be compared are not one attempt.
func TestVoting(t *testing.T) {
	t.Parallel()
	b, p := &plugintest.Model{}, newCache(t, cache.Settings{})
	s := start(t, b, session.WithPlugins(p))
	if _, err := s.Instruct(t.Context(), "Tell me.", session.Using(session.MajorityVoting{Samples: 3})); err != nil {
		t.Fatal(err)
	}
	wantCalls(t, b, 3)
}

// What the backend is asked, as the redactor left it, is what counts.
func TestKeyAfterRedaction(t *testing.T) {
	t.Parallel()
	b, p := &plugintest.Model{}, newCache(t, cache.Settings{})
	redactor := session.WithPlugins(chain.Before("redact", func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
		return g.WithMessages(g.Messages().Map(func(m stages.Message) stages.Message {
			m.Text = strings.NewReplacer("Ann", "<name>", "Bob", "<name>").Replace(m.Text)
			return m
		})), nil
	}))
	for _, name := range []string{"Ann", "Bob"} {
		if _, err := start(t, b, session.WithPlugins(p), redactor).Chat(t.Context(), "Who is "+name+"?"); err != nil {
			t.Fatal(err)
		}
	}
	wantCalls(t, b, 1)
}

// Without a session, too, what a hook behind the cache has stopped does not stay.
func TestBlockedWithoutSession(t *testing.T) {
	t.Parallel()
	p, pl := newCache(t, cache.Settings{}), stages.NewPipeline(stages.PipelineConfig{})
	if _, err := pl.Register(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	calls := 0
	ask := pl.Generation.Then(func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
		calls++
		return noon(g), nil
	})
	policy, err := pl.Generation.Use(chain.After("policy", func(context.Context, *stages.Generation) (*stages.Generation, error) {
		return nil, chain.Block("no")
	}))
	if err != nil {
		t.Fatal(err)
	}
	for want := range 2 {
		if _, err := ask(t.Context(), question("u")); err == nil || calls != want+1 {
			t.Errorf("%d calls, %v", calls, err)
		}
	}
	policy.Remove()
	if out, err := ask(t.Context(), question("u")); err != nil || out.Source() != stages.SourceBackend {
		t.Errorf("got %v", err)
	}
}

// Tools are asked for anew each time; what the model makes of the same results may come from the cache.
func TestToolCalls(t *testing.T) {
	t.Parallel()
	b, p := &plugintest.Model{}, newCache(t, cache.Settings{})
	b.Turns = []plugintest.Turn{func(_ context.Context, g *stages.Generation) (stages.Output, error) {
		if g.Messages().At(g.Messages().Len()-1).Role == stages.RoleTool {
			return stages.Output{Text: "high water", FinishReason: stages.FinishStop}, nil
		}
		call := stages.ListOf(stages.ToolCall{ID: "1", Name: "tide"})
		return stages.Output{Text: "let me see", ToolCalls: call, FinishReason: stages.FinishStop}, nil
	}}
	for range 2 {
		if res, err := asks(t, b, session.WithPlugins(p), session.WithTools(tide)); err != nil || res.Text() != "high water" {
			t.Fatalf("got %v, %v", res, err)
		}
	}
	wantCalls(t, b, 3)
}
