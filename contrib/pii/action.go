package pii

import (
	"crypto/hmac"
	"crypto/sha256"
	"strings"
	"unicode"
	"unicode/utf8"
)

// replace gives the text with something else in the place of each match.
func (s *Scanner) replace(text string, matches []found, v *Vault) string {
	if len(matches) == 0 {
		return text
	}
	var b strings.Builder
	b.Grow(len(text))
	at := 0
	for _, m := range matches {
		b.WriteString(text[at:m.start])
		s.instead(&b, text[m.start:m.end], m, v)
		at = m.end
	}
	b.WriteString(text[at:])
	return b.String()
}

// instead writes what stands in the place of a match.
func (s *Scanner) instead(b *strings.Builder, text string, m found, v *Vault) {
	k := s.kinds[m.kind]
	switch k.action {
	case Mask:
		mask(b, text, m)
		return
	case Hash:
		b.WriteString("[" + k.label + "#" + s.hash(k, text) + "]")
		return
	case Token:
		if t, ok := v.token(k.label, text); ok {
			b.WriteString(t)
			return
		}
	}
	if !m.more {
		b.WriteString("[" + k.label + "]")
	}
}

// hash is the same for the same value however it is written: without separators, in lower case.
func (s *Scanner) hash(k kind, text string) string {
	h := hmac.New(sha256.New, s.key)
	h.Write([]byte(k.name + "\x00"))
	if k.name != Secret && k.name != Credentials {
		text = strings.ToLower(text)
	}
	switch k.name {
	case Email:
		text = visible(text)
	case Card, IBAN, ID, Phone:
		text = strings.Map(func(r rune) rune {
			if strings.ContainsRune(" -./()\u00a0\u202f\u2011", r) {
				return -1
			}
			return r
		}, text)
	}
	h.Write([]byte(text))
	return idOf(h.Sum(nil))
}

// shown is how many of the last digits a mask leaves.
const shown = 4

// mask writes an asterisk for each letter and digit. Of numbers the last four stay; there the separators go, so that what
// stays is not taken for a number of its own.
func mask(b *strings.Builder, text string, m found) {
	switch m.kind {
	case kindCard, kindIBAN, kindPhone:
		n := 0
		for i := range len(text) {
			if isAlnum(text[i]) {
				n++
			}
		}
		if n < 2*shown {
			break
		}
		for i := range len(text) {
			if !isAlnum(text[i]) {
				continue
			}
			if n--; n < shown {
				b.WriteByte(text[i])
			} else {
				b.WriteByte('*')
			}
		}
		return
	}
	for _, r := range text {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			r = '*'
		}
		b.WriteRune(r)
	}
}

// cover writes as many asterisks as there are characters: what stands at the end of a stream for as long as it may be a part of
// something else.
func cover(text string, matches []found) string {
	var b strings.Builder
	at := 0
	for _, m := range matches {
		b.WriteString(text[at:m.start])
		b.WriteString(strings.Repeat("*", utf8.RuneCountInString(text[m.start:m.end])))
		at = m.end
	}
	b.WriteString(text[at:])
	return b.String()
}
