package budget

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/maillon-go/maillon/stages"
)

// Price is what a model costs for a million tokens.
type Price struct {
	// Model is a glob for the model's name as the backend gives it: * is any text, ? one character.
	Model  string `yaml:"model"`
	Input  Money  `yaml:"input"`
	Cached Money  `yaml:"cached"` // of the input that the provider had cached; 0 is as Input
	Output Money  `yaml:"output"`
}

// Prices are a price table. It does not change; safe for concurrent use.
type Prices struct {
	Currency string // a name only: everything is in one currency
	prices   []Price
	globs    []*regexp.Regexp
}

// NewPrices makes a table. Of several prices for a model the first holds.
func NewPrices(currency string, prices ...Price) (*Prices, error) {
	p := &Prices{Currency: currency}
	var errs []error
	for i, e := range prices {
		switch {
		case e.Model == "":
			errs = append(errs, fmt.Errorf("budget: price %d names no model", i+1))
		case min(e.Input, e.Cached, e.Output) < 0 || max(e.Input, e.Cached, e.Output) > maxPrice:
			errs = append(errs, fmt.Errorf("budget: the prices of %q must be from 0 to %d for a million tokens", e.Model, maxPrice/unit))
		}
		if e.Cached == 0 {
			e.Cached = e.Input
		}
		p.prices, p.globs = append(p.prices, e), append(p.globs, glob(e.Model))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return p, nil
}

// maxFile is how long a price table may be, in bytes.
const maxFile = 1 << 20

// LoadPrices reads a table from a YAML file of at most 1 MiB:
//
//	currency: USD
//	prices: # for a million tokens; the first that fits the model holds
//	  - {model: "gpt-4o-mini*", input: 0.15, cached: 0.075, output: 0.60}
//	  - {model: "gpt-4o*", input: 2.50, cached: 1.25, output: 10.00}
//
// An unknown key, and an amount that is not exact, is an error with its line.
func LoadPrices(path string) (*Prices, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("budget: prices: %w", err)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("more than %d bytes", maxFile)
	}
	var file struct {
		Currency string  `yaml:"currency"`
		Prices   []Price `yaml:"prices"`
	}
	if err == nil {
		err = yaml.NewDecoder(bytes.NewReader(b), yaml.Strict()).Decode(&file)
	}
	if err == nil && len(file.Prices) == 0 {
		err = errors.New("there are no prices")
	}
	if err != nil {
		return nil, fmt.Errorf("budget: prices: %s: %w", path, err)
	}
	return NewPrices(file.Currency, file.Prices...)
}

// Find is the price of a model, and whether there is one.
func (p *Prices) Find(model string) (Price, bool) {
	if p != nil {
		for i, g := range p.globs {
			if g.MatchString(model) {
				return p.prices[i], true
			}
		}
	}
	return Price{}, false
}

// Cost is what an answer costs, rounded up to a millionth.
func (p Price) Cost(u stages.Usage) Money {
	u = sane(u)
	sum := int64(u.InputTokens-u.CachedTokens)*int64(p.Input) + int64(u.CachedTokens)*int64(p.Cached) + int64(u.OutputTokens)*int64(p.Output)
	return Money((sum + unit - 1) / unit)
}

// most is what so many tokens cost at most, whatever of the input turns out to be cached.
func (p Price) most(input, output int64) int64 {
	p.Input = max(p.Input, p.Cached)
	return int64(p.Cost(stages.Usage{InputTokens: int(input), OutputTokens: int(output)}))
}

// affords is the largest output for which most is within an amount.
func (p Price) affords(amount, input int64) int64 {
	rest := min(amount, maxTokens*maxPrice/unit*3)*unit - input*int64(max(p.Input, p.Cached))
	switch {
	case rest < 0:
		return 0
	case p.Output == 0:
		return maxTokens
	}
	return rest / int64(p.Output)
}

// maxTokens bounds what is believed of a single answer, so that no sum can overflow.
const maxTokens = 1_000_000_000

// sane is a usage that a provider cannot lower a budget with, or break it.
func sane(u stages.Usage) stages.Usage {
	u.InputTokens = min(max(u.InputTokens, 0), maxTokens)
	u.OutputTokens = min(max(u.OutputTokens, 0), maxTokens)
	u.CachedTokens = min(max(u.CachedTokens, 0), u.InputTokens)
	return u
}

func glob(pattern string) *regexp.Regexp {
	return regexp.MustCompile(`(?s)^` + strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(pattern)) + `$`)
}
