package budget

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/middleware"
	"github.com/maillon-go/maillon/stages"
)

// spends is a backend that takes input and output as estimated and asked for.
func spends(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
	n, _ := g.ModelOptions().MaxTokens.Get()
	return answer(stages.Usage{InputTokens: input, OutputTokens: n}, "hi")(nil, g)
}

func TestBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t, Settings{Limits: []Limit{
			{Name: "hourly", Tokens: 300, Window: time.Hour},
			{Name: "daily", Tokens: 400, Window: 24 * time.Hour},
		}})
		time.Sleep(10*time.Minute + time.Millisecond)
		if _, err := k.call(t.Context(), k.payload(200), spends); err != nil {
			t.Fatal(err)
		}
		_, err := k.call(t.Context(), k.payload(100), spends)
		wantBlock(t, err, CodeExceeded, map[string]any{
			"limit": "hourly", "unit": "tokens", "max": int64(300), "left": int64(300 - 217), "needed": int64(117), "retry_after_seconds": int64(3000),
		})
		if text := err.Error(); strings.Contains(text, "ada") || strings.Contains(text, "hello") {
			t.Errorf("the error says too much: %s", text)
		}
		time.Sleep(50 * time.Minute)
		if _, err := k.call(t.Context(), k.payload(100), spends); err != nil {
			t.Errorf("in the next hour: %v", err)
		}
		_, err = k.call(t.Context(), k.payload(100), spends)
		wantBlock(t, err, CodeExceeded, map[string]any{"limit": "daily", "retry_after_seconds": int64(23*3600 - 0)})
		_, err = k.call(t.Context(), k.payload(1000), spends) // does not fit in any day
		wantBlock(t, err, CodeExceeded, map[string]any{"limit": "daily", "needed": int64(1017)})
		k.want("daily", 217+117, 0, 0)
	})
}

func TestDimensions(t *testing.T) {
	meta := func(id, request, parent, session, user, model string) *stages.Generation {
		return stages.NewGeneration(stages.Meta{CorrelationID: id, RequestID: request, ParentRequestID: parent, SessionID: session, UserID: user}, stages.GenerationFields{
			Messages: stages.ListOf(stages.Message{Text: "x"}), Backend: stages.Backend{Name: "backend", Model: model},
			ModelOptions: stages.ModelOptions{MaxTokens: stages.Some(83)}, // 100 in all
		})
	}
	first := meta("1", "r1", "", "s1", "ada", "big")
	for _, tc := range []struct {
		name    string
		limit   Limit
		second  *stages.Generation
		blocked bool
	}{
		{"all: another of everything", Limit{}, meta("2", "r2", "", "s2", "bob", "small"), true},
		{"request: the same", Limit{Per: []Dimension{PerRequest}}, meta("2", "r1", "", "s1", "ada", "big"), true},
		{"request: another", Limit{Per: []Dimension{PerRequest}}, meta("2", "r2", "", "s1", "ada", "big"), false},
		{"request: made by a hook in the same", Limit{Per: []Dimension{PerRequest}}, meta("2", "r2", "r1", "s1", "ada", "big"), true},
		{"session: the same", Limit{Per: []Dimension{PerSession}}, meta("2", "r2", "", "s1", "bob", "big"), true},
		{"session: another", Limit{Per: []Dimension{PerSession}}, meta("2", "r2", "", "s2", "ada", "big"), false},
		{"session: none", Limit{Per: []Dimension{PerSession}}, meta("2", "r2", "", "", "ada", "big"), false},
		{"user: the same", Limit{Per: []Dimension{PerUser}}, meta("2", "r2", "", "s2", "ada", "big"), true},
		{"user: another", Limit{Per: []Dimension{PerUser}}, meta("2", "r1", "", "s1", "bob", "big"), false},
		{"model: the same", Limit{Per: []Dimension{PerModel}}, meta("2", "r2", "", "s2", "bob", "big"), true},
		{"model: another", Limit{Per: []Dimension{PerModel}}, meta("2", "r1", "", "s1", "ada", "small"), false},
		{"user and model: the same", Limit{Per: []Dimension{PerUser, PerModel}}, meta("2", "r2", "", "s2", "ada", "big"), true},
		{"user and model: another model", Limit{Per: []Dimension{PerUser, PerModel}}, meta("2", "r1", "", "s1", "ada", "small"), false},
		{"user and model: names that look alike", Limit{Per: []Dimension{PerModel, PerUser}}, meta("2", "r1", "", "s1", `ada" user="ada`, "big"), false},
		{"for other models only", Limit{Model: "sm*"}, meta("2", "r1", "", "s1", "ada", "small"), false},
		{"for these models", Limit{Model: "b?g"}, meta("2", "r1", "", "s1", "ada", "big"), true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.limit.Tokens = 150
			k := newKit(t, Settings{Limits: []Limit{tc.limit}})
			if _, err := k.call(t.Context(), first, spends); err != nil {
				t.Fatal(err)
			}
			_, err := k.call(t.Context(), tc.second, spends)
			var v *chain.Violation
			if errors.As(err, &v) != tc.blocked || !tc.blocked && err != nil {
				t.Errorf("got %v, want blocked: %v", err, tc.blocked)
			}
		})
	}
}

