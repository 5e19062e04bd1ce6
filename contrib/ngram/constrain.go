package ngram

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"iter"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
)

// constrained writes a JSON text that fits s, piece by piece as Stream does: punctuation, numbers and the words of strings
// are a token each. The texts of strings are the model's, one sentence each unless the options say otherwise, on the topic
// of the prompt, the name of the property and its description. At temperature 0 numbers are the smallest, lists the
// shortest, and choices the first.
//
// Without MaxTokens the text is complete, however long. The options are resolved but for that.
func (m *Model) constrained(ctx context.Context, prompt string, s *shape, o Options) iter.Seq2[Chunk, error] {
	return func(yield func(Chunk, error) bool) {
		if o.MaxSentences == 0 {
			o.MaxSentences = 1
		}
		limit := o.MaxTokens
		if limit == 0 {
			limit = math.MaxInt
		}
		h := fnv.New64a()
		_, _ = h.Write([]byte(prompt))
		w := &writer{
			ctx: ctx, model: m, prompt: prompt, options: o, rng: rand.New(rand.NewPCG(o.Seed, h.Sum64())),
			stop: stopBuffer{stops: o.Stop}, usage: Usage{PromptTokens: len(tokenize(prompt))}, limit: limit, yield: yield,
		}
		w.options.Stop, w.options.MaxTokens = nil, 0 // they are about the whole
		if w.value(s, "") {
			yield(Chunk{Text: w.stop.flush(), FinishReason: FinishStop, Usage: w.usage}, nil)
		}
	}
}

// writer writes one JSON text.
type writer struct {
	ctx     context.Context
	model   *Model
	prompt  string
	options Options
	rng     *rand.Rand
	stop    stopBuffer
	usage   Usage
	limit   int
	yield   func(Chunk, error) bool
}

// piece writes a token; false ends everything.
func (w *writer) piece(text string) bool {
	if err := w.ctx.Err(); err != nil {
		w.yield(Chunk{}, fmt.Errorf("ngram: generate: %w", err))
		return false
	}
	if w.usage.CompletionTokens == w.limit {
		w.yield(Chunk{Text: w.stop.flush(), FinishReason: FinishLength, Usage: w.usage}, nil)
		return false
	}
	w.usage.CompletionTokens++
	safe, stopped := w.stop.push(text)
	if stopped {
		w.yield(Chunk{Text: safe, FinishReason: FinishStop, Usage: w.usage}, nil)
		return false
	}
	return safe == "" || w.yield(Chunk{Text: safe}, nil)
}

// pick is a number below n: 0 at temperature 0.
func (w *writer) pick(n int) int {
	if w.options.Temperature == 0 {
		return 0
	}
	return w.rng.IntN(n)
}

// value writes a value; about is what is known of it.
func (w *writer) value(s *shape, about string) bool {
	about = strings.TrimSpace(about + " " + s.about)
	if s.enum != nil {
		var compact bytes.Buffer
		if json.Compact(&compact, s.enum[w.pick(len(s.enum))]) != nil {
			return false // it was read as JSON before
		}
		return w.piece(compact.String())
	}
	switch s.kind {
	case "object":
		return w.object(s, about)
	case "array":
		return w.array(s, about)
	case "string":
		return w.text(about)
	case "boolean":
		return w.piece(strconv.FormatBool(w.pick(2) == 1))
	case "null":
		return w.piece("null")
	}
	return w.piece(w.number(s))
}

func (w *writer) object(s *shape, about string) bool {
	if !w.piece("{") {
		return false
	}
	for i, p := range s.properties {
		name := quoted(s.names[i])
		if i > 0 && !w.piece(",") || !w.piece(`"`+name+`":`) || !w.value(p, about+" "+words(s.names[i])) {
			return false
		}
	}
	return w.piece("}")
}

func (w *writer) array(s *shape, about string) bool {
	if !w.piece("[") {
		return false
	}
	for i := range s.fewest + w.pick(s.most-s.fewest+1) {
		if i > 0 && !w.piece(",") || !w.value(s.items, about) {
			return false
		}
	}
	return w.piece("]")
}

func (w *writer) text(about string) bool {
	if !w.piece(`"`) {
		return false
	}
	o := w.options
	o.Seed = w.rng.Uint64()
	for chunk, err := range w.model.Stream(w.ctx, strings.TrimSpace(w.prompt+" "+about), o) {
		if err != nil {
			w.yield(Chunk{}, err)
			return false
		}
		if chunk.Text != "" && !w.piece(quoted(chunk.Text)) {
			return false
		}
	}
	return w.piece(`"`)
}

// number is one between the bounds: a whole one where the schema says so or the bounds leave one, with a tenth at most.
func (w *writer) number(s *shape) string {
	step := 1.0
	if s.kind == "number" {
		step = 0.1
	}
	span := min((s.high-s.low)/step, 1<<40)
	v := s.low + float64(w.pick(int(span)+1))*step
	if s.kind == "integer" {
		return strconv.FormatFloat(min(v, s.high), 'f', -1, 64)
	}
	if tenth := math.Round(v*10) / 10; tenth >= s.low && tenth <= s.high {
		v = tenth
	}
	b, err := json.Marshal(min(v, s.high))
	if err != nil { // bounds are finite
		return "0"
	}
	return string(b)
}

// words are those of a name such as highWater or high_water.
func words(name string) string {
	var b strings.Builder
	for i, r := range name {
		switch {
		case r == '_' || r == '-':
			b.WriteByte(' ')
		case i > 0 && r >= 'A' && r <= 'Z':
			b.WriteByte(' ')
			fallthrough
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
