package ngram

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
)

// repeatPenalty is the factor on the weight of a word that would repeat three
// words of the same text. It keeps greedy text from going round in circles and
// the topic from saying the same thing twice.
const repeatPenalty = 0.05

// shortestContext returns how many words of history decide at least which words
// can be drawn: two, or what the order allows.
func shortestContext(order int) int { return min(order-1, 2) }

// sampler draws the words of one text. It belongs to one generation.
type sampler struct {
	model       *Model
	topic       topic
	temperature float64
	rng         *rand.Rand
	history     history
	drawn       map[[3]wordID]bool // the last two words and the one after them
	length      int                // tokens of the sentence so far
	weights     []float64          // of the candidates; kept to save allocations
}

func (m *Model) newSampler(prompt []string, o Options) *sampler {
	h := fnv.New64a()
	for _, token := range prompt {
		h.Write([]byte(token))
		h.Write([]byte{' '})
	}
	return &sampler{
		model:       m,
		topic:       m.newTopic(prompt),
		temperature: o.Temperature,
		rng:         rand.New(rand.NewPCG(o.Seed, h.Sum64())),
		history:     startHistory(textStart),
		drawn:       make(map[[3]wordID]bool),
	}
}

// next draws a word or an end and moves on. After a sentence end the history
// is that of the start of the next sentence.
func (s *sampler) next() wordID {
	candidates := s.candidates()
	w := candidates[s.draw(s.score(candidates))].word
	s.drawn[s.trigram(w)] = true
	if w == sentenceEnd {
		s.history = startHistory(nextStart)
		s.length = 0
	} else {
		s.history = s.history.push(w)
		s.length++
	}
	return w
}

// candidates returns what training saw after the last words: as many of them as
// leave a choice, and two if none does. It is never empty: each word drawn was
// seen after the two before it, so it was followed by something.
func (s *sampler) candidates() []follower {
	order := s.model.order
	shortest := shortestContext(order)
	for n := order - 1; n > shortest; n-- {
		if d, ok := s.model.contexts[s.history.last(n)]; ok && len(d.followers) > 1 {
			return d.followers
		}
	}
	return s.model.contexts[s.history.last(shortest)].followers
}

// trigram returns w with the two words before it.
func (s *sampler) trigram(w wordID) [3]wordID {
	n := len(s.history)
	return [3]wordID{s.history[n-2], s.history[n-1], w}
}

// score returns the probability of each candidate with the topic mixed in, and
// repetition and short sentences marked down, not normalised.
func (s *sampler) score(candidates []follower) []float64 {
	seen := s.model.levels(s.history)
	cache := s.topic.after(s.history)
	s.weights = s.weights[:0]
	for _, c := range candidates {
		p := s.model.prob(seen, c.word)
		if cache != nil {
			p = (1-TopicWeight)*p + TopicWeight*cache.count(c.word)/cache.total
		}
		if s.drawn[s.trigram(c.word)] {
			p *= repeatPenalty
		}
		if s.model.vocab.endsSentence(c.word) {
			p *= s.model.lengths.atMost(s.length + 1)
		}
		s.weights = append(s.weights, p)
	}
	return s.weights
}

// draw returns an index of weights, chosen by the temperature: the largest
// weight, the first of equals, at 0.
func (s *sampler) draw(weights []float64) int {
	best := 0
	for i, w := range weights {
		if w > weights[best] {
			best = i
		}
	}
	if s.temperature == 0 {
		return best
	}
	// Relative to the largest weight no power overflows, and one of them is 1.
	largest := weights[best]
	sum := 0.0
	for i, w := range weights {
		weights[i] = math.Pow(w/largest, 1/s.temperature)
		sum += weights[i]
	}
	rest := s.rng.Float64() * sum
	for i, w := range weights {
		if rest -= w; rest < 0 {
			return i
		}
	}
	return best // the sum was rounded down
}
