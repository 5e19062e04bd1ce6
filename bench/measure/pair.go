package measure

import (
	"math/rand/v2"
	"slices"
)

// Pair is what the two sides of a ratio came to. The ratio is the median over the rounds, the other two are medians too.
type Pair struct {
	Ratio, Over, Under float64
}

// Ratio is the time of one work over that of another. Both are sampled in each round, by chance the one or the other
// first, so that a noisy neighbour hits both alike, and one that comes and goes at a beat of its own does not always hit the same.
func Ratio(over, under *Sampler, rounds int) Pair { return alternate(rounds, over.NS, under.NS) }

// Scaling is the ratio of two speed-ups, each that of two goroutines over one: at best 2.
func Scaling(over, under *Sampler, rounds int) Pair {
	return alternate(rounds, speedUp(over), speedUp(under))
}

func speedUp(s *Sampler) func() float64 {
	two := *s
	two.Goroutines = 2
	return func() float64 { return s.NS() / two.NS() }
}

func alternate(rounds int, over, under func() float64) Pair {
	overs, unders, ratios := make([]float64, rounds), make([]float64, rounds), make([]float64, rounds)
	for i := range rounds {
		if rand.IntN(2) == 0 {
			overs[i], unders[i] = over(), under()
		} else {
			unders[i], overs[i] = under(), over()
		}
		ratios[i] = overs[i] / unders[i]
	}
	return Pair{Ratio: Median(ratios), Over: Median(overs), Under: Median(unders)}
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
