package all_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/contrib/all"
	"github.com/maillon-go/maillon/contrib/budget"
	"github.com/maillon-go/maillon/contrib/cache"
	"github.com/maillon-go/maillon/contrib/config"
	"github.com/maillon-go/maillon/contrib/profiler"
	"github.com/maillon-go/maillon/contrib/ratelimit"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

var (
	_ config.Successor = (*budget.Plugin)(nil)
	_ config.Successor = (*cache.Plugin)(nil)
	_ config.Successor = (*ratelimit.Plugin)(nil)
)

// running is a session whose pipeline has the plugins of a file.
type running struct {
	*session.Session
	t    *testing.T
	path string
	c    *config.Config
	m    *model
}

func run(t *testing.T, o all.Options, text string) *running {
	t.Helper()
	r := &running{t: t, path: filepath.Join(t.TempDir(), "maillon.yaml"), m: newModel()}
	r.write(text)
	p := stages.NewPipeline(stages.PipelineConfig{})
	t.Cleanup(func() { _ = p.Close(context.Background()) })
	var err error
	if r.c, err = config.Open(t.Context(), r.path, config.Options{Pipeline: p, Kinds: all.Kinds(o)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.c.Close(context.Background()) })
	r.Session = start(t, r.m, session.WithPipeline(p), session.WithLabel("team", "blue"), session.WithLabel("ship", "blue"))
	return r
}

func (r *running) write(text string) {
	r.t.Helper()
	if err := os.WriteFile(r.path, []byte("plugins:\n"+text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *running) reload(text string) {
	r.t.Helper()
	r.write(text)
	if err := r.c.Reload(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

// wants asks something new and compares the verdict.
func (r *running) wants(what, question, verdict string) {
	r.t.Helper()
	if got, _ := ask(r.t, r.Session, question, false); !strings.Contains(got, verdict) || verdict == "" && got != "" {
		r.t.Errorf("%s: got %q, want %q", what, got, verdict)
	}
}

// What was spent, used up or answered is so after a reload that changes other settings, too. Each answer takes 30 tokens.
func TestStateOutlivesAReload(t *testing.T) {
	limit := func(name, limits, more string) string {
		return "  - {name: " + name + ", kind: token_budget, config: {max_output: 16, limits: [{name: user, per: [user], " + limits + "}]" + more + "}}\n"
	}
	t.Run("budget", func(t *testing.T) {
		r := run(t, all.Options{}, limit("b", "tokens: 100", ""))
		r.wants("30 of 100", "one", "")
		r.wants("60 of 100", "two", "")
		r.reload(limit("b", "tokens: 70", ""))
		r.wants("60 of 70 spent", "three", "budget_exceeded")
		r.reload(limit("b", "tokens: 120", ", reservation_ttl: 2h, max_keys: 5"))
		r.wants("90 of 120", "four", "")
		r.reload(limit("b", "tokens: 100", ", reservation_ttl: 1h"))
		r.wants("90 of 100 spent", "five", "budget_exceeded")
		r.reload(limit("c", "tokens: 100", ""))
		r.wants("another plugin, with books of its own", "six", "")
	})
	t.Run("two budgets do not share an account", func(t *testing.T) {
		r := run(t, all.Options{}, limit("b", "tokens: 60", "")+limit("c", "tokens: 60", ""))
		r.wants("30 of 60 each", "one", "")
		r.wants("60 of 60 each", "two", "")
	})
	t.Run("a store of the program", func(t *testing.T) {
		store := budget.NewMemory(budget.MemoryConfig{})
		r := run(t, all.Options{BudgetStore: store}, limit("b", "tokens: 60", ""))
		r.wants("30 of 60", "one", "")
		r.reload(limit("c", "tokens: 50", ""))
		r.wants("30 of 50 spent, whatever the plugin's name is", "two", "budget_exceeded")
		b, err := budget.New(budget.Settings{Store: store, Limits: []budget.Limit{{Name: "user", Per: []budget.Dimension{budget.PerUser}, Tokens: 50}}})
		if err != nil {
			t.Fatal(err)
		}
		if u := spent(t, b); u.Settled != 30 || u.Reserved != 0 {
			t.Errorf("%v", u)
		}
	})
	t.Run("rate limit", func(t *testing.T) {
		const kind = "  - {name: r, kind: rate_limit, config: "
		r := run(t, all.Options{}, kind+"{requests: 2, window: 1h}}\n")
		r.wants("1 of 2", "one", "")
		r.wants("2 of 2", "two", "")
		r.reload(kind + "{requests: 3, window: 1h}}\n")
		r.wants("3 of 3", "three", "")
		r.wants("none is left", "four", "error")
		r.reload(kind + "{requests: 1, window: 1h}}\n")
		r.wants("none is left of 1", "five", "error")
		r.reload(kind + "{requests: 1, window: 1h, per: all}}\n")
		r.wants("the limit is shared by others", "six", "")
		r.reload(kind + "{requests: 1, window: 1h, per: 'label:none'}}\n")
		r.wants("and again, though the key is the same", "seven", "")
	})
	t.Run("cache", func(t *testing.T) {
		const kind = "  - {name: r, kind: response_cache, config: "
		r := run(t, all.Options{}, kind+"{ttl: 1h}}\n")
		calls := func(what string, n int64) {
			t.Helper()
			r.wants(what, "one", "")
			if got := r.m.Calls(); got != n {
				t.Errorf("%s: %d calls, want %d", what, got, n)
			}
		}
		calls("asked", 1)
		calls("a hit", 1)
		r.reload(kind + "{ttl: 2h, max_wait: 1s}}\n")
		calls("a hit after the reload", 1)
		r.reload(kind + "{ttl: 1ns}}\n")
		calls("too old for the new ttl", 2)
		r.reload(kind + "{scope: 'label:team'}}\n")
		calls("another scope", 3)
		r.reload(kind + "{scope: 'label:ship'}}\n")
		calls("another label of the same value", 4)
		r.reload(kind + "{scope: 'label:ship', max_bytes: 1000000}}\n")
		calls("another size", 5)
		calls("a hit", 5)
	})
}

// A file can have a plugin told of the links: the profiler times them.
func TestTracerOfAFile(t *testing.T) {
	kinds := config.NewKinds()
	var p *profiler.Plugin
	config.Register(kinds, "slot_profiler", func(s profiler.Settings) (any, error) {
		var err error
		p, err = profiler.New(s)
		return p, err
	})
	config.Register(kinds, "rate_limit", func(s ratelimit.Settings) (any, error) { return ratelimit.New(s) })
	for tracer, want := range map[string]bool{"": false, "settings: {tracer: times}\n": true} {
		path := filepath.Join(t.TempDir(), "maillon.yaml")
		text := tracer + "plugins:\n  - {name: times, kind: slot_profiler, config: {sample_every: 1}}\n  - {name: limit, kind: rate_limit, config: {requests: 9}}\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		pipeline := stages.NewPipeline(stages.PipelineConfig{})
		c, err := config.Open(t.Context(), path, config.Options{Pipeline: pipeline, Kinds: kinds})
		if err != nil {
			t.Fatal(err)
		}
		ask(t, start(t, newModel(), session.WithPipeline(pipeline)), "when?", false)
		if got := strings.Contains(p.Snapshot().String(), "limit.generation_pre_call"); got != want {
			t.Errorf("%q: the link is in the report: %v\n%s", tracer, got, p.Snapshot())
		}
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
		_ = pipeline.Close(t.Context())
	}
}
