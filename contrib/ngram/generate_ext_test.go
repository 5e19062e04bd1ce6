package ngram_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maillon-go/maillon/contrib/ngram"
)

const prompt = "Write a note to the harbour master about tonight's tide"

func generate(tb testing.TB, prompt string, o ngram.Options) ngram.Result {
	tb.Helper()
	res, err := ngram.Default().Generate(tb.Context(), prompt, o)
	if err != nil {
		tb.Fatal(err)
	}
	return res
}

func warm(seed uint64) ngram.Options {
	return ngram.Options{Temperature: ngram.DefaultTemperature, Seed: seed}
}

// cutAt is what stop sequences mean, said without a stream.
func cutAt(text string, stops []string) (string, bool) {
	cut, end := len(text), len(text)+1
	for _, stop := range stops {
		if i := strings.Index(text, stop); i >= 0 && (i+len(stop) < end || i+len(stop) == end && i < cut) {
			cut, end = i, i+len(stop)
		}
	}
	return text[:cut], end <= len(text)
}

func TestSameSeedSameText(t *testing.T) {
	again, err := ngram.Train(corpus, ngram.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(50) {
		want := generate(t, prompt, warm(seed))
		got, err := again.Generate(t.Context(), prompt, warm(seed))
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Fatalf("seed %d: a model trained again gives %+v, want %+v", seed, got, want)
		}
	}
}

func TestGreedyIgnoresSeed(t *testing.T) {
	want := generate(t, prompt, ngram.Options{})
	if want.Text == "" || want.FinishReason != ngram.FinishStop {
		t.Fatalf("greedy result %+v", want)
	}
	for seed := range uint64(20) {
		if got := generate(t, prompt, ngram.Options{Seed: seed}); got != want {
			t.Fatalf("seed %d: %+v, want %+v", seed, got, want)
		}
	}
}

func TestVeryLowTemperatureIsGreedy(t *testing.T) {
	want := generate(t, prompt, ngram.Options{})
	for _, temperature := range []float64{math.SmallestNonzeroFloat64, 1e-6} {
		if got := generate(t, prompt, ngram.Options{Temperature: temperature, Seed: 5}); got != want {
			t.Errorf("temperature %v: %+v, want %+v", temperature, got, want)
		}
	}
}

func TestGreedyTakesTheFirstOfEquals(t *testing.T) {
	m, err := ngram.Train("Ash grows.\n\nBirch grows.\n\nElm grows.", ngram.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(20) {
		res, err := m.Generate(t.Context(), "", ngram.Options{Seed: seed})
		if err != nil || res.Text != "Ash grows." {
			t.Errorf("seed %d: %+v, %v", seed, res, err)
		}
	}
}

func TestGreedyDoesNotRepeatSentences(t *testing.T) {
	for _, prompt := range []string{prompt, "Who repairs the lamp?", "Say hello", "Where is the cat?", "Sell me a fish", ""} {
		seen := make(map[string]bool)
		for sentence := range strings.SplitAfterSeq(generate(t, prompt, ngram.Options{}).Text+" ", ". ") {
			if seen[sentence] {
				t.Errorf("prompt %q: %q twice", prompt, sentence)
			}
			seen[sentence] = true
		}
	}
}

func TestTextsVary(t *testing.T) {
	for _, prompt := range []string{prompt, "Describe the cargo of the Marigold", "xyzzy", ""} {
		texts := make(map[string]bool)
		for seed := range uint64(20) {
			texts[generate(t, prompt, warm(seed)).Text] = true
		}
		if len(texts) < 15 {
			t.Errorf("prompt %q: %d distinct texts of 20, want 15", prompt, len(texts))
		}
	}
}

// Examples and tests of other packages count on texts that sometimes meet and
// sometimes miss a requirement.
func TestTextsInGeneral(t *testing.T) {
	const n = 300
	tests := []struct {
		name     string
		has      func(text string) bool
		min, max int
	}{
		{"holds an e-mail address", contains("@harbour.example"), n / 3, n - n/10},
		{"mentions the tide", contains("tide"), n / 10, n - n/10},
		{"has at most twelve words", func(s string) bool { return len(strings.Fields(s)) <= 12 }, n / 20, n - n/10},
		{"starts with a capital", func(s string) bool { return s[0] >= 'A' && s[0] <= 'Z' }, n, n},
		{"ends with a full stop", func(s string) bool { return strings.HasSuffix(s, ".") }, n, n},
		{"has a space before a mark", func(s string) bool { return strings.Contains(s, " .") || strings.Contains(s, " ,") }, 0, 0},
		{"has a double space", contains("  "), 0, 0},
	}
	var texts []string
	sentences := make(map[int]int)
	for seed := range uint64(n) {
		text := generate(t, prompt, warm(seed)).Text
		texts = append(texts, text)
		sentences[strings.Count(text+" ", ". ")]++
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			count := 0
			for _, text := range texts {
				if tt.has(text) {
					count++
				}
			}
			t.Logf("%d of %d", count, n)
			if count < tt.min || count > tt.max {
				t.Errorf("%d of %d texts, want %d to %d", count, n, tt.min, tt.max)
			}
		})
	}
	for k := 1; k <= ngram.DefaultMaxSentences; k++ {
		if sentences[k] < n/20 {
			t.Errorf("%d of %d texts have %d sentences: %v", sentences[k], n, k, sentences)
		}
	}
}

