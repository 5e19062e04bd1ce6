package pii

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/maillon-go/maillon/contrib/internal/prefilter"
)

// What a match is made of lies within a window, so that text can be scanned as it comes: it depends on no more than
// lookBehind bytes before it, and lookAhead behind it.
const (
	maxMatch   = 192
	lookBehind = maxLabel + 1 // with an underscore
	lookAhead  = 33
	window     = lookBehind + maxMatch + lookAhead
)

// Scanner finds personal data and secrets in text. Make one by NewScanner. Safe for concurrent use.
type Scanner struct {
	kinds    []kind
	on       uint // bits of builtin detectors
	patterns []prefilter.Regexp
	allow    map[string]bool // in lower case
	key      []byte
	labels   labels
}

// NewScanner makes a Scanner. The error names all that is wrong with the settings.
func NewScanner(s Settings) (*Scanner, error) {
	c, err := s.compile()
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Default is the Scanner of zero Settings.
func Default() *Scanner { return defaultScanner() }

var defaultScanner = sync.OnceValue(func() *Scanner {
	c, err := NewScanner(Settings{})
	if err != nil {
		panic(err) // the zero Settings are valid
	}
	return c
})

// Match is something that was found. What is longer than 192 bytes, a private key, say, is several matches in a row.
type Match struct {
	Detector   string // its name
	Start, End int    // bytes of the text
}

// Find gives what there is in text, in order and without overlaps. Labels that stand in the place of something, such as
// [EMAIL], are no matches.
func (s *Scanner) Find(text string) []Match {
	found := s.find(text, 0)
	if len(found) == 0 {
		return nil
	}
	out := make([]Match, len(found))
	for i, f := range found {
		out[i] = Match{s.kinds[f.kind].name, f.start, f.end}
	}
	return out
}

// Redact gives the text with something else in the place of all that was found, as the actions say. Without matches it is
// the same string. It cannot block, and has no Vault: in the place of Block and Token it does as the action Redact.
func (s *Scanner) Redact(text string) string {
	found := s.find(text, 0)
	return s.replace(text, found, nil)
}

// found is a match.
type found struct {
	kind, start, end int
	more             bool // it goes on a match that ends where it starts
}

// scan is one pass over a text.
type scan struct {
	*Scanner
	text string
	from int // what precedes is known already: matches must not start there
	out  []found

	logins []int // each @ in the word that is behind credentials
}

// find gives matches that start at from or later; what precedes is only looked at.
func (s *Scanner) find(text string, from int) []found {
	c := scan{Scanner: s, text: text, from: from}
	c.words()
	for i, re := range s.patterns {
		c.pattern(builtin+i, re)
	}
	return c.chosen()
}

// add notes a match.
func (c *scan) add(kind, start, end int) { c.addPiece(found{kind: kind, start: start, end: end}) }

func (c *scan) addPiece(f found) {
	if f.start < c.from || f.kind < builtin && c.on&(1<<f.kind) == 0 {
		return
	}
	if len(c.allow) > 0 && c.allow[strings.ToLower(c.text[f.start:f.end])] {
		return
	}
	c.out = append(c.out, f)
}

// addLong notes a match of any length as pieces.
func (c *scan) addLong(kind, start, end int) {
	for more := false; start < end; more = true {
		n := min(end-start, maxMatch)
		c.addPiece(found{kind, start, start + n, more})
		start += n
	}
}

// chosen are the matches without overlaps: the leftmost, of those the longest, then the preferred. What sticks out of it
// at the end remains a match.
func (c *scan) chosen() []found {
	if len(c.out) < 2 {
		return c.out
	}
	slices.SortStableFunc(c.out, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.end, a.end), cmp.Compare(a.kind, b.kind))
	})
	kept, end := c.out[:0], 0
	for _, f := range c.out {
		if f.end <= end {
			continue
		}
		if f.start < end {
			f.start, f.more = end, false
		}
		kept, end = append(kept, f), f.end
	}
	return kept
}

// runesBefore is where the n runes before i begin.
func runesBefore(text string, i, n int) int {
	for ; n > 0 && i > 0; n-- {
		_, size := utf8.DecodeLastRuneInString(text[:i])
		i -= size
	}
	return i
}
