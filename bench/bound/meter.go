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

// Stopwatch is the Meter that measures. It builds each cell once.
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

// Ratio compares two cells, or one with the best of all those whose id begins with under, where that ends in a slash.
func (s *Stopwatch) Ratio(over, under string, rounds int) measure.Pair {
	if strings.HasSuffix(under, "/") {
		under = s.best(under)
	}
	return measure.Ratio(s.sampler(over), s.sampler(under), rounds)
}

// best is the quickest of the peers.
func (s *Stopwatch) best(prefix string) (id string) {
	least := 0.0
	for _, c := range scenario.Rivals(prefix) {
		if ns := s.Figure(c.ID(), 5); id == "" || ns < least {
			id, least = c.ID(), ns
		}
	}
	return id
}

// Scaling compares how much two goroutines do in the time of one.
func (s *Stopwatch) Scaling(over, under string, rounds int) measure.Pair {
	return measure.Scaling(s.sampler(over), s.sampler(under), rounds)
}

// Slope compares the price of one more in a large number with that in a small one.
func (s *Stopwatch) Slope(over, under string, sl Slope, rounds int) measure.Pair {
	small, middle, large := s.sampler(sl.From), s.sampler(under), s.sampler(over)
	upper, lower, ratios := make([]float64, rounds), make([]float64, rounds), make([]float64, rounds)
	for i := range rounds {
		a, b, c := small.NS(), middle.NS(), large.NS()
		lower[i] = (b - a) / float64(sl.At[1]-sl.At[0])
		upper[i] = (c - b) / float64(sl.At[2]-sl.At[1])
		ratios[i] = upper[i] / lower[i]
	}
	return measure.Pair{Ratio: measure.Median(ratios), Over: measure.Median(upper), Under: measure.Median(lower)}
}
