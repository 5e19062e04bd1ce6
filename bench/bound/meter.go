package bound

import (
	"fmt"
	"runtime"
	"strings"

	"github.com/maillon-go/maillon/bench/measure"
	"github.com/maillon-go/maillon/bench/scenario"
)

// Meter takes the figures of cells, which it knows by their ids.
type Meter interface {
	Figure(id string, rounds int) (ns float64)
	Memory(id string) (allocs, bytes float64)
	Ratio(over, under string, rounds int) measure.Pair
	Scaling(over, under string, rounds int) measure.Pair
	Slope(over, under string, s Slope, rounds int) measure.Pair
	CPUs() int
}

// Stopwatch is the Meter that measures. It builds each cell once, and anew for a ratio that is measured again.
type Stopwatch struct {
	samplers map[string]*measure.Sampler
}

// NewStopwatch makes one.
func NewStopwatch() *Stopwatch { return &Stopwatch{map[string]*measure.Sampler{}} }

// CPUs is how many goroutines can run at once.
func (*Stopwatch) CPUs() int { return min(runtime.NumCPU(), runtime.GOMAXPROCS(0)) }

func (s *Stopwatch) sampler(id string) *measure.Sampler {
	if s.samplers[id] == nil {
		c, ok := scenario.Find(id)
		if !ok {
			panic(fmt.Sprintf("bound: no cell %q", id))
		}
		w := c.Build()
		s.samplers[id] = measure.NewSampler(w, measure.Short)
		// The peers' prices are too far apart for garbage to matter.
		if allocs, _ := s.samplers[id].Memory(); allocs > 0 && c.Grade == "" {
			s.samplers[id] = measure.NewSampler(w, measure.Long)
		}
	}
	return s.samplers[id]
}

// Figure is the median of so many samples.
func (s *Stopwatch) Figure(id string, rounds int) float64 {
	w, samples := s.sampler(id), make([]float64, rounds)
	for i := range samples {
		samples[i] = w.NS()
	}
	return measure.Median(samples)
}

// Memory is what a call allocates.
func (s *Stopwatch) Memory(id string) (allocs, bytes float64) { return s.sampler(id).Memory() }

// Ratio compares two cells, or one with the best of all those whose id begins with under, where that ends in a slash. Where it
// takes more rounds, since it missed, both are built anew: where closures happen to lie in memory makes a difference of its own.
func (s *Stopwatch) Ratio(over, under string, rounds int) measure.Pair {
	if strings.HasSuffix(under, "/") {
		under = s.best(under)
	}
	if rounds > Rounds {
		delete(s.samplers, over)
		delete(s.samplers, under)
	}
	return measure.Ratio(s.sampler(over), s.sampler(under), rounds)
}

// best is the quickest of the peers, which take turns so that it is not the one that ran while nobody else did.
func (s *Stopwatch) best(prefix string) (id string) {
	rivals := scenario.Rivals(prefix)
	works := make([]*measure.Sampler, len(rivals))
	for i, c := range rivals {
		works[i] = s.sampler(c.ID())
	}
	least := 0.0
	for i, samples := range measure.Together(9, works...) {
		if ns := measure.Median(samples); id == "" || ns < least {
			id, least = rivals[i].ID(), ns
		}
	}
	return id
}

// Scaling compares how much two goroutines do in the time of one.
func (s *Stopwatch) Scaling(over, under string, rounds int) measure.Pair {
	return measure.Scaling(s.sampler(over), s.sampler(under), rounds)
}

// Slope compares the price of one more in a large number with that in a small one. Differences are noisy, and ratios of them more
// so: here the medians are taken first.
func (s *Stopwatch) Slope(over, under string, sl Slope, rounds int) measure.Pair {
	var at [3]float64
	for i, samples := range measure.Together(rounds, s.sampler(sl.From), s.sampler(under), s.sampler(over)) {
		at[i] = measure.Median(samples)
	}
	return sl.pair(at)
}

// pair are the two slopes between three prices.
func (s Slope) pair(at [3]float64) measure.Pair {
	lower := (at[1] - at[0]) / float64(s.At[1]-s.At[0])
	upper := (at[2] - at[1]) / float64(s.At[2]-s.At[1])
	return measure.Pair{Ratio: upper / lower, Over: upper, Under: lower}
}
