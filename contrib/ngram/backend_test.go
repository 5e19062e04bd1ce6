package ngram

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

func generation(prompt string, f stages.GenerationFields) *stages.Generation {
	f.Messages = stages.ListOf(stages.Message{Role: stages.RoleUser, Text: prompt})
	return stages.NewGeneration(stages.Meta{}, f)
}

func TestBackendHonoursOptions(t *testing.T) {
	t.Parallel()
	const prompt = "Write a note about tonight's tide"
	for _, tc := range []struct {
		name    string
		options stages.ModelOptions
		want    Options
	}{
		{
			name:    "seed",
			options: stages.ModelOptions{Seed: stages.Some(int64(7))},
			want:    Options{Temperature: DefaultTemperature, Seed: 7},
		},
		{
			name:    "temperature",
			options: stages.ModelOptions{Seed: stages.Some(int64(7)), Temperature: stages.Some(0.1)},
			want:    Options{Temperature: 0.1, Seed: 7},
		},
		{
			name:    "greedy",
			options: stages.ModelOptions{Temperature: stages.Some(0.0)},
		},
		{
			name:    "max tokens",
			options: stages.ModelOptions{Seed: stages.Some(int64(7)), MaxTokens: stages.Some(5)},
			want:    Options{Temperature: DefaultTemperature, Seed: 7, MaxTokens: 5},
		},
		{
			name:    "stop",
			options: stages.ModelOptions{Seed: stages.Some(int64(7)), Stop: stages.ListOf(".")},
			want:    Options{Temperature: DefaultTemperature, Seed: 7, Stop: []string{"."}},
		},
		{
			name: "max sentences, as JSON decodes it",
			options: stages.ModelOptions{
				Seed: stages.Some(int64(7)), Extra: stages.MapOf(map[string]any{"max_sentences": float64(1)}),
			},
			want: Options{Temperature: DefaultTemperature, Seed: 7, MaxSentences: 1},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			want, err := Default().Generate(t.Context(), prompt, tc.want)
			if err != nil {
				t.Fatal(err)
			}
			got, err := NewBackend().Generate(t.Context(), generation(prompt, stages.GenerationFields{ModelOptions: tc.options}))
			if err != nil {
				t.Fatal(err)
			}
			out := got.Output()
			if out.Text != want.Text || string(out.FinishReason) != want.FinishReason || out.Model != ModelName {
				t.Errorf("got %+v, want %+v", out, want)
			}
			if u := (stages.Usage{InputTokens: want.Usage.PromptTokens, OutputTokens: want.Usage.CompletionTokens}); out.Usage != u {
				t.Errorf("got usage %+v, want %+v", out.Usage, u)
			}
		})
	}
}

