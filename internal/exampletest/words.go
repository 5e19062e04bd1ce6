package exampletest

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// A phrase is unmistakable when it has so many words and, with more of them where they are short, so many letters.
// A text that is shorter counts as a whole.
const (
	phraseWords = 4
	phraseBytes = 16
	wholeBytes  = 12
)

// leaks are the phrases of texts and the secrets that the logs have.
func leaks(logs string, texts, secrets []string) (found []string) {
	said := words(logs)
	inLogs := map[string]bool{}
	for _, p := range phrases(said) {
		inLogs[p] = true
	}
	line := " " + strings.Join(said, " ") + " "
	whole := func(text string) bool { return strings.Contains(line, " "+strings.Join(words(text), " ")+" ") }
	for _, s := range secrets {
		if whole(s) {
			found = append(found, s)
		}
	}
	for _, t := range texts {
		w := words(t)
		all := phrases(w)
		if len(all) == 0 && len(strings.Join(w, "")) >= wholeBytes && whole(t) {
			found = append(found, t)
		}
		for _, p := range all {
			if inLogs[p] {
				found = append(found, p)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// phrases are those that begin with each of the words, as far as there are enough behind it.
func phrases(words []string) (all []string) {
	for i := range words {
		for n, size := i, 0; n < len(words); n++ {
			if size += len(words[n]); n-i+1 >= phraseWords && size >= phraseBytes {
				all = append(all, strings.Join(words[i:n+1], " "))
				break
			}
		}
	}
	return all
}

// escape is what JSON and %q make of a line feed, a quote and the like, once or several times.
var escape = regexp.MustCompile(`\\+(u[0-9a-fA-F]{4}|[abfnrtv"/])?`)

// words are the words of a text, in lower case.
func words(text string) []string {
	return strings.FieldsFunc(strings.ToLower(escape.ReplaceAllString(text, " ")), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
}