func contains(part string) func(string) bool {
	return func(text string) bool { return strings.Contains(text, part) }
}

func TestPromptSteersText(t *testing.T) {
	for _, word := range []string{"crane", "Marigold", "lamp", "ferry"} {
		t.Run(word, func(t *testing.T) {
			count := func(prompt string) (n int) {
				for seed := range uint64(100) {
					if strings.Contains(generate(t, prompt, warm(seed)).Text, word) {
						n++
					}
				}
				return n
			}
			with, without := count("Tell me of the "+word), count("xyzzy")
			t.Logf("%d texts of 100 mention it, %d without the topic", with, without)
			if with < 2*without || with < 50 {
				t.Errorf("%d texts of 100 mention the topic, %d without it in the prompt", with, without)
			}
		})
	}
	t.Run("unknown words still change the text", func(t *testing.T) {
		if a, b := generate(t, "xyzzy", warm(1)), generate(t, "plugh", warm(1)); a.Text == b.Text {
			t.Errorf("both prompts give %q", a.Text)
		}
	})
}

func TestStreamEqualsGenerate(t *testing.T) {
	stopLists := [][]string{
		nil,
		{"tide"},
		{"."},
		{". "},
		{"e"},
		{" the harbour master"},
		{"@harbour"},
		{"th 4", "arbour.ex"},
		{"The tide", "he ti", "tide "},
		{"never in the corpus", "."},
	}
	stopped := 0
	for seed := range uint64(40) {
		full := generate(t, prompt, warm(seed)).Text
		for _, stops := range stopLists {
			o := warm(seed)
			o.Stop = stops
			res := generate(t, prompt, o)
			want, cut := cutAt(full, stops)
			if res.Text != want {
				t.Errorf("seed %d, stop %q: text %q, want %q", seed, stops, res.Text, want)
			}
			if cut {
				stopped++
			}
			if text, last := drain(t, prompt, o); text != res.Text || last.FinishReason != res.FinishReason || last.Usage != res.Usage {
				t.Errorf("seed %d, stop %q: stream gives %q, %+v; Generate gives %+v", seed, stops, text, last, res)
			}
		}
	}
	if stopped < 100 {
		t.Errorf("only %d texts were cut: the test proves little", stopped)
	}
}