func TestAllLimitsHold(t *testing.T) {
	k := newKit(t, Settings{Limits: []Limit{{Name: "a", Tokens: 1000}, {Name: "b", Tokens: 100}, {Name: "c", Tokens: 1000}}})
	_, err := k.call(t.Context(), k.payload(200), spends)
	wantBlock(t, err, CodeExceeded, map[string]any{"limit": "b"})
	for _, name := range []string{"a", "b", "c"} {
		k.want(name, 0, 0, 0)
	}
}

func TestCap(t *testing.T) {
	prices, err := NewPrices("EUR", Price{Model: "m", Input: 2 * unit, Output: 10 * unit})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name   string
		limits []Limit
		asked  int
		want   int // max tokens; 0: blocked
	}{
		{"it fits", []Limit{{Tokens: 500, Action: Cap}}, 100, 100},
		{"to what is left", []Limit{{Tokens: 100, Action: Cap}}, 500, 100 - input},
		{"the smallest of several", []Limit{{Tokens: 100, Action: Cap}, {Name: "b", Tokens: 90, Action: Cap}, {Name: "c", Tokens: 95, Action: Cap}}, 500, 90 - input},
		{"what the caller left open", []Limit{{Tokens: 100, Action: Cap}}, 0, 100 - input},
		{"not below the least", []Limit{{Tokens: input + MinOutput - 1, Action: Cap}}, 500, 0},
		{"the least", []Limit{{Tokens: input + MinOutput, Action: Cap}}, 500, MinOutput},
		{"fewer are asked for", []Limit{{Tokens: input + 5, Action: Cap}}, 5, 5},
		{"one that blocks beside it", []Limit{{Tokens: 100, Action: Cap}, {Name: "b", Tokens: 100}}, 500, 0},
		{"one that blocks beside it has room", []Limit{{Tokens: 100, Action: Cap}, {Name: "b", Tokens: 600}}, 500, 100 - input},
		{"one that warns beside it", []Limit{{Tokens: 100, Action: Cap}, {Name: "b", Tokens: 1, Action: Warn}}, 500, 100 - input},
		{"money", []Limit{{Cost: 1034, Action: Cap}}, 500, 100}, // 17 x 2 + 100 x 10 millionths
		{"money, a millionth less", []Limit{{Cost: 1033, Action: Cap}}, 500, 99},
		{"money, not even the input", []Limit{{Cost: 33, Action: Cap}}, 500, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k := newKit(t, Settings{Limits: tc.limits, PriceTable: prices})
			out, err := k.call(t.Context(), k.payload(tc.asked), spends)
			if tc.want == 0 {
				wantBlock(t, err, CodeExceeded, nil)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if n, _ := out.ModelOptions().MaxTokens.Get(); n != tc.want {
				t.Errorf("max tokens %d, want %d", n, tc.want)
			}
		})
	}
}

// TestRetriesReserveToo: what an attempt has taken is gone for the next one.
func TestRetriesReserveToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, action := range []Action{Block, Cap} {
			var asked []int
			k := newKit(t, Settings{Limits: []Limit{{Name: "all", Tokens: 300, Action: action}}},
				chain.Intercept[*stages.Generation]("retry", middleware.Retry(9), chain.Priority(50)))
			_, err := k.call(t.Context(), k.payload(103), func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
				n, _ := g.ModelOptions().MaxTokens.Get()
				asked = append(asked, n)
				return breaks(stages.Usage{InputTokens: input, OutputTokens: n}, "half", errBackend)(nil, g)
			})
			wantBlock(t, err, CodeExceeded, map[string]any{"limit": "all"})
			want := []int{103, 103}
			if action == Cap {
				want = append(want, 300-2*120-input)
			}
			if fmt.Sprint(asked) != fmt.Sprint(want) {
				t.Errorf("%s: attempts asked for %v, want %v", action, asked, want)
			}
			if u, _ := k.p.Usage(t.Context(), Key{Limit: "all"}); u.Settled > 300 || u.Reserved != 0 {
				t.Errorf("%s: %v", action, u)
			}
		}
	})
}

