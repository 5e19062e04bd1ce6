package config

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestGlobs(t *testing.T) {
	for _, tc := range []struct {
		pattern, text string
		want          bool
	}{
		{"gpt-*", "gpt-4", true},
		{"gpt-*", "gpt", false},
		{"*", "", false},
		{"**b*", "aabaa", true},
		{"?", "é", true},
		{"??", "é", false},
		{"?é?", "日é本", true},
		{"*本", "日本", true},
		{"*a?c", "abcaéc", true},
		{`\*`, "*", true},
		{`\*`, "a", false},
		{`a\?`, "a?", true},
		{`a\?`, "ab", false},
		{`\\`, `\`, true},
		{`\\*`, `\and more`, true},
		{`\é`, "é", true},
		{`*\*`, "many*", true},
		{`*\*`, "many", false},
		{`a\`, `a\`, true},
		{"\xff", "\xfe", false},
		{"\xff", "\xff", true},
	} {
		if got := match(tc.pattern, tc.text); got != tc.want {
			t.Errorf("%q, %q: %v", tc.pattern, tc.text, got)
		}
	}
}

// A glob is a regular expression of few words.
func FuzzGlob(f *testing.F) {
	f.Add("a*?b", "acéb")
	f.Add(`\**\?`, "*é?")
	f.Add(`*\`, `a\`)
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if !utf8.ValidString(pattern) || !utf8.ValidString(text) || len(pattern) > 100 || len(text) > 1000 {
			return
		}
		var b strings.Builder
		runes := []rune(pattern)
		for i := 0; i < len(runes); i++ {
			switch r := runes[i]; {
			case r == '*':
				b.WriteString(".*")
			case r == '?':
				b.WriteString(".")
			case r == '\\' && i+1 < len(runes):
				i++
				b.WriteString(regexp.QuoteMeta(string(runes[i])))
			default:
				b.WriteString(regexp.QuoteMeta(string(r)))
			}
		}
		want := text != "" && regexp.MustCompile(`(?s)\A`+b.String()+`\z`).MatchString(text)
		if got := match(pattern, text); got != want {
			t.Errorf("%q, %q: %v, want %v", pattern, text, got, want)
		}
	})
}
