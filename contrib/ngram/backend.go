package ngram

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// ModelName is what a [Backend] calls its model.
const ModelName = "harbour-ngram"

// ErrUnsupported means that a generation asks for something that the model
// cannot do, such as looking at an image.
var ErrUnsupported = errors.New("ngram: not supported")

// Backend puts a [Model] behind a [session.Session].
//
// The prompt is the text of the last message: the others are not read, and the
// input tokens of the usage are those of the prompt alone. Of the model options it honours
// Temperature (default [DefaultTemperature]), MaxTokens, Stop and Seed, and as
// an extra option max_sentences; TopP and other extra options are refused, and so
// are images and other models, with a [session.BackendError] that wraps
// [ErrUnsupported]. The model never asks for a tool, which its capabilities say; it
// ignores those that it is given all the same.
//
// A format with a schema makes the answer JSON that fits it. The keywords are
// type, enum, const, properties, required, additionalProperties, items,
// minItems, maxItems, minimum and maximum, nested as they may be; any other
// that restricts what is allowed is refused by its name. All properties are there,
// required or not. Strings are sentences of the model. MaxTokens cuts the JSON, as
// it does a text, and has no default there.
//
// A generation without a seed gets one made of the backend's own seed and the
// number of such generations before it, so that asking again gives another
// text, and a program that asks one after the other gets the same texts in
// every run. Safe for concurrent use; which of several concurrent generations
// gets which number is up to the scheduler.
type Backend struct {
	model *Model
	seed  uint64
	calls atomic.Uint64 // generations without a seed of their own
}

var (
	_ session.Streamer  = (*Backend)(nil)
	_ session.Describer = (*Backend)(nil)
)

// BackendOption sets something about a [Backend]. A nil option is skipped.
type BackendOption interface{ apply(*Backend) }

type backendOption func(*Backend)

func (f backendOption) apply(b *Backend) { f(b) }

// WithSeed sets the seed from which those of the generations are made. It is 0
// otherwise.
func WithSeed(seed uint64) BackendOption { return backendOption(func(b *Backend) { b.seed = seed }) }

// WithModel sets the model. It is [Default] otherwise, and for nil.
func WithModel(m *Model) BackendOption { return backendOption(func(b *Backend) { b.model = m }) }

// NewBackend makes a backend.
func NewBackend(opts ...BackendOption) *Backend {
	b := &Backend{}
	for _, o := range opts {
		if o != nil {
			o.apply(b)
		}
	}
	if b.model == nil {
		b.model = Default()
	}
	return b
}

// Describe names the model and says what it can do: streams and formats.
func (b *Backend) Describe() stages.Backend {
	return stages.Backend{
		Name: name, Provider: "local", Model: ModelName, Capabilities: stages.Capabilities{Streaming: true, Formats: true},
	}
}

const name = "ngram"

// Generate writes a text. The error is a [session.BackendError] that wraps
// [ErrUnsupported] or [ErrInvalidOptions], or that of ctx.
func (b *Backend) Generate(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
	return b.generate(ctx, g, func(string) error { return nil }, false)
}

// GenerateStream writes the same text, and calls emit with about one piece for each word.
func (b *Backend) GenerateStream(ctx context.Context, g *stages.Generation, emit func(text string) error) (*stages.Generation, error) {
	return b.generate(ctx, g, emit, true)
}