// TestMoreThanReserved: what was taken is on the books and stops the next call.
func TestMoreThanReserved(t *testing.T) {
	k := newKit(t, Settings{Limits: []Limit{{Name: "all", Tokens: 200}}})
	if _, err := k.call(t.Context(), k.payload(100), answer(stages.Usage{InputTokens: 50, OutputTokens: 200}, "hi")); err != nil {
		t.Fatal(err)
	}
	k.want("all", 250, 0, 250-input-100)
	_, err := k.call(t.Context(), k.payload(1), spends)
	wantBlock(t, err, CodeExceeded, map[string]any{"left": int64(0)})
}

// TestLaterRaise: a hook after the budget cannot lift the cap.
func TestLaterRaise(t *testing.T) {
	k := newKit(t, Settings{Limits: []Limit{{Name: "all", Tokens: 200}}}, before("greedy", 60, func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
		return g.WithModelOptions(stages.ModelOptions{MaxTokens: stages.Some(5000)}), nil
	}))
	_, err := k.call(t.Context(), k.payload(100), spends)
	wantBlock(t, err, CodeExceeded, map[string]any{"needed": int64(5000 + input)})
	k.want("all", 0, 0, 0)
}

func TestWarn(t *testing.T) {
	core, logs := observer.New(zap.WarnLevel)
	k := newKit(t, Settings{Limits: []Limit{{Name: "soft", Tokens: 150, Action: Warn}}, MaxOutput: 100})
	ctx, err := stages.NewContext(t.Context(), stages.Info{Logger: zap.New(core)})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		out, err := k.call(ctx, k.payload(0), answer(stages.Usage{InputTokens: 30, OutputTokens: 50}, "hi"))
		if err != nil {
			t.Fatal(err)
		}
		if _, set := out.ModelOptions().MaxTokens.Get(); set {
			t.Error("a limit that only warns has changed the call")
		}
		if n := logs.FilterMessage("budget: a limit is exceeded").Len(); n != i { // 80+117, 160+117
			t.Errorf("%d warnings after %d calls", n, i+1)
		}
	}
	k.want("soft", 240, 0, 0)
	if text := fmt.Sprint(logs.All()); strings.Contains(text, "hello") || strings.Contains(text, "ada") {
		t.Errorf("the log says too much: %s", text)
	}
}

// TestAuditMode: what would be blocked goes on and is counted as such.
func TestAuditMode(t *testing.T) {
	p, err := New(Settings{Limits: []Limit{{Name: "all", Tokens: 150}}, Estimator: fixed{}})
	if err != nil {
		t.Fatal(err)
	}
	k := &kit{T: t, p: p, pipe: stages.NewPipeline(stages.PipelineConfig{})}
	if _, err := k.pipe.Register(t.Context(), stages.With(p, chain.Fitting(chain.InMode(chain.Audit)))); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		out, err := k.call(t.Context(), k.payload(100), answer(stages.Usage{InputTokens: 30, OutputTokens: 50}, "hi"))
		if err != nil || out.Output().Text != "hi" {
			t.Fatal(out, err)
		}
	}
	k.want("all", 240, 0, 0)
	if l, _ := k.pipe.Generation.Stats().Link("token_budget.generation_pre_call"); l.WouldBlocks != 2 {
		t.Errorf("%d would-blocks, want 2", l.WouldBlocks)
	}
}

func TestCost(t *testing.T) {
	prices, err := NewPrices("EUR", Price{Model: "m", Input: 2 * unit, Cached: unit, Output: 10 * unit})
	if err != nil {
		t.Fatal(err)
	}
	k := newKit(t, Settings{Limits: []Limit{{Name: "money", Per: []Dimension{PerUser}, Cost: 5000}, {Name: "tokens", Tokens: 5000}}, PriceTable: prices})
	if _, err := k.call(t.Context(), k.payload(100), func(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
		k.want("money", 0, input*2+100*10, 0)
		return answer(stages.Usage{InputTokens: 100, CachedTokens: 40, OutputTokens: 50}, "hi")(ctx, g)
	}); err != nil {
		t.Fatal(err)
	}
	k.want("money", 60*2+40*1+50*10, 0, 0)
	k.want("tokens", 150, 0, 33)
	_, err = k.call(t.Context(), k.payload(1000), spends)
	wantBlock(t, err, CodeExceeded, map[string]any{"limit": "money", "unit": "cost", "left": Money(5000 - 660), "needed": Money(10034)})
}

