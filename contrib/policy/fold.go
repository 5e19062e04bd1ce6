package policy

import (
	"bytes"
	"sort"
	"strings"
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// text is a text as it is compared: in the form NFKC, with case folded, each run of white space as one space, a hyphen or an
// underscore between two letters or digits as a space too, and without characters that nobody sees.
type text struct {
	src    string
	folded []byte
	marks  []mark // where the two stop being the same distance apart, in order
	hides  bool   // there are characters that nobody sees
}

type mark struct{ folded, src int }

// plain are the bytes that are characters of their own which somebody sees, or white space.
var plain = func() (out [256]bool) {
	for c := range utf8.RuneSelf {
		out[c] = !invisible(rune(c))
	}
	return out
}()

// fold brings a text into the form in which texts are compared. ASCII takes a short path.
func fold(src string) text { return foldWith(src, "") }

// foldWith is fold with something in the place of each run of invisible characters, nothing or a space.
func foldWith(src, gap string) text {
	t := text{src: src, folded: make([]byte, 0, len(src)+len(src)/8)}
	space := false
	t.at(0)
	for i := 0; i < len(src); {
		c := src[i]
		if plain[c] && (i+1 == len(src) || plain[src[i+1]]) {
			i++
			switch {
			case c == ' ' || c >= '\t' && c <= '\r':
				if !space {
					t.folded = append(t.folded, ' ')
				} else {
					t.at(i)
				}
				space = true
				continue
			case c >= 'A' && c <= 'Z':
				c += 'a' - 'A'
			}
			space = false
			t.folded = append(t.folded, c)
			continue
		}
		n, form, unseen := segment(src[i:])
		if unseen {
			t.hides, form = true, gap
		}
		t.at(i)
		for _, c := range []byte(form) {
			if c != ' ' || !space {
				t.folded = append(t.folded, c)
			}
			space = c == ' '
		}
		i += n
		t.at(i)
	}
	t.join('-')
	t.join('_')
	return t
}

// join puts a space in the place of each c, a hyphen or an underscore, between two letters or digits.
func (t *text) join(c byte) {
	for i := 1; i < len(t.folded); i++ {
		n := bytes.IndexByte(t.folded[i:], c)
		if n < 0 {
			return
		}
		i += n
		before, _ := utf8.DecodeLastRune(t.folded[:i])
		after, _ := utf8.DecodeRune(t.folded[i+1:])
		if joinable(before) && joinable(after) {
			t.folded[i] = ' '
		}
	}
}

// underscore says whether the space at i in the folded text is an underscore.
func (t *text) underscore(i int) bool {
	if t.folded[i] != ' ' {
		return false
	}
	r, _ := utf8.DecodeRuneInString(t.src[t.source(i):])
	return formOf(r).text == "_"
}

// segment is the length of the character at the beginning of a text with all that combines with it, behind what is invisible,
// too; and the form in which it is compared, or that it is a run of what is invisible.
func segment(s string) (n int, form string, hidden bool) {
	r, n := utf8.DecodeRuneInString(s)
	first := formOf(r)
	if first.unseen {
		return unseen(s), "", true
	}
	if next, _ := utf8.DecodeRuneInString(s[n:]); n == len(s) || formOf(next).alone {
		return n, first.text, false
	}
	n = boundary(s)
	for n < len(s) && !plain[s[n]] {
		next := n + unseen(s[n:])
		if next == n || next == len(s) || norm.NFKC.PropertiesString(s[next:]).BoundaryBefore() {
			break
		}
		n = next + boundary(s[next:])
	}
	return n, foldSegment(s[:n]), false
}

// seen is a text without the invisible characters at its end.
func seen(s string) string { return strings.TrimRightFunc(s, invisible) }

// unseen is how many bytes at the beginning of a text are invisible characters.
func unseen(s string) int {
	if n := strings.IndexFunc(s, func(r rune) bool { return !invisible(r) }); n >= 0 {
		return n
	}
	return len(s)
}

func boundary(s string) int {
	if n := norm.NFKC.NextBoundaryInString(s, true); n > 0 {
		return n
	}
	return len(s)
}

// form is what a single character becomes.
type form struct {
	text   string
	unseen bool // see invisible
	alone  bool // it is neither that, nor combines with what is before it
}

// forms remembers them: most texts have few different characters.
var forms [1 << 16]atomic.Pointer[form]

func formOf(r rune) *form {
	if int(r) < len(forms) {
		if known := forms[r].Load(); known != nil {
			return known
		}
	}
	s := string(r)
	hidden := invisible(r)
	out := &form{foldSegment(s), hidden, !hidden && norm.NFKC.PropertiesString(s).BoundaryBefore()}
	if int(r) < len(forms) {
		forms[r].Store(out)
	}
	return out
}

// foldSegment is a segment in the form NFKC, without invisible characters, with case folded and any white space as a space.
func foldSegment(s string) string {
	visible := func(r rune) rune {
		switch {
		case invisible(r):
			return -1
		case isSpace(r):
			return ' '
		case r >= '\u2010' && r <= '\u2013': // hyphens and dashes
			return '-'
		}
		return r
	}
	// Twice, because a form may bring up what is invisible. A byte that is no text becomes U+FFFD.
	return strings.Map(visible, cases.Fold().String(norm.NFKC.String(strings.Map(visible, s))))
}

// at notes that what comes next in the folded text stands at i in the source.
func (t *text) at(i int) {
	n := len(t.marks)
	switch {
	case n > 0 && t.marks[n-1].folded == len(t.folded):
		t.marks[n-1].src = i
	case n == 0 || len(t.folded)-t.marks[n-1].folded != i-t.marks[n-1].src: // else it stands there already
		t.marks = append(t.marks, mark{len(t.folded), i})
	}
}

// source is where in the source a place of the folded text lies, roughly where several characters became one.
func (t *text) source(i int) int {
	k := sort.Search(len(t.marks), func(k int) bool { return t.marks[k].folded > i }) - 1
	if k < 0 {
		return 0
	}
	return min(t.marks[k].src+i-t.marks[k].folded, len(t.src))
}

// foldedTerm is a term as it is compared.
func foldedTerm(term string) string { return string(fold(term).folded) }

// spelled is how many runes a text has at most that compares as the term does, without white space in runs and what is invisible.
func spelled(term string) int { return utf8.RuneCountInString(norm.NFKD.String(foldedTerm(term))) }

// invisible characters have no width and no meaning of their own: they are put into words to hide them.
func invisible(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point) || unicode.IsControl(r) && !isSpace(r)
}

