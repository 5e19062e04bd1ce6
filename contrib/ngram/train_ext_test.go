package ngram_test

import (
	_ "embed"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/contrib/ngram"
)

//go:embed testdata/heldout.txt
var heldOut string

//go:embed corpus.txt
var corpus string

func TestTrainErrors(t *testing.T) {
	tests := []struct {
		name string
		text string
		cfg  ngram.Config
		want error
	}{
		{"empty text", "", ngram.Config{}, ngram.ErrNoText},
		{"white space", " \n\n\t\r\n", ngram.Config{}, ngram.ErrNoText},
		{"negative order", "a b", ngram.Config{Order: -1}, ngram.ErrInvalidConfig},
		{"order above the limit", "a b", ngram.Config{Order: ngram.MaxOrder + 1}, ngram.ErrInvalidConfig},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := ngram.Train(tt.text, tt.cfg)
			if !errors.Is(err, tt.want) || m != nil {
				t.Errorf("Train = %v, %v; want nil, %v", m, err, tt.want)
			}
		})
	}
}

func TestTrainOrder(t *testing.T) {
	for order, want := range map[int]int{0: ngram.DefaultOrder, 1: 1, ngram.MaxOrder: ngram.MaxOrder} {
		m, err := ngram.Train("a b", ngram.Config{Order: order})
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Order(); got != want {
			t.Errorf("Config.Order %d: Order() = %d, want %d", order, got, want)
		}
	}
}

func TestPerplexity(t *testing.T) {
	m := ngram.Default()
	u := m.Unigram()
	if u.Order() != 1 || m.Order() != ngram.DefaultOrder {
		t.Fatalf("orders %d and %d, want 1 and %d", u.Order(), m.Order(), ngram.DefaultOrder)
	}
	known, heldout, baseline := m.Perplexity(corpus), m.Perplexity(heldOut), u.Perplexity(heldOut)
	t.Logf("training text %.1f, held-out text %.1f, held-out text by the unigram model %.1f", known, heldout, baseline)
	if !(known < heldout) {
		t.Errorf("training text %.1f is not below held-out text %.1f", known, heldout)
	}
	if !(heldout < baseline/5) {
		t.Errorf("held-out text %.1f is not far below the unigram model's %.1f", heldout, baseline)
	}
}

func TestHeldOutTextIsHeldOut(t *testing.T) {
	for entry := range strings.SplitSeq(strings.TrimSpace(heldOut), "\n\n") {
		if strings.Contains(corpus, entry) {
			t.Errorf("the corpus holds %q", entry)
		}
	}
}

func TestPerplexityOfOddText(t *testing.T) {
	m := ngram.Default()
	tests := []struct {
		name string
		text string
		nan  bool
	}{
		{"empty", "", true},
		{"white space", " \n\n ", true},
		{"unknown words only", "zyx wvu tsr", false},
		{"invalid bytes", "\xff\xfe", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := m.Perplexity(tt.text)
			if math.IsNaN(p) != tt.nan || math.IsInf(p, 0) {
				t.Errorf("perplexity %v, want NaN: %v", p, tt.nan)
			}
			if !tt.nan && p < 1 {
				t.Errorf("perplexity %v is below 1", p)
			}
		})
	}
}
