package ngram

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// tokenize splits text into words and single punctuation marks. A word is a
// run of letters, digits and marks; one joiner between two of them stays
// inside, so that "tonight's", "06:40" and "ines@harbour.example" are single
// tokens. White space separates tokens and is dropped.
func tokenize(text string) []string {
	var tokens []string
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case unicode.IsSpace(r):
		case isWordRune(r):
			size = wordLen(text)
			tokens = append(tokens, text[:size])
		default:
			tokens = append(tokens, text[:size])
		}
		text = text[size:]
	}
	return tokens
}

// wordLen returns the length in bytes of the word that text starts with.
func wordLen(text string) int {
	end := 0
	for end < len(text) {
		r, size := utf8.DecodeRuneInString(text[end:])
		if !isWordRune(r) {
			next, _ := utf8.DecodeRuneInString(text[end+size:])
			if !isJoiner(r) || !isWordRune(next) {
				break
			}
		}
		end += size
	}
	return end
}

func isWordRune(r rune) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r))
}

func isJoiner(r rune) bool { return strings.ContainsRune("'’-.:@_+/", r) }

// endsSentence reports whether token closes a sentence.
func endsSentence(token string) bool { return token == "." || token == "!" || token == "?" }

// splitSentences cuts tokens after each sentence end. What follows the last
// one is a sentence as well.
func splitSentences(tokens []string) [][]string {
	var sentences [][]string
	start := 0
	for i, t := range tokens {
		if endsSentence(t) || i == len(tokens)-1 {
			sentences = append(sentences, tokens[start:i+1])
			start = i + 1
		}
	}
	return sentences
}

// splitEntries cuts text at blank lines.
func splitEntries(text string) []string {
	return strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n")
}

// detokenizer turns tokens back into running text, one piece per token. The
// zero value is ready for the first token of a text.
type detokenizer struct {
	started bool
	glue    bool // the last token was an opening bracket or quote
}

// piece returns token as it stands in the running text: with the space before
// it if it needs one, and capitalised if it is the first word of a sentence.
func (d *detokenizer) piece(token string, first bool) string {
	if first && !strings.Contains(token, "@") {
		token = upperFirst(token)
	}
	r, _ := utf8.DecodeRuneInString(token)
	space := d.started && !d.glue && !strings.ContainsRune(".,;:!?)]}”’", r)
	d.started = true
	d.glue = strings.ContainsRune("([{“‘", r)
	if space {
		return " " + token
	}
	return token
}

func upperFirst(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	if u := unicode.ToUpper(r); u != r {
		return string(u) + s[size:]
	}
	return s
}

func lowerFirst(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	if l := unicode.ToLower(r); l != r {
		return string(l) + s[size:]
	}
	return s
}
