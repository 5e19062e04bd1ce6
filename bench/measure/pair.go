package measure

import (
	"math/rand/v2"
	"slices"
)

// Pair is what the two sides of a ratio came to. The ratio is the median over the rounds, the other two are medians too.
type Pair struct {
	Ratio, Over, Under float64
}

// Ratio is the time of one work over that of another, each sampled once in each round.
func Ratio(over, under *Sampler, rounds int) Pair { return pair(rounds, over.NS, under.NS) }

// Scaling is the ratio of two speed-ups, each that of two goroutines over one: at best 2.
func Scaling(over, under *Sampler, rounds int) Pair {
	return pair(rounds, speedUp(over), speedUp(under))
}

func speedUp(s *Sampler) func() float64 {
	two := *s
	two.Goroutines = 2
	return func() float64 { return s.NS() / two.NS() }
}

func pair(rounds int, over, under func() float64) Pair {
	s := turns(rounds, over, under)
	ratios := make([]float64, rounds)
	for i := range ratios {
		ratios[i] = s[0][i] / s[1][i]
	}
	return Pair{Ratio: Median(ratios), Over: Median(s[0]), Under: Median(s[1])}
}

// Together are the samples of works that take turns.
func Together(rounds int, works ...*Sampler) [][]float64 {
	sides := make([]func() float64, len(works))
	for i, w := range works {
		sides[i] = w.NS
	}
	return turns(rounds, sides...)
}

// turns takes a sample of each in each round, in an order that is left to chance, so that a noisy neighbour hits all alike, and one
// that comes and goes at a beat of its own does not always hit the same.
func turns(rounds int, sides ...func() float64) [][]float64 {
	out := make([][]float64, len(sides))
	for range rounds {
		for _, i := range rand.Perm(len(sides)) {
			out[i] = append(out[i], sides[i]())
		}
	}
	return out
}

// Median is the middle one of the samples.
func Median(samples []float64) float64 {
	s := slices.Sorted(slices.Values(samples))
	n := len(s)
	if n%2 == 1 {
		return s[n/2]
	}
	return (s[n/2-1] + s[n/2]) / 2
}
