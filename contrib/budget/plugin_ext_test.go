package budget_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/chain/chaintest"
	"github.com/maillon-go/maillon/contrib/budget"
	"github.com/maillon-go/maillon/contrib/config"
	"github.com/maillon-go/maillon/internal/plugintest"
	"github.com/maillon-go/maillon/stages"
)

func newPlugin(tb testing.TB, s budget.Settings) *budget.Plugin {
	tb.Helper()
	return plugintest.Make(tb, budget.New, s)
}

var serial atomic.Int64

// generation is a call with an id of its own.
func generation() *stages.Generation {
	return stages.NewGeneration(stages.Meta{CorrelationID: time.Duration(serial.Add(1)).String(), RequestID: "r", SessionID: "s", UserID: "ada"},
		stages.GenerationFields{Messages: stages.ListOf(stages.Message{Role: stages.RoleUser, Text: "When is high water?"}), Backend: stages.Backend{Name: "b", Model: "m"}})
}

func TestConformance(t *testing.T) {
	p := newPlugin(t, budget.Settings{Limits: []budget.Limit{{Tokens: 1e12}, {Per: []budget.Dimension{budget.PerRequest, budget.PerSession}, Tokens: 1e12}}})
	t.Run("generation_pre_call", func(t *testing.T) {
		chaintest.Run(t, chain.Before("budget", p.OnGenerationPreCall), chaintest.Payload(generation))
	})
	t.Run("wrap_generation", func(t *testing.T) {
		chaintest.Run(t, chain.Around("budget", p.WrapGeneration), chaintest.Payload(generation))
	})
	t.Run("observe_generation", func(t *testing.T) {
		chaintest.Run(t, chain.Observe("budget", p.ObserveGeneration), chaintest.Payload(generation))
	})
	t.Run("observe_component", func(t *testing.T) {
		chaintest.Run(t, chain.Observe("budget", p.ObserveComponent), chaintest.Payload(func() *stages.Component {
			return stages.NewComponent(stages.Meta{RequestID: "r"}, stages.ComponentFields{})
		}))
	})
	t.Run("observe_cleanup", func(t *testing.T) {
		chaintest.Run(t, chain.Observe("budget", p.ObserveCleanup), chaintest.Payload(func() *stages.Cleanup {
			return stages.NewCleanup(stages.Meta{SessionID: "s"}, stages.CleanupFields{})
		}))
	})
}

const table = `
currency: EUR
prices:
  - {model: "m*", input: 2.00, cached: 0.50, output: 8.00}
`