// drain reads a stream to its end and checks the shape of its chunks.
func drain(tb testing.TB, prompt string, o ngram.Options) (string, ngram.Chunk) {
	tb.Helper()
	var text strings.Builder
	var last ngram.Chunk
	for chunk, err := range ngram.Default().Stream(tb.Context(), prompt, o) {
		if err != nil {
			tb.Fatal(err)
		}
		if last.FinishReason != "" {
			tb.Fatalf("chunk %+v after the last", chunk)
		}
		if chunk.FinishReason == "" && (chunk.Text == "" || chunk.Usage != ngram.Usage{}) {
			tb.Fatalf("chunk %+v is not the last", chunk)
		}
		text.WriteString(chunk.Text)
		last = chunk
	}
	if last.FinishReason == "" {
		tb.Fatal("no last chunk")
	}
	return text.String(), last
}

func TestStreamHasAChunkPerToken(t *testing.T) {
	chunks := 0
	var usage ngram.Usage
	for chunk, err := range ngram.Default().Stream(t.Context(), prompt, warm(1)) {
		if err != nil {
			t.Fatal(err)
		}
		chunks++
		usage = chunk.Usage
	}
	if chunks != usage.CompletionTokens+1 {
		t.Errorf("%d chunks for %d tokens, want one each and the last", chunks, usage.CompletionTokens)
	}
}

func TestStreamCanBeRangedTwice(t *testing.T) {
	stream := ngram.Default().Stream(t.Context(), prompt, warm(2))
	var texts [2]string
	for i := range texts {
		for chunk, err := range stream {
			if err != nil {
				t.Fatal(err)
			}
			texts[i] += chunk.Text
		}
	}
	if texts[0] != texts[1] || texts[0] == "" {
		t.Errorf("first %q, second %q", texts[0], texts[1])
	}
}

func TestStreamBreak(t *testing.T) {
	full := generate(t, prompt, warm(3)).Text
	for n := 1; n <= 5; n++ {
		var text string
		chunks := 0
		for chunk, err := range ngram.Default().Stream(t.Context(), prompt, warm(3)) {
			if err != nil {
				t.Fatal(err)
			}
			text += chunk.Text
			if chunks++; chunks == n {
				break
			}
		}
		if chunks != n || !strings.HasPrefix(full, text) {
			t.Errorf("break after %d: %d chunks, %q", n, chunks, text)
		}
	}
}

