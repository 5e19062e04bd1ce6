package cache_test

import (
	"testing"
	"time"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/chain/chaintest"
	"github.com/maillon-go/maillon/contrib/cache"
	"github.com/maillon-go/maillon/internal/plugintest"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		set  cache.Settings
		want []string
	}{
		{set: cache.Settings{Scope: "everyone"}, want: []string{`scope "everyone": use user, session, shared or label:`}},
		{set: cache.Settings{Scope: "label:"}, want: []string{"lacks the label's name"}},
		{set: cache.Settings{TTL: -1, MaxBytes: -1, MaxWait: -1}, want: []string{"ttl -1ns", "max_bytes -1", "max_wait -1ns"}},
		{set: cache.Settings{Store: &spy{}}, want: []string{"Secret has 0 bytes"}},
		{set: cache.Settings{Secret: []byte("short")}, want: []string{"Secret has 5 bytes"}},
	} {
		_, err := cache.New(tc.set)
		plugintest.Refused(t, err, tc.want...)
	}
}

func TestFile(t *testing.T) {
	t.Parallel()
	var made *cache.Plugin
	kinds := plugintest.Kind("response_cache", func(s cache.Settings) (p *cache.Plugin, err error) {
		made, err = cache.New(s)
		return made, err
	})
	pl, _, err := plugintest.Open(t, kinds, `
plugins:
  - name: answers
    kind: response_cache
    config: {scope: "label:tenant", ttl: 1h, max_bytes: 1000000, sampled: true, max_wait: 10s}
`)
	if err != nil {
		t.Fatal(err)
	}
	b := &plugintest.Model{}
	for range 2 {
		if _, err := asks(t, b, session.WithPipeline(pl), session.WithLabel("tenant", "a"),
			session.WithModelOptions(stages.ModelOptions{Temperature: stages.Some(1.0)})); err != nil {
			t.Fatal(err)
		}
	}
	wantCalls(t, b, 1)
	if s := made.Stats(); s.Hits != 1 {
		t.Errorf("stats %+v", s)
	}
	plugintest.Faulty(t, kinds, map[string]string{
		"{scope: all}":    `scope "all"`,
		"{ttl: soon}":     "ttl: a duration is written with its unit",
		"{tenant: x}":     "tenant",
		"{secret: knows}": "secret",
	})
}

func TestConformance(t *testing.T) { //nolint:paralleltest // the suite counts goroutines
	pl := stages.NewPipeline(stages.PipelineConfig{})
	p := newCache(t, cache.Settings{TTL: time.Nanosecond}) // next to nothing is a hit
	if _, err := pl.Register(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	payload := chaintest.Payload(func() *stages.Generation { return noon(question("u")) })
	t.Run("wrap_generation", func(t *testing.T) {
		chaintest.Run(t, chain.Around("response_cache", p.WrapGeneration), payload, chaintest.MaxNext(1))
	})
	t.Run("observe_generation", func(t *testing.T) {
		chaintest.Run(t, chain.Observe("response_cache", p.ObserveGeneration), payload)
	})
	t.Run("observe_component", func(t *testing.T) {
		chaintest.Run(t, chain.Observe("response_cache", p.ObserveComponent), chaintest.Payload(func() *stages.Component {
			return stages.NewComponent(stages.Meta{}, stages.ComponentFields{})
		}))
	})
	t.Run("observe_adapter_load", func(t *testing.T) {
		chaintest.Run(t, chain.Observe("response_cache", p.ObserveAdapterLoad), chaintest.Payload(func() *stages.Adapter {
			return stages.NewAdapter(stages.Meta{}, stages.AdapterFields{})
		}))
	})
}