// file is a plugin file beside a price table.
func file(t *testing.T, plugins string) string {
	t.Helper()
	dir := t.TempDir()
	prices, path := filepath.Join(dir, "prices.yaml"), filepath.Join(dir, "plugins.yaml")
	for name, text := range map[string]string{prices: table, path: strings.ReplaceAll(plugins, "PRICES", prices)} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

const plugins = `
plugins:
  - name: budget
    kind: token_budget
    config:
      limits:
        - {per: [request], tokens: 5000, action: cap}
        - {name: daily, per: [user, model], model: "m*", cost: 0.50, window: 24h}
        - {tokens: 1000000, window: 1h, action: warn}
      prices: PRICES
      max_output: 512
      reservation_ttl: 10m
      max_keys: 1000
`

func TestConfig(t *testing.T) {
	store := budget.NewMemory(budget.MemoryConfig{})
	var p *budget.Plugin
	kinds := config.NewKinds()
	config.Register(kinds, "token_budget", func(s budget.Settings) (_ any, err error) {
		s.Store = store
		p, err = budget.New(s)
		return p, err
	})
	path := file(t, plugins)
	pipe := stages.NewPipeline(stages.PipelineConfig{})
	c, err := config.Open(t.Context(), path, config.Options{Pipeline: pipe, Kinds: kinds})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(context.Background()) }()
	call := pipe.Generation.Then(func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
		if n, _ := g.ModelOptions().MaxTokens.Get(); n != 512 {
			t.Errorf("max tokens %d", n)
		}
		return g.Done(stages.GenerationResult{Output: stages.Output{Text: "hi", Usage: stages.Usage{InputTokens: 200_000, OutputTokens: 100}}, Source: stages.SourceBackend}), nil
	})
	if _, err := call(t.Context(), generation()); err != nil {
		t.Fatal(err)
	}
	daily := budget.Key{Limit: "daily", User: "ada", Model: "m"}
	if u, err := p.Usage(t.Context(), daily); err != nil || u.Settled != 400_800 || u.Max != 500_000 {
		t.Errorf("%v, %v", u, err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(b), "0.50", "0.40", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err = call(t.Context(), stages.NewGeneration(stages.Meta{CorrelationID: "next", RequestID: "r2", UserID: "ada"}, stages.GenerationFields{Backend: stages.Backend{Model: "m"}}))
	var v *chain.Violation
	if !errors.As(err, &v) || v.Code != budget.CodeExceeded || v.Details["limit"] != "daily" || v.Details["left"] != budget.Money(0) {
		t.Errorf("after the reload: %v, want a block by the lower limit", err)
	}
}

func TestConfigRefuses(t *testing.T) {
	kinds := config.NewKinds()
	config.Register(kinds, "token_budget", func(s budget.Settings) (any, error) { return budget.New(s) })
	for name, tc := range map[string]struct{ old, new, want string }{
		"unknown key":       {"max_keys", "max_kyes", "plugins.yaml:13:"},
		"not an amount":     {"cost: 0.50", "cost: 0.5000000001", "limits[1].cost: an amount of money is written as"},
		"not a duration":    {"window: 24h", "window: 1d", "limits[1].window: a duration is written with its unit"},
		"unknown action":    {"action: cap", "action: stop", `unknown action "stop": block, cap or warn`},
		"unknown dimension": {"[request]", "[team]", `unknown dimension "team"`},
		"no price table":    {"prices: PRICES", "prices: none.yaml", "none.yaml"},
		"no limits":         {plugins, "plugins:\n  - {name: budget, kind: token_budget}\n", "plugins.yaml:2:"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.Preview(file(t, strings.Replace(plugins, tc.old, tc.new, 1)), kinds)
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "plugins.yaml:") {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

// benchmarked is a call through a chain with or without the plugin.
func benchmarked(b *testing.B, s *budget.Settings) {
	b.Helper()
	pipe := stages.NewPipeline(stages.PipelineConfig{})
	if s != nil {
		if _, err := pipe.Register(b.Context(), newPlugin(b, *s)); err != nil {
			b.Fatal(err)
		}
	}
	call := pipe.Generation.Then(func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
		return g.Done(stages.GenerationResult{Output: stages.Output{Text: "hi", Usage: stages.Usage{InputTokens: 12, OutputTokens: 1}}, Source: stages.SourceBackend}), nil
	})
	g := generation().WithModelOptions(stages.ModelOptions{MaxTokens: stages.Some(100)})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := call(b.Context(), g); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkContrib(b *testing.B) {
	user := budget.Limit{Name: "daily", Per: []budget.Dimension{budget.PerUser}, Tokens: 1e15, Window: 24 * time.Hour}
	b.Run("budget", func(b *testing.B) { benchmarked(b, &budget.Settings{Limits: []budget.Limit{user}}) })
	b.Run("budget/without", func(b *testing.B) { benchmarked(b, nil) })
	b.Run("budget/limits=3", func(b *testing.B) {
		benchmarked(b, &budget.Settings{Limits: []budget.Limit{
			user, {Per: []budget.Dimension{budget.PerSession}, Tokens: 1e15}, {Per: []budget.Dimension{budget.PerModel}, Tokens: 1e15, Window: time.Hour},
		}})
	})
}

func BenchmarkHeuristic(b *testing.B) {
	text := strings.Repeat("The harbour master reads the tide tables every morning, before the first ship comes in. ", 100)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		budget.Heuristic{}.Tokens("", text)
	}
}