func (b *Backend) generate(ctx context.Context, g *stages.Generation, emit func(text string) error, streams bool) (*stages.Generation, error) {
	o, err := options(g)
	if err != nil {
		return nil, refused(err)
	}
	prompt := ""
	if m := g.Messages(); m.Len() > 0 {
		prompt = m.At(m.Len() - 1).Text
	}
	begun := time.Now()
	var chunks iter.Seq2[Chunk, error]
	if f := g.Format(); f == (stages.Format{}) {
		o.Seed = b.seedOf(g.ModelOptions())
		chunks = b.model.Stream(ctx, prompt, o)
	} else {
		s, err := parseShape([]byte(f.Schema))
		if err == nil {
			_, err = o.resolve()
		}
		if err != nil {
			return nil, refused(err)
		}
		o.Seed = b.seedOf(g.ModelOptions())
		chunks = b.model.constrained(ctx, prompt, s, o)
	}
	var text strings.Builder
	res := stages.GenerationResult{Source: stages.SourceBackend, Output: stages.Output{Model: ModelName}}
	for chunk, err := range chunks {
		if err != nil {
			if errors.Is(err, ErrInvalidOptions) {
				err = refused(err)
			}
			return nil, err
		}
		res.Output.FinishReason = finishReason(chunk.FinishReason)
		res.Output.Usage = stages.Usage{InputTokens: chunk.Usage.PromptTokens, OutputTokens: chunk.Usage.CompletionTokens}
		if chunk.Text == "" {
			continue
		}
		text.WriteString(chunk.Text)
		if res.Chunks++; res.Chunks == 1 {
			res.FirstChunk = time.Since(begun)
		}
		if err := emit(chunk.Text); err != nil {
			return nil, err
		}
	}
	if !streams {
		res.Chunks, res.FirstChunk = 0, 0
	}
	res.Output.Text, res.Latency = text.String(), time.Since(begun)
	return g.Done(res), nil
}

// refused is the error of what the model cannot do.
func refused(err error) error {
	return &session.BackendError{Kind: session.BackendInvalidRequest, Backend: name, Err: err}
}

// options translates what g asks for, but for the seed.
func options(g *stages.Generation) (o Options, err error) {
	m := g.ModelOptions()
	o.Temperature = m.Temperature.Or(DefaultTemperature)
	o.Stop = m.Stop.Slice()
	if n, ok := m.MaxTokens.Get(); ok {
		if n < 1 {
			return o, fmt.Errorf("%w: max tokens %d is not positive", ErrInvalidOptions, n)
		}
		o.MaxTokens = n
	}
	var refused []string
	if model := g.Backend().Model; model != "" && model != ModelName {
		refused = append(refused, fmt.Sprintf("model %q (there is only %q)", model, ModelName))
	}
	if _, ok := m.TopP.Get(); ok {
		refused = append(refused, "option top_p")
	}
	for key, value := range m.Extra.All() {
		if key != "max_sentences" {
			refused = append(refused, "option "+key)
			continue
		}
		if o.MaxSentences, err = positive(key, value); err != nil {
			return o, err
		}
	}
	if slices.ContainsFunc(g.Messages().Slice(), func(m stages.Message) bool { return m.Images.Len() > 0 }) {
		refused = append(refused, "images")
	}
	if len(refused) > 0 {
		return o, fmt.Errorf("%w: %s", ErrUnsupported, strings.Join(refused, ", "))
	}
	return o, nil
}

// positive reads a whole number as Go code, JSON and YAML write it.
func positive(key string, value any) (n int, err error) {
	switch v := value.(type) {
	case int:
		n = v
	case int64:
		n = int(v)
	case float64:
		if n = int(v); float64(n) != v {
			n = 0
		}
	}
	if n < 1 {
		return 0, fmt.Errorf("%w: %s %v is not a whole number from 1 up", ErrInvalidOptions, key, value)
	}
	return n, nil
}

// seedOf is the seed that the options ask for, else the next of the sequence.
func (b *Backend) seedOf(m stages.ModelOptions) uint64 {
	if seed, ok := m.Seed.Get(); ok {
		return uint64(seed)
	}
	// A hash, so that the sequences of neighbouring seeds do not overlap.
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%d/%d", b.seed, b.calls.Add(1))
	return h.Sum64()
}

func finishReason(s string) stages.FinishReason {
	if s == FinishLength {
		return stages.FinishLength
	}
	return stages.FinishStop
}
