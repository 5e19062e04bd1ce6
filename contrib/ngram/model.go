package ngram

import (
	"cmp"
	"math"
	"slices"
)

// Model is a trained n-gram model. Get one from [Default] or [Train]; the zero
// value is not usable.
//
// A Model never changes after training and is safe for concurrent use.
type Model struct {
	order     int
	vocab     *vocabulary
	contexts  map[history]*distribution
	sentences []trainingSentence
	postings  map[wordID][]int // by word: the sentences that hold it, ascending
	lengths   lengths
}

// history holds the last words before a position, the latest one last. Shorter
// histories are padded with noWord in front, so that histories of different
// lengths are different keys.
type history [MaxOrder - 1]wordID

// startHistory returns the history at a sentence start.
func startHistory(marker wordID) history {
	var h history
	for i := range h {
		h[i] = marker
	}
	return h
}

// push returns h with w added and the oldest word dropped.
func (h history) push(w wordID) history {
	copy(h[:], h[1:])
	h[len(h)-1] = w
	return h
}

// last returns the last n words of h alone.
func (h history) last(n int) history {
	clear(h[:len(h)-n])
	return h
}

// distribution holds what training saw after one history.
type distribution struct {
	total     float64
	followers []follower // sorted by word
}

type follower struct {
	word  wordID
	count float64
}

// count returns how often w was seen.
func (d *distribution) count(w wordID) float64 {
	i, ok := slices.BinarySearchFunc(d.followers, w, func(f follower, w wordID) int {
		return cmp.Compare(f.word, w)
	})
	if !ok {
		return 0
	}
	return d.followers[i].count
}

// Order returns the length in words of the longest n-gram that m uses.
func (m *Model) Order() int { return m.order }

// Unigram returns the model of order 1 with the same vocabulary and counts. It
// knows how frequent words are and nothing about their order, and is the
// baseline to measure m against. It shares m's tables; the call is cheap.
func (m *Model) Unigram() *Model {
	u := *m
	u.order = 1
	return &u
}

// levels holds the distributions seen after one history, from no word of it to
// the longest end of it that training saw.
type levels struct {
	dists [MaxOrder]*distribution
	n     int
}

func (m *Model) levels(h history) levels {
	var l levels
	for l.n < m.order {
		d, ok := m.contexts[h.last(l.n)]
		if !ok {
			break // an unseen history has no seen extension
		}
		l.dists[l.n] = d
		l.n++
	}
	return l
}

// prob returns the Witten-Bell probability of w; see the package documentation.
func (m *Model) prob(l levels, w wordID) float64 {
	p := 1 / float64(m.vocab.predictable())
	for _, d := range l.dists[:l.n] {
		types := float64(len(d.followers))
		p = (d.count(w) + types*p) / (d.total + types)
	}
	return p
}

// Perplexity returns how much text surprises m: 2 to the cross-entropy in bits
// per token, so 1 for a text that m is sure of, and lower is better. The ends
// of sentences and entries count as tokens, and all words unknown to m as one
// same word. The text is read in the format of [Train]. The result is finite
// for every text with a word in it, and NaN for a text without.
func (m *Model) Perplexity(text string) float64 {
	var logSum float64
	n := 0
	score := func(h history, w wordID) {
		logSum += math.Log(m.prob(m.levels(h), w))
		n++
	}
	for _, entry := range splitEntries(text) {
		sentences := splitSentences(tokenize(entry))
		if len(sentences) == 0 {
			continue
		}
		for i, sentence := range sentences {
			h := startHistory(startOf(i))
			for _, w := range m.vocab.encode(sentence) {
				score(h, w)
				h = h.push(w)
			}
			score(h, sentenceEnd)
		}
		score(startHistory(nextStart), textEnd)
	}
	if n == 0 {
		return math.NaN()
	}
	return math.Exp(-logSum / float64(n))
}
