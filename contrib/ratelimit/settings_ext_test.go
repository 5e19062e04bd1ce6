package ratelimit_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/chain/chaintest"
	"github.com/maillon-go/maillon/contrib/ratelimit"
	"github.com/maillon-go/maillon/internal/plugintest"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		set  ratelimit.Settings
		want []string
	}{
		{ratelimit.Settings{}, []string{"nothing is limited"}},
		{ratelimit.Settings{Per: "people", Requests: 1}, []string{`per "people": use user, session, model, all or label:`}},
		{ratelimit.Settings{Per: "label:", Requests: 1}, []string{"lacks the label's name"}},
		{
			ratelimit.Settings{Requests: -1, Tokens: -1, RequestBurst: -1, TokenBurst: -1, Window: -1, MaxWait: -1, MaxKeys: -1},
			[]string{"requests is", "tokens is", "request_burst is", "token_burst is", "window is", "max_wait is", "max_keys is"},
		},
		{ratelimit.Settings{Requests: 1, TokenBurst: 3}, []string{"token_burst without tokens"}},
	} {
		_, err := ratelimit.New(tc.set)
		plugintest.Refused(t, err, tc.want...)
	}
}

func TestEstimate(t *testing.T) {
	t.Parallel()
	g := stages.NewGeneration(stages.Meta{}, stages.GenerationFields{
		Messages:     stages.ListOf(stages.Message{Text: strings.Repeat("x", 40)}),
		Tools:        stages.ListOf(stages.Callable{Name: "tide", Description: "when?", Parameters: "{}"}),
		ModelOptions: stages.ModelOptions{MaxTokens: stages.Some(100)},
	})
	if n := ratelimit.Estimate(g); n != 14+3+100 {
		t.Errorf("got %d", n)
	}
}

func TestFile(t *testing.T) {
	t.Parallel()
	kinds := plugintest.Kind("rate_limit", ratelimit.New)
	pl, _, err := plugintest.Open(t, kinds, `
plugins:
  - name: pace
    kind: rate_limit
    config:
      {per: "label:team", requests: 2, tokens: 1000, window: 1h, request_burst: 1, token_burst: 500, max_wait: 1s, max_keys: 10}
`)
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, answering(stages.Usage{}), session.WithPipeline(pl), session.WithLabel("team", "a"))
	if _, err := s.Chat(t.Context(), "When?"); err != nil {
		t.Fatal(err)
	}
	_, err = s.Chat(t.Context(), "When?")
	var e *ratelimit.Error
	if !errors.As(err, &e) || e.Limit != "requests" || e.RetryAfter < 29*time.Minute {
		t.Errorf("got %v", err)
	}
	plugintest.Faulty(t, kinds, map[string]string{
		"":                           "nothing is limited",
		"{requests: many}":           `requests: must be a whole number`,
		"{requests: 1, per: x}":      `per "x"`,
		"{requests: 1, burst: 3}":    "burst",
		"{requests: 1, window: -1s}": "window is below 0",
	})
}

func TestConformance(t *testing.T) { //nolint:paralleltest // the suite counts goroutines
	p := newLimit(t, ratelimit.Settings{Requests: 1_000_000, Tokens: 1_000_000_000})
	payload := chaintest.Payload(func() *stages.Generation { return user("u") })
	t.Run("generation_pre_call", func(t *testing.T) {
		chaintest.Run(t, chain.Before("rate_limit", p.OnGenerationPreCall), payload)
	})
	t.Run("observe_generation", func(t *testing.T) {
		chaintest.Run(t, chain.Observe("rate_limit", p.ObserveGeneration), payload)
	})
	t.Run("waiting", func(t *testing.T) { // the checks of the context: whoever waits heeds it
		slow := newLimit(t, ratelimit.Settings{Requests: 1000, RequestBurst: 1, Window: time.Second, MaxWait: time.Minute})
		chaintest.Run(t, chain.Before("rate_limit", slow.OnGenerationPreCall), payload)
	})
}
