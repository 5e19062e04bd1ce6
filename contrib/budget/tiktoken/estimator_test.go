package tiktoken

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/maillon-go/maillon/contrib/budget"
	"github.com/maillon-go/maillon/stages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTokens(t *testing.T) {
	for _, tc := range []struct {
		model, text string
		want        int
	}{
		{"gpt-4o", "", 0},
		{"gpt-4o", "hello world", 2},
		{"gpt-4", "hello world", 2},
		{"gpt-4o", "Das ist eine Höchstgeschwindigkeitsbegrenzung.", 12},
		{"gpt-4", "Das ist eine Höchstgeschwindigkeitsbegrenzung.", 15},
		{"gpt-4-0613", "Das ist eine Höchstgeschwindigkeitsbegrenzung.", 15},
		{"ft:gpt-4:harbour", "Das ist eine Höchstgeschwindigkeitsbegrenzung.", 15},
		{"openai/gpt-3.5-turbo", "Das ist eine Höchstgeschwindigkeitsbegrenzung.", 15},
		{"gpt-4.1", "Das ist eine Höchstgeschwindigkeitsbegrenzung.", 12},
		{"some-other-model", "Das ist eine Höchstgeschwindigkeitsbegrenzung.", 12},
	} {
		if got := (Estimator{}).Tokens(tc.model, tc.text); got != tc.want {
			t.Errorf("%s, %q: %d tokens, want %d", tc.model, tc.text, got, tc.want)
		}
	}
}

// TestPieces: a long text has, cut into pieces, as many tokens as whole, or one more for each cut.
func TestPieces(t *testing.T) {
	c, err := o200k()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"English": strings.Repeat("The harbour master reads the tide tables every morning. ", 500),
		"lines":   strings.Repeat("a short line\n\n\tand another\n", 1000),
		"Chinese": strings.Repeat("潮汐是由月球和太阳的引力引起的", 500),
		"emoji":   strings.Repeat("🎉🚀", 3000),
		"a word":  strings.Repeat("tide", 5000),
		"invalid": strings.Repeat("\xff\x80", 3000),
	} {
		whole, err := c.Count(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := (Estimator{}).Tokens("", text); got < whole || got > whole+len(text)/(piece/2)+1 {
			t.Errorf("%s: %d tokens in pieces, %d whole", name, got, whole)
		}
	}
}

// TestTime: no text takes time that grows with its square, which would be ten seconds for one of these.
func TestTime(t *testing.T) {
	for _, unit := range []string{"a", " ", "\n", "_", "\xff", " \n", "中", "aB"} {
		begun := time.Now()
		(Estimator{}).Tokens("", strings.Repeat(unit, 64<<10/len(unit)))
		if took := time.Since(begun); took > 2*time.Second { // it is some 50 ms
			t.Errorf("64 KiB of %q took %v", unit, took)
		}
	}
}

// TestHeuristic prints how far budget.Heuristic is off, and sets bounds to it.
func TestHeuristic(t *testing.T) {
	read := func(path string) string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, tc := range []struct {
		name, text string
		low, high  float64
	}{
		{"English", read("../../../LICENSE"), 1, 1.3},
		{"Markdown", read("../../../docs/concepts.md"), 1, 1.3},
		{"Go", read("../plugin.go"), 1, 1.4},
		{"JSON", read("../../config/schema.json"), 1, 1.5},
		{"YAML", read("../../../.golangci.yml"), 1, 1.3},
		{"German", "Die Gezeiten werden durch die Anziehungskraft des Mondes und der Sonne verursacht. Höchstgeschwindigkeitsbegrenzungen gelten überall in der Hafeneinfahrt, außer für Rettungsfahrzeuge.", 0.9, 1.3},
		{"French", "Les marées sont causées par l'attraction gravitationnelle de la lune et du soleil, et changent d'un endroit à l'autre.", 0.9, 1.3},
		{"Russian", "Приливы и отливы вызываются гравитационным притяжением Луны и Солнца и меняются от места к месту.", 1, 1.5},
		{"Chinese", "潮汐是由月球和太阳的引力引起的，各地的潮汐情况各不相同。今天的高潮时间是下午三点。", 1, 1.5},
		{"Japanese", "潮の満ち引きは月と太陽の引力によって引き起こされ、場所によって異なります。", 1, 1.5},
		{"Korean", "조석은 달과 태양의 인력에 의해 발생하며 장소에 따라 다릅니다.", 1, 1.5},
		{"Arabic", "المد والجزر ناتجان عن جاذبية القمر والشمس ويختلفان من مكان إلى آخر.", 1, 1.5},
		{"Hindi", "ज्वार-भाटा चंद्रमा और सूर्य के गुरुत्वाकर्षण के कारण होता है।", 1, 2.5},
		{"emoji", "🎉🚀🔥😀👩‍👩‍👧‍👦🏳️‍🌈", 1, 1.5},
		{"numbers", "3.14159, 2026-11-26T00:30:33Z, +49 30 1234567, 0.0001, 99.95 EUR", 0.8, 1.3},
		{"keys", "sk-9fJ2kQmX7bTzWc4LrVn8 Zm9vYmFyYmF6cXV4Y29ycmdlZ3JhdWx0Z2FycGx5", 0.6, 1.3},
	} {
		exact, guess := (Estimator{}).Tokens("gpt-4o", tc.text), budget.Heuristic{}.Tokens("gpt-4o", tc.text)
		ratio := float64(guess) / float64(exact)
		t.Logf("%-9s %5d tokens, heuristic %5d: %.2f", tc.name, exact, guess, ratio)
		if ratio < tc.low || ratio > tc.high {
			t.Errorf("%s: %.2f of the tokens, want %.2f to %.2f", tc.name, ratio, tc.low, tc.high)
		}
	}
}

func TestConcurrent(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			if n := (Estimator{}).Tokens([]string{"gpt-4", "gpt-4o"}[i%2], "hello world"); n != 2 {
				t.Errorf("%d tokens", n)
			}
		})
	}
	wg.Wait()
}

func BenchmarkContrib(b *testing.B) {
	b.Run("tiktoken", benchmarkTokens)
}

// benchmarkTokens counts the tokens of 8.8 KB of English.
func benchmarkTokens(b *testing.B) {
	text := strings.Repeat("The harbour master reads the tide tables every morning, before the first ship comes in. ", 100)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		Estimator{}.Tokens("gpt-4o", text)
	}
}

func ExampleEstimator() {
	b, err := budget.New(budget.Settings{
		Limits:    []budget.Limit{{Name: "all", Tokens: 1000}},
		Estimator: Estimator{},
	})
	if err != nil {
		panic(err)
	}
	_, err = b.OnGenerationPreCall(context.Background(), stages.NewGeneration(stages.Meta{CorrelationID: "1"}, stages.GenerationFields{
		Messages: stages.ListOf(stages.Message{Role: stages.RoleUser, Text: "hello world"}), Backend: stages.Backend{Model: "gpt-4o"},
		ModelOptions: stages.ModelOptions{MaxTokens: stages.Some(100)},
	}))
	if err != nil {
		panic(err)
	}
	u, err := b.Usage(context.Background(), budget.Key{Limit: "all"})
	fmt.Println(u, err)
	// Output:
	// all: 0 of 1000 tokens used, 109 reserved <nil>
}
