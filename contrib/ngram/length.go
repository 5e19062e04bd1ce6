package ngram

// lengths holds, by number of tokens, the share of training sentences that are
// no longer. An n-gram model forgets the beginning of a sentence and so ends
// too many early; see [sampler.score].
type lengths []float64

func measure(sentences []trainingSentence) lengths {
	longest := 0
	for _, s := range sentences {
		longest = max(longest, len(s.words))
	}
	shares := make(lengths, longest+1)
	for _, s := range sentences {
		shares[len(s.words)]++
	}
	sum := 0.0
	for n, count := range shares {
		sum += count
		shares[n] = sum / float64(len(sentences))
	}
	return shares
}

// atMost returns the share of sentences of no more than n tokens. It is never
// zero, so that a sentence with no other way to go can end.
func (l lengths) atMost(n int) float64 {
	const rare = 1e-3
	if n >= len(l) {
		return 1
	}
	return max(l[n], rare)
}
