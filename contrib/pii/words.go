package pii

import (
	"slices"
	"strings"
)

// Bits of a byte's class. A byte without any separates words.
const (
	lower uint8 = 1 << iota
	upper
	digit
	at
	colon
	dash
	other // other bytes that a match may have inside
)

var classes = func() (c [256]uint8) {
	for b := range 256 {
		switch {
		case b >= 'a' && b <= 'z':
			c[b] = lower
		case b >= 'A' && b <= 'Z':
			c[b] = upper
		case b >= '0' && b <= '9':
			c[b] = digit
		}
	}
	c['@'], c[':'], c['-'] = at, colon, dash
	for _, b := range "._+/=%~&'#$!?*" {
		c[b] = other
	}
	return c
}()

func isDigit(b byte) bool { return b >= '0' && b <= '9' }
func isAlnum(b byte) bool { return classes[b]&(lower|upper|digit) != 0 }

// isWord says that a match neither begins right behind b nor ends right before it. The asterisk is what masks leave.
func isWord(b byte) bool { return isAlnum(b) || b == '*' }

// left says that a match may begin at i, right that one may end there. Labels count as words. An underscore joins what is on both
// sides of it, as in a name; without a word on the other side it is Markdown.
func (c *scan) left(i int) bool {
	if i > 0 && c.text[i-1] == '_' {
		return i == 1 || !isWord(c.text[i-2]) && !c.labels.endsAt(c.text, i-1)
	}
	return i == 0 || !isWord(c.text[i-1]) && !c.labels.endsAt(c.text, i)
}

func (c *scan) right(i int) bool {
	if i < len(c.text) && c.text[i] == '_' {
		return i+1 == len(c.text) || !isWord(c.text[i+1]) && c.labels.at(c.text, i+1) == 0
	}
	return i == len(c.text) || !isWord(c.text[i]) && c.labels.at(c.text, i) == 0
}

// words goes through the words of the text and looks closer at those that have a byte of interest or are long.
func (c *scan) words() {
	text := c.text
	for i := 0; i < len(text); {
		all := classes[text[i]]
		start := i
		i++
		if all == 0 {
			continue
		}
		for i < len(text) {
			k := classes[text[i]]
			if k == 0 {
				break
			}
			all |= k
			i++
		}
		if all&(digit|at|colon|dash) != 0 || i-start >= minSecret {
			c.word(start, i, all)
		}
	}
}

func (c *scan) word(start, end int, all uint8) {
	c.logins = c.logins[:0]
	if all&(at|colon) == at|colon {
		c.credentials(start, end)
		c.bareLogins(start, end)
	}
	if all&colon != 0 {
		c.headers(start, end)
	}
	if all&at != 0 {
		c.emails(start, end)
	}
	if all&dash != 0 && end-start >= len(pemDashes) {
		c.privateKey(start, end)
	}
	if end-start >= 3 && (all&(colon|dash) != 0 || all&(digit|other) == digit|other) {
		c.addresses(start, end)
	}
	if all&digit != 0 {
		c.numbers(start, end)
	}
	if end-start >= minSecret && all&digit != 0 {
		c.secrets(start, end)
	}
}

// fillers may stand between a keyword and what it is about.
var fillers = []string{"is", "was", "number", "no", "nr", "me", "us", "on", "at", "the"}

// behind says that what begins at i stands behind one of the words, in lower case, with nothing but punctuation and fillers
// between. A part of a name behind _ or - counts: API_TOKEN=.
func (c *scan) behind(i int, words []string) bool {
	first := max(0, i-lookBehind)
	for range 3 {
		for i > first && strings.IndexByte(" \t\n:=\"'`>.(#", c.text[i-1]) >= 0 {
			i--
		}
		from := i
		for from > first && (isAlnum(c.text[from-1]) || c.text[from-1] == '_' || c.text[from-1] == '-') {
			from--
		}
		word := strings.ToLower(c.text[from:i])
		if slices.Contains(words, word) || slices.Contains(words, word[strings.LastIndexAny(word, "_-")+1:]) {
			return true
		}
		if !slices.Contains(fillers, word) {
			return false
		}
		i = from
	}
	return false
}
