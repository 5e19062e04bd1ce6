package ngram

import (
	"strings"
	"testing"
)

func TestStopBuffer(t *testing.T) {
	tests := []struct {
		name    string
		stops   []string
		pieces  []string
		want    string // what is passed on, "|" after each push
		stopped bool
	}{
		{"no stops", nil, []string{"a", "b"}, "a|b|", false},
		{"inside one piece", []string{"b"}, []string{"abc"}, "a|", true},
		{"across pieces", []string{"bcd"}, []string{"ab", "c", "de"}, "a|||", true},
		{"false beginning is passed on later", []string{"bcd"}, []string{"ab", "x"}, "a|bx|", false},
		{"beginning inside a beginning", []string{"aab"}, []string{"a", "a", "a", "b"}, "||a||", true},
		{"complete first wins", []string{"abcd", "bc"}, []string{"xab", "cd"}, "x|a|", true},
		{"complete first wins in one piece", []string{"abcd", "bc"}, []string{"xabcd"}, "xa|", true},
		{"longest wins at the same end", []string{"c", "bc"}, []string{"abc"}, "a|", true},
		{"held back at the end", []string{"bc"}, []string{"ab"}, "a|", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := stopBuffer{stops: tt.stops}
			var got strings.Builder
			stopped := false
			for _, piece := range tt.pieces {
				var text string
				text, stopped = b.push(piece)
				got.WriteString(text + "|")
				if stopped {
					break
				}
			}
			if got.String() != tt.want || stopped != tt.stopped {
				t.Errorf("got %q, stopped %v; want %q, %v", got.String(), stopped, tt.want, tt.stopped)
			}
			if !stopped {
				if all := strings.ReplaceAll(got.String(), "|", "") + b.flush(); all != strings.Join(tt.pieces, "") {
					t.Errorf("with flush %q, want all of the text", all)
				}
			}
		})
	}
}
