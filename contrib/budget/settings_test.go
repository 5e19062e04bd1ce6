package budget

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/maillon-go/maillon/internal/plugintest"
	"github.com/maillon-go/maillon/stages"
)

func TestMoney(t *testing.T) {
	for _, tc := range []struct {
		text string
		want Money
		back string
	}{
		{"0", 0, "0.00"},
		{"5", 5_000_000, "5.00"},
		{"0.15", 150_000, "0.15"},
		{"2.500001", 2_500_001, "2.500001"},
		{"2.5", 2_500_000, "2.50"},
		{" 10.125 ", 10_125_000, "10.125"},
		{"1000000000", maxMoney, "1000000000.00"},
		{"0.000001", 1, "0.000001"},
	} {
		m, err := ParseMoney(tc.text)
		if err != nil || m != tc.want || m.String() != tc.back {
			t.Errorf("%q is %d (%s), %v, want %d (%s)", tc.text, m, m, err, tc.want, tc.back)
		}
	}
	if s := Money(-1_500_000).String(); s != "-1.50" {
		t.Error(s)
	}
	for _, text := range []string{"", ".", "1.", ".5", "-1", "+1", "1.0000001", "1e3", "1,50", "0x1", "1_0", "1000000001", "5 EUR", "99999999999999999999", "1.-5", "NaN"} {
		if m, err := ParseMoney(text); err == nil {
			t.Errorf("%q is %d, want an error", text, m)
		}
	}
}

func TestPriceCost(t *testing.T) {
	p := Price{Input: 150_000, Cached: 75_000, Output: 600_000}
	for _, tc := range []struct {
		u    stages.Usage
		want Money
	}{
		{stages.Usage{}, 0},
		{stages.Usage{InputTokens: 1}, 1}, // 0.15 millionths
		{stages.Usage{InputTokens: 1_000_000}, 150_000},
		{stages.Usage{InputTokens: 1_000_000, CachedTokens: 1_000_000}, 75_000},
		{stages.Usage{InputTokens: 1_000_000, CachedTokens: 9_000_000}, 75_000}, // cannot be
		{stages.Usage{InputTokens: 400_000, CachedTokens: 100_000, OutputTokens: 10_000}, 45_000 + 7_500 + 6_000},
		{stages.Usage{InputTokens: -5, CachedTokens: -5, OutputTokens: -5}, 0},
		{stages.Usage{OutputTokens: 1 << 62}, 600_000 * maxTokens / unit},
	} {
		if got := p.Cost(tc.u); got != tc.want {
			t.Errorf("%+v costs %d, want %d", tc.u, got, tc.want)
		}
	}
	dear := Price{Input: maxPrice, Cached: maxPrice, Output: maxPrice}
	if got := dear.most(maxTokens, maxTokens); got != 2*maxTokens/unit*maxPrice {
		t.Errorf("the most expensive answer costs %d", got)
	}
	for _, p := range []Price{p, dear, {Output: 3}, {Input: 7, Cached: 900, Output: 13}} { // affords is the largest for which most fits
		for _, amount := range []int64{0, 1, 999, 123_456, maxMoney} {
			for _, input := range []int64{0, 1, 1234, 50_000_000} {
				n := min(p.affords(amount, input), maxTokens)
				if n > 0 && p.most(input, n) > amount || n < maxTokens && p.most(input, n+1) <= amount {
					t.Errorf("%+v: %d affords %d after %d", p, amount, n, input)
				}
			}
		}
	}
}

func TestLoadPrices(t *testing.T) {
	path := filepath.Join(t.TempDir(), "prices.yaml")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("currency: USD\nprices:\n  - {model: 'gpt-4o-mini*', input: 0.15, cached: 0.075, output: 0.60}\n  - {model: 'gpt-4o*', input: \"2.50\", output: 10}\n  - {model: 'local/*', input: 0, output: 0}\n")
	p, err := LoadPrices(path)
	if err != nil {
		t.Fatal(err)
	}
	for model, want := range map[string]Price{
		"gpt-4o-mini-2024-07-18": {"gpt-4o-mini*", 150_000, 75_000, 600_000},
		"gpt-4o":                 {"gpt-4o*", 2_500_000, 2_500_000, 10_000_000},
		"local/a/b":              {Model: "local/*"},
	} {
		if got, ok := p.Find(model); !ok || got != want {
			t.Errorf("%s: %+v, %v, want %+v", model, got, ok, want)
		}
	}
	if _, ok := p.Find("gpt-4"); ok || p.Currency != "USD" {
		t.Error("gpt-4 has a price, or the currency is lost")
	}
	for name, tc := range map[string]struct{ text, want string }{
		"unknown key":   {"prices:\n  - {model: m, inptu: 1}", "2:"},
		"not an amount": {"prices:\n  - model: m\n    input: 1.23456789", "decimals"},
		"negative":      {"prices:\n  - model: m\n    input: -1", "not negative"},
		"no model":      {"prices:\n  - {input: 1}", "price 1 names no model"},
		"too much":      {"prices:\n  - {model: m, input: 1001}", `the prices of "m"`},
		"empty":         {"", "prices.yaml"},
		"no prices":     {"currency: EUR", "there are no prices"},
		"not YAML":      {"prices: [", "prices.yaml"},
		"far too long":  {"# " + strings.Repeat("x", maxFile), "more than 1048576 bytes"},
	} {
		write(tc.text)
		if _, err := LoadPrices(path); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
	if _, err := LoadPrices(path + "x"); err == nil {
		t.Error("a file that is not there")
	}
}

func TestNewRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		s    Settings
		want []string
	}{
		"no limits":       {Settings{}, []string{"no limits"}},
		"neither":         {Settings{Limits: []Limit{{Name: "a"}}}, []string{`limit "a": say tokens or cost`}},
		"both":            {Settings{Limits: []Limit{{Tokens: 1, Cost: 1}}}, []string{"say tokens or cost"}},
		"negative":        {Settings{Limits: []Limit{{Tokens: -1}}}, []string{"must be from 1"}},
		"short window":    {Settings{Limits: []Limit{{Tokens: 1, Window: time.Millisecond}}}, []string{"a second or longer"}},
		"action":          {Settings{Limits: []Limit{{Tokens: 1, Action: "stop"}}}, []string{`unknown action "stop"`}},
		"dimension":       {Settings{Limits: []Limit{{Tokens: 1, Per: []Dimension{"team"}}}}, []string{`unknown dimension "team"`}},
		"dimension twice": {Settings{Limits: []Limit{{Tokens: 1, Per: []Dimension{PerUser, PerModel, PerUser}}}}, []string{"twice"}},
		"the same name":   {Settings{Limits: []Limit{{Tokens: 1}, {Tokens: 2}}}, []string{`two limits are called "tokens"`}},
		"no prices":       {Settings{Limits: []Limit{{Cost: 1}}}, []string{"needs a price table"}},
		"all at once":     {Settings{Limits: []Limit{{Cost: 1}, {Name: "a"}}, MaxOutput: -1, MaxKeys: -1}, []string{"price table", `limit "a"`, "max_output", "max_keys"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(tc.s)
			plugintest.Refused(t, err, tc.want...)
		})
	}
	l, err := newLimit(Limit{Per: []Dimension{PerUser, PerModel}, Model: "gpt-*", Tokens: 5, Window: time.Hour})
	if err != nil || l.Name != "tokens per model per user of gpt-* per 1h0m0s" {
		t.Errorf("the name is %q, %v", l.Name, err)
	}
}
