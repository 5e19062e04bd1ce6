// Package prefilter spares texts a regular expression that cannot match in them. Go's regular expressions look at each byte, unless they begin with a
// literal text; most of those that people write have one somewhere.
package prefilter

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode/utf8"
)

// Regexp is a regular expression with a text that is in whatever it matches.
type Regexp struct {
	re      *regexp.Regexp
	literal string // "" if there is none
}

// New takes what regexp.Compile has made.
func New(re *regexp.Regexp) Regexp {
	tree, err := syntax.Parse(re.String(), syntax.Perl)
	if err != nil { // it was made some other way
		return Regexp{re: re}
	}
	return Regexp{re, literal(tree.Simplify())}
}

// FindAllStringIndex is that of package regexp.
func (r Regexp) FindAllStringIndex(s string, n int) [][]int {
	if !strings.Contains(s, r.literal) {
		return nil
	}
	return r.re.FindAllStringIndex(s, n)
}

// literal is the longest text that is in all matches, of those that are easily seen.
func literal(re *syntax.Regexp) (best string) {
	switch re.Op {
	case syntax.OpLiteral:
		// U+FFFD matches bytes that are no text, too.
		if re.Flags&syntax.FoldCase != 0 || slices.Contains(re.Rune, utf8.RuneError) {
			return ""
		}
		return string(re.Rune)
	case syntax.OpCapture, syntax.OpPlus:
		return literal(re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			if l := literal(sub); len(l) > len(best) {
				best = l
			}
		}
	}
	return best
}
