package ngram

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Limits and default of [Config.Order].
const (
	DefaultOrder = 4
	MaxOrder     = 5
)

// Errors of [Train].
var (
	// ErrNoText means that the text holds no word to learn from.
	ErrNoText = errors.New("ngram: no text to train on")
	// ErrInvalidConfig means that a field of [Config] is out of its range.
	ErrInvalidConfig = errors.New("ngram: invalid config")
)

// Config says how to train. The zero value is the default model.
type Config struct {
	// Order is the length of the longest n-gram in words: 1 to MaxOrder, 0
	// means DefaultOrder.
	Order int
}

// Train learns a model from text. Blank lines separate entries, each of which
// is one example of a complete text; sentences end with ".", "!" or "?". A
// capital at a sentence start is dropped unless the word has it elsewhere too.
//
// The error is [ErrNoText] or wraps [ErrInvalidConfig].
func Train(text string, cfg Config) (*Model, error) {
	if cfg.Order == 0 {
		cfg.Order = DefaultOrder
	}
	if cfg.Order < 1 || cfg.Order > MaxOrder {
		return nil, fmt.Errorf("%w: order %d is not between 1 and %d", ErrInvalidConfig, cfg.Order, MaxOrder)
	}
	var texts [][][]string
	for _, entry := range splitEntries(text) {
		if tokens := tokenize(entry); len(tokens) > 0 {
			texts = append(texts, splitSentences(tokens))
		}
	}
	if len(texts) == 0 {
		return nil, ErrNoText
	}

	m := &Model{order: cfg.Order, vocab: newVocabulary(texts)}
	counts := newCounter(cfg.Order)
	for _, sentences := range texts {
		for i, sentence := range sentences {
			ids := m.vocab.encode(sentence)
			m.sentences = append(m.sentences, trainingSentence{start: startOf(i), words: ids})
			counts.addSentence(startOf(i), ids, 1)
		}
		counts.add(startHistory(nextStart), textEnd, 1)
	}
	m.contexts = counts.freeze()
	m.postings = indexSentences(m.sentences)
	m.lengths = measure(m.sentences)
	return m, nil
}

// startOf returns the history marker of the i-th sentence of a text.
func startOf(i int) wordID {
	if i == 0 {
		return textStart
	}
	return nextStart
}

// counter collects weighted n-gram counts.
type counter struct {
	order  int
	counts map[history]map[wordID]float64
}

func newCounter(order int) *counter {
	return &counter{order: order, counts: make(map[history]map[wordID]float64)}
}

// addSentence counts all n-grams of one sentence and its end.
func (c *counter) addSentence(start wordID, words []wordID, weight float64) {
	h := startHistory(start)
	for _, w := range words {
		c.add(h, w, weight)
		h = h.push(w)
	}
	c.add(h, sentenceEnd, weight)
}

// add counts w after h and after each shorter end of it.
func (c *counter) add(h history, w wordID, weight float64) {
	for n := range c.order {
		key := h.last(n)
		followers := c.counts[key]
		if followers == nil {
			followers = make(map[wordID]float64, 1)
			c.counts[key] = followers
		}
		followers[w] += weight
	}
}

// freeze turns the counts into sorted tables.
func (c *counter) freeze() map[history]*distribution {
	frozen := make(map[history]*distribution, len(c.counts))
	for key, followers := range c.counts {
		d := &distribution{followers: make([]follower, 0, len(followers))}
		for w, count := range followers {
			d.followers = append(d.followers, follower{word: w, count: count})
		}
		// The order decides ties and sums, so that the same seed draws the
		// same text in every process.
		slices.SortFunc(d.followers, func(a, b follower) int { return cmp.Compare(a.word, b.word) })
		for _, f := range d.followers {
			d.total += f.count
		}
		frozen[key] = d
	}
	return frozen
}
