package ngram

import (
	"slices"
	"strings"
	"testing"
)

func TestTokenize(t *testing.T) {
	tests := []struct {
		name string
		text string
		want []string
	}{
		{"empty", "", nil},
		{"only space", " \n\t", nil},
		{"words and marks", "Low water, soon.", []string{"Low", "water", ",", "soon", "."}},
		{"e-mail address before a full stop", "Ask ines@harbour.example.", []string{"Ask", "ines@harbour.example", "."}},
		{"dotted local part", "i.maro@harbour.example", []string{"i.maro@harbour.example"}},
		{"time", "at 06:40: go", []string{"at", "06:40", ":", "go"}},
		{"decimal and range", "3.5 2-4", []string{"3.5", "2-4"}},
		{"apostrophes", "tonight's crew’s", []string{"tonight's", "crew’s"}},
		{"brackets", "(no)", []string{"(", "no", ")"}},
		{"repeated marks", "wait...", []string{"wait", ".", ".", "."}},
		{"combining mark stays in the word", "me\u0301r", []string{"me\u0301r"}},
		{"invalid bytes are tokens of their own", "a\xffb", []string{"a", "\xff", "b"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tokenize(tt.text); !slices.Equal(got, tt.want) {
				t.Errorf("tokenize(%q) = %q, want %q", tt.text, got, tt.want)
			}
		})
	}
}

func TestSplitSentences(t *testing.T) {
	tests := []struct {
		name string
		text string
		want []int // tokens per sentence
	}{
		{"none", "", nil},
		{"all ended", "Go. Wait! Now?", []int{2, 2, 2}},
		{"last one open", "Go. Wait", []int{2, 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []int
			for _, s := range splitSentences(tokenize(tt.text)) {
				got = append(got, len(s))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("lengths %v, want %v", got, tt.want)
			}
		})
	}
}

func TestDetokenize(t *testing.T) {
	tests := []struct {
		name   string
		tokens []string
		want   string
	}{
		{"capital and full stop", []string{"low", "water", "."}, "Low water."},
		{"comma", []string{"dear", "Ines", ",", "wait"}, "Dear Ines, wait"},
		{"e-mail address stays as it is", []string{"ines@harbour.example", "knows"}, "ines@harbour.example knows"},
		{"brackets", []string{"go", "(", "now", ")", "!"}, "Go (now)!"},
		{"capital beyond ASCII", []string{"été"}, "Été"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var d detokenizer
			var text strings.Builder
			for i, token := range tt.tokens {
				text.WriteString(d.piece(token, i == 0))
			}
			if got := text.String(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// The corpus holds nothing that detokenizing would spell in another way, so
// generated text is spelled like the corpus.
func TestDetokenizeRestoresCorpus(t *testing.T) {
	v := Default().vocab
	for _, entry := range splitEntries(strings.TrimSpace(corpus)) {
		var d detokenizer
		var text strings.Builder
		for _, sentence := range splitSentences(tokenize(entry)) {
			for i, token := range sentence {
				text.WriteString(d.piece(v.normalize(token, i == 0), i == 0))
			}
		}
		if got := text.String(); got != entry {
			t.Errorf("got  %q\nwant %q", got, entry)
		}
	}
}