func TestUsageAndFinishReason(t *testing.T) {
	greedy := generate(t, prompt, ngram.Options{MaxSentences: 1})
	tests := []struct {
		name   string
		prompt string
		o      ngram.Options
		want   ngram.Result
	}{
		{"one sentence", prompt, ngram.Options{MaxSentences: 1}, ngram.Result{
			Text:         greedy.Text,
			Usage:        ngram.Usage{PromptTokens: 10, CompletionTokens: tokens(greedy.Text)},
			FinishReason: ngram.FinishStop,
		}},
		{"one token", prompt, ngram.Options{MaxTokens: 1}, ngram.Result{
			Text:         "The",
			Usage:        ngram.Usage{PromptTokens: 10, CompletionTokens: 1},
			FinishReason: ngram.FinishLength,
		}},
		{"tokens cut by a stop sequence count", prompt, ngram.Options{Stop: []string{"The"}}, ngram.Result{
			Usage:        ngram.Usage{PromptTokens: 10, CompletionTokens: 1},
			FinishReason: ngram.FinishStop,
		}},
		{"prompt words and marks", "Ask ines@harbour.example, now!", ngram.Options{MaxTokens: 1}, ngram.Result{
			Text:         "Dear",
			Usage:        ngram.Usage{PromptTokens: 5, CompletionTokens: 1},
			FinishReason: ngram.FinishLength,
		}},
		{"empty prompt", "", ngram.Options{MaxTokens: 1}, ngram.Result{
			Text:         "The",
			Usage:        ngram.Usage{CompletionTokens: 1},
			FinishReason: ngram.FinishLength,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := generate(t, tt.prompt, tt.o); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
	t.Run("completion counts words and marks", func(t *testing.T) {
		for seed := range uint64(50) {
			res := generate(t, prompt, warm(seed))
			if want := tokens(res.Text); res.Usage.CompletionTokens != want {
				t.Errorf("%d tokens in %q, want %d", res.Usage.CompletionTokens, res.Text, want)
			}
		}
	})
}

// tokens counts the words and the marks that the corpus uses.
func tokens(text string) int {
	return len(strings.Fields(text)) + strings.Count(text+" ", ". ") + strings.Count(text, ",")
}

func TestMaxTokensExactlyTheText(t *testing.T) {
	full := generate(t, prompt, warm(4))
	o := warm(4)
	o.MaxTokens = full.Usage.CompletionTokens
	if got := generate(t, prompt, o); got != full {
		t.Errorf("%+v, want %+v", got, full)
	}
	o.MaxTokens--
	got := generate(t, prompt, o)
	if got.FinishReason != ngram.FinishLength || got.Text != strings.TrimSuffix(full.Text, ".") {
		t.Errorf("one token less: %+v", got)
	}
}

func TestGenerationEnds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	models := map[string]string{
		"one word":       "a",
		"circle":         "a b a b a b",
		"marks":          "...",
		"many sentences": strings.Repeat(".", 100), // for order 1, ends are as frequent as marks
	}
	for name, text := range models {
		for order := 1; order <= ngram.MaxOrder; order++ {
			m, err := ngram.Train(text, ngram.Config{Order: order})
			if err != nil {
				t.Fatal(err)
			}
			for _, temperature := range []float64{0, 0.8, math.MaxFloat64} {
				o := ngram.Options{Temperature: temperature, MaxTokens: 100, MaxSentences: math.MaxInt}
				res, err := m.Generate(ctx, "a", o)
				if err != nil || res.Usage.CompletionTokens > 100 {
					t.Errorf("%s, order %d, temperature %v: %+v, %v", name, order, temperature, res, err)
				}
			}
		}
	}
	res, err := ngram.Default().Unigram().Generate(ctx, prompt, ngram.Options{MaxSentences: math.MaxInt})
	if err != nil || res.Usage.CompletionTokens > ngram.DefaultMaxTokens {
		t.Errorf("greedy unigram model: %+v, %v", res, err)
	}
}

func TestOptionErrors(t *testing.T) {
	tests := []struct {
		name string
		o    ngram.Options
	}{
		{"negative temperature", ngram.Options{Temperature: -0.1}},
		{"temperature not a number", ngram.Options{Temperature: math.NaN()}},
		{"infinite temperature", ngram.Options{Temperature: math.Inf(1)}},
		{"negative max tokens", ngram.Options{MaxTokens: -1}},
		{"negative max sentences", ngram.Options{MaxSentences: -1}},
		{"empty stop sequence", ngram.Options{Stop: []string{"a", ""}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res, err := ngram.Default().Generate(t.Context(), prompt, tt.o)
			if !errors.Is(err, ngram.ErrInvalidOptions) || res != (ngram.Result{}) {
				t.Errorf("Generate = %+v, %v; want ErrInvalidOptions", res, err)
			}
			n := 0
			for chunk, err := range ngram.Default().Stream(t.Context(), prompt, tt.o) {
				n++
				if !errors.Is(err, ngram.ErrInvalidOptions) || chunk != (ngram.Chunk{}) {
					t.Errorf("Stream yields %+v, %v; want ErrInvalidOptions", chunk, err)
				}
			}
			if n != 1 {
				t.Errorf("Stream yields %d times, want once", n)
			}
		})
	}
}

func TestCancellation(t *testing.T) {
	t.Run("before the first word", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		res, err := ngram.Default().Generate(ctx, prompt, warm(1))
		if !errors.Is(err, context.Canceled) || res != (ngram.Result{}) {
			t.Errorf("Generate = %+v, %v; want context.Canceled", res, err)
		}
		for chunk, err := range ngram.Default().Stream(ctx, prompt, warm(1)) {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("Stream yields %+v, %v; want context.Canceled alone", chunk, err)
			}
		}
	})
	t.Run("between words", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		chunks, errs := 0, 0
		for _, err := range ngram.Default().Stream(ctx, prompt, warm(1)) {
			if err != nil {
				errs++
				if !errors.Is(err, context.Canceled) {
					t.Errorf("error %v, want context.Canceled", err)
				}
				continue
			}
			if chunks++; chunks == 3 {
				cancel()
			}
		}
		if chunks != 3 || errs != 1 {
			t.Errorf("%d chunks and %d errors, want 3 and 1", chunks, errs)
		}
	})
	t.Run("deadline", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 0)
		defer cancel()
		if _, err := ngram.Default().Generate(ctx, prompt, warm(1)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want context.DeadlineExceeded", err)
		}
	})
}

