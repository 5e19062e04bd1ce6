package bound

import (
	"math"

	"github.com/maillon-go/maillon/bench/measure"
)

// Group is what a bound is about.
type Group string

// The groups.
const (
	Price  Group = "price"  // of a link, beside the same work without this project
	Peers  Group = "peers"  // beside the peers' prices
	Growth Group = "growth" // with the number of whatever there may be many of
)

// Uncounted is the MaxAllocs of a bound that is not about allocations.
const Uncounted = -1

// Bound is one promise: a ratio of two cells of package scenario, a number of allocations, or both.
type Bound struct {
	Name  string `json:"name"`
	Group Group  `json:"group"`
	Over  string `json:"over"`            // the numerator, and the cell whose allocations count
	Under string `json:"under,omitempty"` // the denominator; without one there is no ratio. That ends in a slash: the best of those peers
	// Beyond is what does not count of Over, where there is no ratio.
	Beyond string `json:"beyond,omitempty"`
	// Slope are two more cells, smaller ones of the same series, so that the ratio is that of the price of one more between Over and
	// Under to the price of one more between Under and the first of them.
	Slope     *Slope  `json:"slope,omitempty"`
	Scaling   bool    `json:"scaling,omitempty"`  // the ratio is that of the speed-ups from one goroutine to two
	AtLeast   bool    `json:"at_least,omitempty"` // limit and aim are lower ones
	Limit     float64 `json:"limit,omitempty"`    // of the ratio
	Aim       float64 `json:"aim,omitempty"`      // better than the limit; zero: none
	MaxAllocs float64 `json:"max_allocs"`         // per call, or Uncounted
}

// Slope makes the ratio of a bound that of two slopes: from Under to Over, and from From to Under.
type Slope struct {
	From string `json:"from"`
	At   [3]int `json:"at"` // how many there are in From, Under and Over
}

// Result is a bound with what was measured.
type Result struct {
	Bound
	Ratio   float64 `json:"ratio,omitempty"`
	OverNS  float64 `json:"over_ns,omitempty"` // per call; for a scaling a speed-up, for a slope per one more
	UnderNS float64 `json:"under_ns,omitempty"`
	Allocs  float64 `json:"allocs"`
	Again   bool    `json:"again,omitempty"`   // the ratio is that of a further measurement
	OneCPU  bool    `json:"one_cpu,omitempty"` // there is no scaling to measure, or there was not while it was tried
}

// HasRatio says whether the bound is about one.
func (b Bound) HasRatio() bool { return b.Under != "" }

// CountsAllocs says whether the bound is about allocations.
func (b Bound) CountsAllocs() bool { return b.MaxAllocs != Uncounted }

// holds says whether a measured ratio keeps to a limit.
func (b Bound) holds(ratio, limit float64) bool {
	switch {
	case math.IsNaN(ratio):
		return false
	case b.AtLeast:
		return ratio >= limit
	}
	return ratio <= limit
}

// Rounds of a measurement, and how often one is repeated that misses.
const (
	Rounds      = 31
	againRounds = 3 * Rounds
	attempts    = 3
)

// Measure takes a bound's figures.
func (b Bound) Measure(m Meter) Result {
	r := Result{Bound: b}
	if b.CountsAllocs() {
		r.Allocs, _ = m.Memory(b.Over)
	}
	take := m.Ratio
	switch {
	case !b.HasRatio():
		r.OverNS = m.Figure(b.Over, Rounds)
		if b.Beyond != "" {
			r.OverNS -= m.Figure(b.Beyond, Rounds)
			without, _ := m.Memory(b.Beyond)
			r.Allocs -= without
		}
		return r
	case b.Scaling && m.CPUs() < 2:
		r.OneCPU = true
		return r
	case b.Scaling:
		take = m.Scaling
	case b.Slope != nil:
		take = func(over, under string, rounds int) measure.Pair { return m.Slope(over, under, *b.Slope, rounds) }
	}
	for i := range 1 + attempts {
		rounds := Rounds
		if i > 0 {
			rounds, r.Again = againRounds, true
		}
		p := take(b.Over, b.Under, rounds)
		r.Ratio, r.OverNS, r.UnderNS = p.Ratio, p.Over, p.Under
		r.OneCPU = b.Scaling && p.Under < scales
		if !r.OneCPU && b.holds(r.Ratio, b.Limit) {
			break
		}
	}
	return r
}

// scales is the speed-up that plain closures have at least where a second CPU is free. With less than that nothing can be said
// about anybody's.
const scales = 1.5

// Verdict is what a result amounts to.
type Verdict string

// The verdicts.
const (
	OK     Verdict = "ok"
	Short  Verdict = "ok, short of the aim"
	Missed Verdict = "MISSED"
	None   Verdict = "not measured: no second CPU was free"
)

// Verdict says what the result amounts to.
func (r Result) Verdict() Verdict {
	switch {
	case r.OneCPU:
		return None
	case r.CountsAllocs() && r.Allocs > r.MaxAllocs, r.HasRatio() && !r.holds(r.Ratio, r.Limit):
		return Missed
	case r.HasRatio() && r.Aim != 0 && !r.holds(r.Ratio, r.Aim):
		return Short
	}
	return OK
}
