package ngram

import (
	"context"
	"fmt"
	"iter"
	"strings"
)

// Values of FinishReason in [Result] and [Chunk].
const (
	// FinishStop: the text came to its end, by itself, by MaxSentences or by a
	// stop sequence.
	FinishStop = "stop"
	// FinishLength: MaxTokens cut the text.
	FinishLength = "length"
)

// Usage counts tokens: words and punctuation marks. Sentence ends do not count.
type Usage struct {
	// PromptTokens is the number of tokens in the prompt.
	PromptTokens int
	// CompletionTokens is the number of tokens drawn, including those that a
	// stop sequence then cut off the text.
	CompletionTokens int
}

// Result is a generated text.
type Result struct {
	Text         string
	Usage        Usage
	FinishReason string // FinishStop or FinishLength
}

// Chunk is a part of a streamed text.
type Chunk struct {
	// Text continues the text, with the space that separates it from the part
	// before. It may be empty in the last chunk and only there.
	Text string
	// FinishReason is FinishStop or FinishLength in the last chunk and empty
	// before.
	FinishReason string
	// Usage holds the totals in the last chunk and is zero before.
	Usage Usage
}

// Generate writes a text on the topic of the prompt, usually of one to three
// sentences.
//
// The error wraps [ErrInvalidOptions], or the error of ctx if ctx ends before
// the text does; the result is then empty. Generate may be called concurrently.
func (m *Model) Generate(ctx context.Context, prompt string, o Options) (Result, error) {
	var text strings.Builder
	var res Result
	for chunk, err := range m.Stream(ctx, prompt, o) {
		if err != nil {
			return Result{}, err
		}
		text.WriteString(chunk.Text)
		res.FinishReason, res.Usage = chunk.FinishReason, chunk.Usage
	}
	res.Text = text.String()
	return res, nil
}

// Stream writes the same text as [Model.Generate] chunk by chunk, about one
// for each word; text that may be the beginning of a stop sequence is held
// back until that is decided. The last chunk carries the finish reason and the
// usage. ctx is checked before the prompt is read, which takes time for its
// length, and before each word.
//
// An error comes with an empty chunk and ends the stream: it wraps
// [ErrInvalidOptions] or the error of ctx. The iterator starts no goroutine,
// may be left at any time, and writes the same text again if it is ranged over
// again.
func (m *Model) Stream(ctx context.Context, prompt string, o Options) iter.Seq2[Chunk, error] {
	return func(yield func(Chunk, error) bool) {
		o, err := o.resolve()
		if err != nil {
			yield(Chunk{}, err)
			return
		}
		if err := ctx.Err(); err != nil {
			yield(Chunk{}, fmt.Errorf("ngram: generate: %w", err))
			return
		}
		promptTokens := tokenize(prompt)
		words := m.newSampler(promptTokens, o)
		stop := stopBuffer{stops: o.Stop}
		usage := Usage{PromptTokens: len(promptTokens)}
		var spell detokenizer
		sentences := 0
		first := true // in its sentence
		for {
			if err := ctx.Err(); err != nil {
				yield(Chunk{}, fmt.Errorf("ngram: generate: %w", err))
				return
			}
			w := words.next()
			if w == sentenceEnd && !first {
				if sentences++; sentences < o.MaxSentences {
					first = true
					continue
				}
			}
			if w == sentenceEnd || w == textEnd { // an empty sentence, which order 1 can draw, ends the text
				yield(Chunk{Text: stop.flush(), FinishReason: FinishStop, Usage: usage}, nil)
				return
			}
			if usage.CompletionTokens == o.MaxTokens {
				yield(Chunk{Text: stop.flush(), FinishReason: FinishLength, Usage: usage}, nil)
				return
			}
			usage.CompletionTokens++
			text, stopped := stop.push(spell.piece(m.vocab.words[w], first))
			first = false
			if stopped {
				yield(Chunk{Text: text, FinishReason: FinishStop, Usage: usage}, nil)
				return
			}
			if text != "" && !yield(Chunk{Text: text}, nil) {
				return
			}
		}
	}
}