// A context that is over stops the work before the prompt is read, however long that is.
func TestCancellationBeforeThePrompt(t *testing.T) { //nolint:paralleltest // it measures
	long := strings.Repeat("tide harbour pilot ", 50_000)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	m := ngram.Default()
	for _, tc := range []struct {
		name string
		call func() error
	}{
		{"Generate", func() error {
			_, err := m.Generate(over, long, warm(1))
			return err
		}},
		{"Stream", func() (err error) {
			for _, e := range m.Stream(over, long, warm(1)) {
				err = e
			}
			return err
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if n := testing.AllocsPerRun(1, func() {
				if err := tc.call(); !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
			}); n > 50 {
				t.Errorf("%v allocations: the prompt was read", n)
			}
		})
	}
}

func TestConcurrentUse(t *testing.T) {
	const n = 16
	want := make([]ngram.Result, n)
	for i := range want {
		want[i] = generate(t, prompt, warm(uint64(i)))
	}
	m, err := ngram.Train(corpus, ngram.Config{})
	if err != nil {
		t.Fatal(err)
	}
	shared, perplexity := ngram.Default(), m.Perplexity(heldOut)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			for range 5 {
				got, err := m.Generate(t.Context(), prompt, warm(uint64(i)))
				if err != nil || got != want[i] {
					t.Errorf("seed %d: %+v, %v; want %+v", i, got, err, want[i])
				}
			}
			if got := m.Perplexity(heldOut); got != perplexity {
				t.Errorf("perplexity %v, want %v", got, perplexity)
			}
			if ngram.Default() != shared {
				t.Error("Default returns different models")
			}
		})
	}
	wg.Wait()
}

func FuzzGenerate(f *testing.F) {
	f.Add(prompt, "tide", 0.8, uint64(1), 20)
	f.Add("", "e", 0.0, uint64(0), 0)
	f.Add("\xff@ it's", " ", 1e300, uint64(7), 1)
	f.Add("Tide's 's '", "@harbour.", 5e-324, uint64(9), 300)
	f.Fuzz(func(t *testing.T, prompt, stop string, temperature float64, seed uint64, maxTokens int) {
		o := ngram.Options{Temperature: temperature, Seed: seed, MaxTokens: maxTokens}
		if maxTokens > 500 {
			o.MaxTokens = 500
		}
		full, err := ngram.Default().Generate(t.Context(), prompt, o)
		if err != nil {
			if !errors.Is(err, ngram.ErrInvalidOptions) {
				t.Fatalf("error %v", err)
			}
			return
		}
		if stop == "" {
			return
		}
		o.Stop = []string{stop}
		text, last := drain(t, prompt, o)
		if want, _ := cutAt(full.Text, o.Stop); text != want {
			t.Errorf("stop %q: text %q, want %q", stop, text, want)
		}
		if last.Usage.CompletionTokens > full.Usage.CompletionTokens {
			t.Errorf("stop %q: %d tokens, %d without", stop, last.Usage.CompletionTokens, full.Usage.CompletionTokens)
		}
	})
}
