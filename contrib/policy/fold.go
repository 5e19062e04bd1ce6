package policy

import (
	"sort"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// text is a text as it is compared: in the form NFKC, with case folded, each run of white space as one space, and without
// characters that nobody sees.
type text struct {
	src    string
	folded []byte
	marks  []mark // where the two stop being the same distance apart, in order
}

type mark struct{ folded, src int }

// fold brings a text into the form in which texts are compared. ASCII takes a short path.
func fold(src string) text {
	t := text{src: src, folded: make([]byte, 0, len(src))}
	space, folder := false, cases.Fold()
	t.at(0)
	for i := 0; i < len(src); {
		c := src[i]
		if c < utf8.RuneSelf && (i+1 == len(src) || src[i+1] < utf8.RuneSelf) {
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
		// A character that may combine with what follows.
		n := norm.NFKC.NextBoundaryInString(src[i:], true)
		if n <= 0 {
			n = len(src) - i
		}
		t.at(i)
		for _, r := range string(folder.Bytes(norm.NFKC.Bytes([]byte(src[i : i+n])))) {
			switch {
			case unicode.IsSpace(r):
				if !space {
					t.folded = append(t.folded, ' ')
				}
				space = true
			case invisible(r):
			default:
				space = false
				t.folded = utf8.AppendRune(t.folded, r)
			}
		}
		i += n
		t.at(i)
	}
	return t
}

// at notes that what comes next in the folded text stands at i in the source.
func (t *text) at(i int) {
	if n := len(t.marks); n > 0 && t.marks[n-1].folded == len(t.folded) {
		t.marks[n-1].src = i
		return
	}
	t.marks = append(t.marks, mark{len(t.folded), i})
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

// invisible characters have no width and no meaning of their own: they are put into words to hide them.
func invisible(r rune) bool {
	return unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Variation_Selector, r) || r == '\u034f' || r == '\u115f' || r == '\u1160' || r == '\u3164'
}

// inWord says whether a rune belongs to a word, so that a term that begins or ends beside it is only a part of one. Scripts
// without spaces between words have no such borders.
func inWord(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' || r >= 'A' && r <= 'Z'
	}
	if unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar, unicode.Tibetan) {
		return false
	}
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r)
}

// bordered says whether the part of a folded text from i to j is no part of a longer word on either side.
func bordered(b []byte, i, j int) bool {
	first, _ := utf8.DecodeRune(b[i:])
	last, _ := utf8.DecodeLastRune(b[:j])
	before, _ := utf8.DecodeLastRune(b[:i])
	after, _ := utf8.DecodeRune(b[j:])
	return (i == 0 || !inWord(before) || !inWord(first)) && (j == len(b) || !inWord(after) || !inWord(last))
}
