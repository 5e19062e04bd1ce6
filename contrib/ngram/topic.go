package ngram

import (
	"cmp"
	"math"
	"slices"
)

// TopicWeight is the share of the probability that the cache of n-grams from
// sentences like the prompt takes, wherever it has something to say.
const TopicWeight = 0.5

const (
	// topicSentences bounds the sentences that form the cache.
	topicSentences = 24
	// commonShare is the share of all training sentences above which a word
	// says nothing about the topic.
	commonShare = 0.1
)

// trainingSentence is a sentence of the training text with the marker of its
// place in the entry.
type trainingSentence struct {
	start wordID
	words []wordID
}

// indexSentences lists for each word the sentences that hold it.
func indexSentences(sentences []trainingSentence) map[wordID][]int {
	postings := make(map[wordID][]int)
	for i, s := range sentences {
		for _, w := range s.words {
			if list := postings[w]; len(list) == 0 || list[len(list)-1] != i {
				postings[w] = append(list, i)
			}
		}
	}
	return postings
}

// topic is the cache of one generation: the n-grams of the training sentences
// closest to the prompt. It is empty if the prompt holds no telling word.
type topic struct {
	order    int
	contexts map[history]*distribution
}

// newTopic weighs each training sentence by the words it shares with the
// prompt, each with its inverse document frequency, and counts the n-grams of
// the best ones.
func (m *Model) newTopic(prompt []string) topic {
	scores := make([]float64, len(m.sentences))
	seen := make(map[wordID]bool)
	for _, token := range prompt {
		for _, w := range m.vocab.lookup(token) {
			list := m.postings[w]
			rarity := float64(len(list)) / float64(len(m.sentences))
			if seen[w] || rarity > commonShare {
				continue
			}
			seen[w] = true
			for _, i := range list {
				scores[i] -= math.Log(rarity)
			}
		}
	}
	var best []int
	for i, score := range scores {
		if score > 0 {
			best = append(best, i)
		}
	}
	slices.SortStableFunc(best, func(a, b int) int { return cmp.Compare(scores[b], scores[a]) })

	counts := newCounter(m.order)
	for _, i := range best[:min(len(best), topicSentences)] {
		counts.addSentence(m.sentences[i].start, m.sentences[i].words, scores[i])
	}
	return topic{order: m.order, contexts: counts.freeze()}
}

// after returns what the cache saw after h, by the longest end of h it knows
// that is no shorter than what candidates are drawn from, or nil.
func (t topic) after(h history) *distribution {
	for n := t.order - 1; n >= shortestContext(t.order); n-- {
		if d, ok := t.contexts[h.last(n)]; ok {
			return d
		}
	}
	return nil
}