func TestNoPrice(t *testing.T) {
	prices, err := NewPrices("EUR", Price{Model: "other", Input: 1})
	if err != nil {
		t.Fatal(err)
	}
	k := newKit(t, Settings{Limits: []Limit{{Name: "money", Cost: 5000}}, PriceTable: prices})
	_, err = k.call(t.Context(), k.payload(1), spends)
	wantBlock(t, err, CodeNoPrice, map[string]any{"limit": "money", "model": "m"})
	k.want("money", 0, 0, 0)
	soft := newKit(t, Settings{Limits: []Limit{{Name: "money", Cost: 5000, Action: Warn}, {Name: "all", Tokens: 1000}}, PriceTable: prices})
	if _, err := soft.call(t.Context(), soft.payload(1), spends); err != nil {
		t.Error(err)
	}
	soft.want("money", 0, 0, 0)
	soft.want("all", input+1, 0, 0)
}

// TestNoID: without an id the plugin cannot tell calls apart, and fails closed.
func TestNoID(t *testing.T) {
	k := newKit(t, Settings{Limits: []Limit{{Tokens: 1000}}})
	if _, err := k.call(t.Context(), payload("", 1), spends); !errors.Is(err, errNoID) {
		t.Errorf("got %v", err)
	}
}

// broken is a store that fails.
type broken struct{ Store }

func (broken) Reserve(context.Context, string, []Charge) ([]Balance, bool, error) {
	return nil, false, errBackend
}

func TestStoreFails(t *testing.T) {
	k := newKit(t, Settings{Limits: []Limit{{Tokens: 1000}}, Store: broken{}})
	_, err := k.call(t.Context(), k.payload(1), spends)
	var l *chain.LinkError
	if !errors.Is(err, errBackend) || !errors.As(err, &l) || l.Link != "token_budget.generation_pre_call" {
		t.Errorf("got %v, want the failure of the hook", err)
	}
}

type panicky struct{}

func (panicky) Tokens(string, string) int { panic("boom") }

func TestEstimatorPanics(t *testing.T) {
	k := newKit(t, Settings{Limits: []Limit{{Name: "all", Tokens: 1000}}, Estimator: panicky{}})
	if _, err := k.call(t.Context(), k.payload(1), answer(stages.Usage{}, "hi")); err != nil {
		t.Error(err)
	}
	k.want("all", perRequest+perMessage+1+1, 0, 0)
}

func TestShared(t *testing.T) {
	store := NewMemory(MemoryConfig{})
	for range 2 { // the second goes on where the first was
		k := newKit(t, Settings{Limits: []Limit{{Name: "all", Tokens: 200}}, Store: store})
		_, err := k.call(t.Context(), payload(fmt.Sprintf("%p", k), 100), spends)
		if err != nil {
			wantBlock(t, err, CodeExceeded, map[string]any{"left": int64(200 - 117)})
			return
		}
	}
	t.Error("the second plugin did not know of what was used")
}

func TestUsage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		prices, err := NewPrices("EUR", Price{Model: "m", Input: 2 * unit, Output: 10 * unit})
		if err != nil {
			t.Fatal(err)
		}
		k := newKit(t, Settings{Limits: []Limit{{Name: "money", Per: []Dimension{PerUser}, Cost: 5 * unit, Window: time.Hour}}, PriceTable: prices})
		if _, err := k.call(t.Context(), k.payload(10), answer(stages.Usage{InputTokens: 1_000_000, OutputTokens: 1}, "hi")); err != nil {
			t.Fatal(err)
		}
		u, err := k.p.Usage(t.Context(), Key{Limit: "money", User: "ada"})
		if err != nil {
			t.Fatal(err)
		}
		if want := "money: 2.00001 of 5.00 cost used, 0.00 reserved, 1.999876 more than reserved, resets 2000-01-01T01:00:00Z"; u.String() != want {
			t.Errorf("got  %s\nwant %s", u, want)
		}
		if u, err := k.p.Usage(t.Context(), Key{Limit: "money", User: "bob"}); err != nil || u.Settled != 0 || u.Left != 5*unit {
			t.Errorf("another user: %v, %v", u, err)
		}
		if _, err := k.p.Usage(t.Context(), Key{Limit: "other"}); err == nil {
			t.Error("an unknown limit is no error")
		}
	})
}
