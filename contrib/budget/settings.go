package budget

import (
	"errors"
	"fmt"
	"time"
)

// DefaultMaxOutput is how many output tokens a call may have that does not say so itself.
const DefaultMaxOutput = 4096

// Settings are those of a Plugin.
type Settings struct {
	Limits []Limit `yaml:"limits"` // at least one
	// Prices is the path of a price table for LoadPrices. Limits on cost need one, or PriceTable.
	Prices string `yaml:"prices"`
	// MaxOutput is reserved for, and set as MaxTokens of, a call that says none, default DefaultMaxOutput. Limits that only
	// warn set nothing.
	MaxOutput int `yaml:"max_output"`
	// ReservationTTL and MaxKeys are those of MemoryConfig, where no Store is given.
	ReservationTTL time.Duration `yaml:"reservation_ttl"`
	MaxKeys        int           `yaml:"max_keys"`

	PriceTable *Prices   `yaml:"-"` // instead of Prices
	Estimator  Estimator `yaml:"-"` // default Heuristic
	// Store keeps the books, default a Memory of the plugin's own, which outlives it as Plugin.Succeed says. Given here, a limit
	// of the same name and window goes on where it was.
	Store Store `yaml:"-"`
}

// New makes a Plugin. Its error names all that is wrong with the settings.
func New(s Settings) (*Plugin, error) {
	p := &Plugin{
		prices: s.PriceTable, estimator: s.Estimator, store: s.Store, maxOutput: DefaultMaxOutput,
		ids: ids{prefix: newPrefix()}, inFlight: map[string]*call{},
	}
	var errs []error
	fault := func(format string, a ...any) { errs = append(errs, fmt.Errorf("budget: "+format, a...)) }
	if len(s.Limits) == 0 {
		fault("no limits: say at least one")
	}
	names, costs := map[string]bool{}, false
	for _, l := range s.Limits {
		n, err := newLimit(l)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if names[n.Name] {
			fault("two limits are called %q: give one of them another name", n.Name)
		}
		names[n.Name] = true
		costs = costs || n.unit == UnitCost
		p.limits = append(p.limits, n)
		for _, d := range n.Per {
			p.requests = p.requests || d == PerRequest
			p.sessions = p.sessions || d == PerSession
		}
	}
	switch {
	case s.Prices != "" && s.PriceTable != nil:
		fault("Prices and PriceTable are both given")
	case s.Prices != "":
		var err error
		if p.prices, err = LoadPrices(s.Prices); err != nil {
			errs = append(errs, err)
		}
	case costs && s.PriceTable == nil:
		fault("a limit on cost needs a price table: set prices to the path of one")
	}
	if s.MaxOutput < 0 || s.MaxOutput > maxTokens {
		fault("max_output must be from 1 to %d, or 0 for %d", maxTokens, DefaultMaxOutput)
	} else if s.MaxOutput > 0 {
		p.maxOutput = int64(s.MaxOutput)
	}
	if s.ReservationTTL < 0 || s.MaxKeys < 0 {
		fault("reservation_ttl and max_keys must not be negative")
	}
	if p.estimator == nil {
		p.estimator = Heuristic{}
	}
	if p.store == nil {
		p.own = NewMemory(MemoryConfig{ReservationTTL: s.ReservationTTL, MaxKeys: s.MaxKeys})
		p.store = p.own
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return p, nil
}