func TestBackendRefuses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		fields stages.GenerationFields
		want   error
		text   string
	}{
		{
			name:   "an unknown extra option, by its name",
			fields: stages.GenerationFields{ModelOptions: stages.ModelOptions{Extra: stages.MapOf(map[string]any{"top_k": 40})}},
			want:   ErrUnsupported, text: "top_k",
		},
		{
			name:   "top_p",
			fields: stages.GenerationFields{ModelOptions: stages.ModelOptions{TopP: stages.Some(0.5)}},
			want:   ErrUnsupported, text: "top_p",
		},
		{
			name:   "another model",
			fields: stages.GenerationFields{Backend: stages.Backend{Model: "huge-1"}},
			want:   ErrUnsupported, text: "huge-1",
		},
		{
			name:   "a keyword of a schema, by its name",
			fields: stages.GenerationFields{Format: stages.Format{Schema: `{"type":"array","items":{"type":"string","pattern":"^a"}}`}},
			want:   ErrUnsupported, text: "pattern",
		},
		{
			name:   "a format without a schema",
			fields: stages.GenerationFields{Format: stages.Format{Name: "tide"}},
			want:   ErrInvalidOptions, text: "schema",
		},
		{
			name:   "a required property that is not described",
			fields: stages.GenerationFields{Format: stages.Format{Schema: `{"required":["height"]}`}},
			want:   ErrUnsupported, text: "height",
		},
		{
			name:   "a schema that allows nothing",
			fields: stages.GenerationFields{Format: stages.Format{Schema: `{"type":"integer","minimum":0.1,"maximum":0.9}`}},
			want:   ErrUnsupported, text: "allows nothing",
		},
		{
			name: "a negative temperature in a format",
			fields: stages.GenerationFields{
				Format: stages.Format{Schema: `true`}, ModelOptions: stages.ModelOptions{Temperature: stages.Some(-1.0)},
			},
			want: ErrInvalidOptions, text: "temperature",
		},
		{
			name:   "no tokens",
			fields: stages.GenerationFields{ModelOptions: stages.ModelOptions{MaxTokens: stages.Some(0)}},
			want:   ErrInvalidOptions, text: "max tokens",
		},
		{
			name:   "half a sentence",
			fields: stages.GenerationFields{ModelOptions: stages.ModelOptions{Extra: stages.MapOf(map[string]any{"max_sentences": 0.5})}},
			want:   ErrInvalidOptions, text: "max_sentences",
		},
		{
			name:   "a negative temperature",
			fields: stages.GenerationFields{ModelOptions: stages.ModelOptions{Temperature: stages.Some(-1.0)}},
			want:   ErrInvalidOptions, text: "temperature",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			out, err := NewBackend().Generate(t.Context(), generation("The tide", tc.fields))
			if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.text) || out != nil {
				t.Errorf("got %v, %v", out, err)
			}
		})
	}
	t.Run("an image", func(t *testing.T) {
		t.Parallel()
		g := stages.NewGeneration(stages.Meta{}, stages.GenerationFields{Messages: stages.ListOf(stages.Message{
			Role: stages.RoleUser, Images: stages.ListOf(stages.Image{URL: "https://harbour.example/a.png"}),
		})})
		if _, err := NewBackend().Generate(t.Context(), g); !errors.Is(err, ErrUnsupported) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a cancelled context", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := NewBackend().Generate(ctx, generation("The tide", stages.GenerationFields{})); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

// A session asks again where an answer fails, so the same question must not have the same answer for ever; and the same
// seed must give the same session.
func TestBackendVariesItsSeed(t *testing.T) {
	t.Parallel()
	ask := func(b *Backend, n int) (out []string) {
		for range n {
			g, err := b.Generate(t.Context(), generation("Write about the tide", stages.GenerationFields{}))
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, g.Output().Text)
		}
		return out
	}
	const n = 12
	one, again, other := ask(NewBackend(WithSeed(1)), n), ask(NewBackend(WithSeed(1)), n), ask(NewBackend(WithSeed(2)), n)
	if !slices.Equal(one, again) {
		t.Errorf("the same seed gave\n%q\nand\n%q", one, again)
	}
	if slices.Equal(one, other) {
		t.Error("another seed gave the same texts")
	}
	if different := len(slices.Compact(slices.Sorted(slices.Values(one)))); different < n/2 {
		t.Errorf("%d texts in %d attempts: %q", different, n, one)
	}
}

func TestBackendIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	b := NewBackend()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := b.Generate(t.Context(), generation("The tide", stages.GenerationFields{})); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := b.calls.Load(); n != 8 {
		t.Errorf("%d calls counted", n)
	}
}

// Rejection sampling over a real model.
func ExampleNewBackend() {
	ctx := context.Background()
	s, err := session.Start(ctx, session.WithBackend(NewBackend(WithSeed(6))))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = s.Close(ctx) }()
	res, err := s.Instruct(ctx, "Write a note about the tide.",
		session.Require(session.Check("Say when high water is.", func(text string) (bool, string) {
			return strings.Contains(text, "High water is"), "the time of high water is missing"
		})),
		session.LoopBudget(20))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(res.Success, res.Attempts.Len())
	fmt.Println(res)
	// Output:
	// true 2
	// High water is expected at 06:40 and low water at 12:55.
}

// JSON that fits a schema; the text in it is the model's.
func ExampleBackend_Generate() {
	g, err := NewBackend().Generate(context.Background(), stages.NewGeneration(stages.Meta{}, stages.GenerationFields{
		Messages:     stages.ListOf(stages.Message{Role: stages.RoleUser, Text: "Report on the crane."}),
		ModelOptions: stages.ModelOptions{Temperature: stages.Some(0.0)},
		Format: stages.Format{Schema: `{"type": "object", "properties": {
			"summary": {"type": "string"}, "state": {"enum": ["working", "broken"]}, "berth": {"type": "integer", "minimum": 1, "maximum": 9}}}`},
	}))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(g.Output().Text)
	// Output:
	// {"summary":"The crane at berth 9 is under repair.","state":"working","berth":1}
}
