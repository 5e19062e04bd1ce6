package ngram

import "slices"

// wordID names a word of the vocabulary. The first ids are reserved.
type wordID int32

const (
	noWord      wordID = iota // pads a short history
	textStart                 // history before the first sentence of a text
	nextStart                 // history before each later sentence
	unknown                   // any word that training never saw
	sentenceEnd               // closes a sentence
	textEnd                   // closes a text; predicted after nextStart
	firstWord                 // id of the first ordinary word
)

// vocabulary maps tokens to ids. It is complete once newVocabulary returns.
type vocabulary struct {
	words  []string // by id; empty for the reserved ones
	ids    map[string]wordID
	proper map[string]bool // words that keep their capital at a sentence start
}

// newVocabulary collects the words of texts. A capital at a sentence start
// says nothing about the word, so it is dropped unless the word is seen with
// its capital elsewhere as well.
func newVocabulary(texts [][][]string) *vocabulary {
	v := &vocabulary{
		words:  make([]string, firstWord),
		ids:    make(map[string]wordID),
		proper: make(map[string]bool),
	}
	for _, sentences := range texts {
		for _, sentence := range sentences {
			for _, token := range sentence[1:] {
				if lowerFirst(token) != token {
					v.proper[token] = true
				}
			}
		}
	}
	for _, sentences := range texts {
		for _, sentence := range sentences {
			for i, token := range sentence {
				token = v.normalize(token, i == 0)
				if _, ok := v.ids[token]; !ok {
					v.ids[token] = wordID(len(v.words))
					v.words = append(v.words, token)
				}
			}
		}
	}
	return v
}

// normalize drops the capital of a sentence's first word, unless it belongs to
// the word.
func (v *vocabulary) normalize(token string, first bool) string {
	if first && !v.proper[token] {
		return lowerFirst(token)
	}
	return token
}

// encode turns a sentence into ids; words unknown to v become unknown.
func (v *vocabulary) encode(sentence []string) []wordID {
	ids := make([]wordID, len(sentence))
	for i, token := range sentence {
		id, ok := v.ids[v.normalize(token, i == 0)]
		if !ok {
			id = unknown
		}
		ids[i] = id
	}
	return ids
}

// predictable returns the number of things that can follow a history: the
// ordinary words, the unknown word and the two ends.
func (v *vocabulary) predictable() int { return len(v.words) - int(unknown) }

// endsSentence reports whether w closes a sentence, as a mark or as its end.
func (v *vocabulary) endsSentence(w wordID) bool {
	return w == sentenceEnd || endsSentence(v.words[w])
}

// lookup finds a word of a prompt whatever its case, and without a possessive
// ending if it is unknown with it.
func (v *vocabulary) lookup(token string) []wordID {
	forms := []string{token, lowerFirst(token), upperFirst(token)}
	if n := len(token) - len("'s"); n > 0 && token[n:] == "'s" {
		forms = append(forms, token[:n], lowerFirst(token[:n]))
	}
	var found []wordID
	for _, form := range forms {
		if id, ok := v.ids[form]; ok && !slices.Contains(found, id) {
			found = append(found, id)
		}
	}
	return found
}
