package ngram

import (
	"errors"
	"fmt"
	"math"
)

// Defaults of [Options].
const (
	// DefaultTemperature gives varied and mostly grammatical text. It has to
	// be set: the zero Temperature is greedy.
	DefaultTemperature = 0.8
	// DefaultMaxTokens is used for a zero MaxTokens.
	DefaultMaxTokens = 64
	// DefaultMaxSentences is used for a zero MaxSentences.
	DefaultMaxSentences = 3
)

// ErrInvalidOptions means that a field of [Options] is out of its range.
var ErrInvalidOptions = errors.New("ngram: invalid options")

// Options says how to generate. The zero value is greedy with the default
// limits.
type Options struct {
	// Temperature sharpens (below 1) or flattens (above 1) the probabilities
	// before a word is drawn: p is replaced by p^(1/Temperature). 0 always
	// takes the most likely word, whatever the seed. It must be finite and not
	// negative.
	Temperature float64

	// Seed chooses the text: same model, prompt and options, same text. Every
	// value is valid, 0 is a seed like the others.
	Seed uint64

	// MaxTokens bounds the generated words and punctuation marks. 0 means
	// DefaultMaxTokens; it must not be negative.
	MaxTokens int

	// MaxSentences bounds the generated sentences; most texts end before. 0
	// means DefaultMaxSentences; it must not be negative.
	MaxSentences int

	// Stop lists sequences before which the text is cut; they are not part of
	// it. The sequence that is complete first wins. None may be empty.
	Stop []string
}

// resolve checks o and fills in the defaults.
func (o Options) resolve() (Options, error) {
	if !(o.Temperature >= 0) || math.IsInf(o.Temperature, 1) { // the negation catches NaN
		return o, fmt.Errorf("%w: temperature %v is not a finite number from 0 up", ErrInvalidOptions, o.Temperature)
	}
	if o.MaxTokens < 0 {
		return o, fmt.Errorf("%w: max tokens %d is negative", ErrInvalidOptions, o.MaxTokens)
	}
	if o.MaxSentences < 0 {
		return o, fmt.Errorf("%w: max sentences %d is negative", ErrInvalidOptions, o.MaxSentences)
	}
	for i, stop := range o.Stop {
		if stop == "" {
			return o, fmt.Errorf("%w: stop sequence %d is empty", ErrInvalidOptions, i)
		}
	}
	if o.MaxTokens == 0 {
		o.MaxTokens = DefaultMaxTokens
	}
	if o.MaxSentences == 0 {
		o.MaxSentences = DefaultMaxSentences
	}
	return o, nil
}