// isSpace says what is white space: the empty Braille cell is, too.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r == '\u2800' }

// joinable says whether a hyphen or an underscore beside a rune may join it to another word.
func joinable(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) }

// inWord says whether a rune belongs to a word, so that a term that begins or ends beside it is only a part of one. Scripts
// without spaces between words have no such borders, nor has Korean, which writes particles to the word before.
func inWord(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z'
	}
	if unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar, unicode.Tibetan) {
		return false
	}
	return joinable(r)
}

// bordered says whether the part of a folded text from i to j is no part of a longer word on either side.
func bordered(b []byte, i, j int) bool {
	first, _ := utf8.DecodeRune(b[i:])
	last, _ := utf8.DecodeLastRune(b[:j])
	before, _ := utf8.DecodeLastRune(b[:i])
	after, _ := utf8.DecodeRune(b[j:])
	return (i == 0 || !inWord(before) || !inWord(first)) && (j == len(b) || !inWord(after) || !inWord(last))
}

// joined says whether an underscore makes the part of a folded text from i to j a part of a longer name.
func (t *text) joined(i, j int) bool {
	first, _ := utf8.DecodeRune(t.folded[i:])
	last, _ := utf8.DecodeLastRune(t.folded[:j])
	return i > 0 && inWord(first) && t.underscore(i-1) || j < len(t.folded) && inWord(last) && t.underscore(j)
}
