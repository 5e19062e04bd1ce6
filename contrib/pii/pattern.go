package pii

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/maillon-go/maillon/contrib/internal/prefilter"
)

// compile checks a pattern.
func (p Pattern) compile() (*regexp.Regexp, error) {
	if p.Name == "" || len(p.Name) > maxName || strings.Trim(p.Name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
		return nil, fmt.Errorf("the name %q must be lower case letters, digits and _, at most %d of them", p.Name, maxName)
	}
	re, err := regexp.Compile(p.Regexp)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	}
	tree, err := syntax.Parse(p.Regexp, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	}
	switch n, err := longest(tree); {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	case n > maxMatch:
		return nil, fmt.Errorf("%s: it may match %d characters, at most %d can be held back in a stream", p.Name, n, maxMatch)
	case re.MatchString(""):
		return nil, fmt.Errorf("%s: it matches the empty text", p.Name)
	}
	return re, nil
}

var errUnbounded = errors.New("it may match a text of any length: write {1,20} in the place of + or *")

// longest is how many runes an expression matches at most.
func longest(re *syntax.Regexp) (int, error) {
	switch re.Op {
	case syntax.OpBeginText:
		return 0, errors.New("^ and \\A mean nothing here, where a text may come in pieces: use \\b or (?m)^")
	case syntax.OpStar, syntax.OpPlus:
		return 0, errUnbounded
	case syntax.OpRepeat:
		if re.Max < 0 {
			return 0, errUnbounded
		}
	case syntax.OpLiteral:
		return len(re.Rune), nil
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return 1, nil
	}
	sum, most := 0, 0
	for _, sub := range re.Sub {
		n, err := longest(sub)
		if err != nil {
			return 0, err
		}
		sum, most = sum+n, max(most, n)
	}
	switch re.Op {
	case syntax.OpAlternate:
		return most, nil
	case syntax.OpRepeat:
		return sum * re.Max, nil
	}
	return sum, nil
}

// pattern finds what one custom pattern matches. One rune of what precedes is enough for \b.
func (c *scan) pattern(kind int, re prefilter.Regexp) {
	at := runesBefore(c.text, c.from, 1)
	for _, m := range re.FindAllStringIndex(c.text[at:], -1) {
		start, end := at+m[0], at+m[1]
		if start == end || c.labels.overlap(c.text, start, end) {
			continue
		}
		c.add(kind, start, end)
	}
}
