package ngram

import (
	"math"
	"testing"
)

func historyOf(t *testing.T, m *Model, marker wordID, words ...string) history {
	t.Helper()
	h := startHistory(marker)
	for _, word := range words {
		id, ok := m.vocab.ids[word]
		if !ok {
			id = unknown
		}
		h = h.push(id)
	}
	return h
}

func TestProbabilitiesSumToOne(t *testing.T) {
	tests := []struct {
		name   string
		marker wordID
		words  []string
	}{
		{"start of a text", textStart, nil},
		{"start of a later sentence", nextStart, nil},
		{"frequent history", textStart, []string{"the", "harbour", "master"}},
		{"history seen once", textStart, []string{"tomas", "was", "very"}},
		{"seen words in an unseen order", textStart, []string{"tide", "the", "of"}},
		{"unknown last word", textStart, []string{"the", "zeppelin"}},
		{"unknown word further back", textStart, []string{"zeppelin", "at", "berth"}},
		{"history longer than the order", textStart, []string{"at", "berth", "4", "on", "the", "morning", "tide"}},
	}
	full := Default()
	for order := 1; order <= MaxOrder; order++ {
		m, err := Train(corpus, Config{Order: order})
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				l := m.levels(historyOf(t, full, tt.marker, tt.words...))
				sum := 0.0
				for w := unknown; int(w) < len(m.vocab.words); w++ {
					p := m.prob(l, w)
					if p <= 0 || p >= 1 {
						t.Errorf("order %d: p(%q) = %v", order, m.vocab.words[w], p)
					}
					sum += p
				}
				if math.Abs(sum-1) > 1e-9 {
					t.Errorf("order %d: sum = %.12f, want 1", order, sum)
				}
			})
		}
	}
}

// The counts are small enough to check Witten-Bell by hand: of "a b. a c." the
// predictable events are 4 words, both ends and the unknown word.
func TestWittenBellByHand(t *testing.T) {
	m, err := Train("a b. a c.", Config{Order: 2})
	if err != nil {
		t.Fatal(err)
	}
	const (
		uniform = 1.0 / 7
		types   = 6.0 // a b c . and both ends
		total   = 9.0
	)
	b1 := (1 + types*uniform) / (total + types)
	tests := []struct {
		name  string
		words []string
		word  string
		want  float64
	}{
		{"seen", []string{"a"}, "b", (1 + 2*b1) / (2 + 2)},
		{"unseen after a seen history", []string{"c"}, "b", (0 + 1*b1) / (1 + 1)},
		{"unseen history", []string{"zeppelin"}, "b", b1},
		{"unknown word", []string{"zeppelin"}, "zeppelin", types * uniform / (total + types)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id, ok := m.vocab.ids[tt.word]
			if !ok {
				id = unknown
			}
			got := m.prob(m.levels(historyOf(t, m, textStart, tt.words...)), id)
			if math.Abs(got-tt.want) > 1e-12 {
				t.Errorf("p = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestCapitalAtSentenceStart(t *testing.T) {
	m, err := Train("The boat met Ines. Ines met the boat.", Config{})
	if err != nil {
		t.Fatal(err)
	}
	for word, want := range map[string]bool{"the": true, "The": false, "Ines": true, "ines": false} {
		if _, got := m.vocab.ids[word]; got != want {
			t.Errorf("vocabulary holds %q: %v, want %v", word, got, want)
		}
	}
}

func TestTopicWords(t *testing.T) {
	tests := []struct {
		name   string
		prompt string
		want   bool // the cache holds something
	}{
		{"content word", "dynamite", true},
		{"capitalised", "Dynamite", true},
		{"possessive", "the crane's", true},
		{"unknown words", "zeppelin xyzzy", false},
		{"only common words", "the", false},
		{"empty", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			topic := Default().newTopic(tokenize(tt.prompt))
			if got := len(topic.contexts) > 0; got != tt.want {
				t.Errorf("cache has entries: %v, want %v", got, tt.want)
			}
		})
	}
}

func TestLengths(t *testing.T) {
	m, err := Train("Go on. Wait for the tide. Go now.", Config{})
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int]float64{1: 1e-3, 3: 2.0 / 3, 4: 2.0 / 3, 5: 1, 99: 1} {
		if got := m.lengths.atMost(n); math.Abs(got-want) > 1e-12 {
			t.Errorf("atMost(%d) = %v, want %v", n, got, want)
		}
	}
}
