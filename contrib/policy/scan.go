package policy

import (
	"bytes"
	"slices"
	"unicode"
	"unicode/utf8"
	"unsafe"

	ac "github.com/petar-dambovaliev/aho-corasick"

	"github.com/maillon-go/maillon/chain"
)

// finding is what a rule found.
type finding struct {
	code     string
	rule     string
	severity chain.Severity
	start    int // bytes of the text
	end      int
	open     int // runes behind it that must be known, for another text there could make it allowed
}

// meaning is what a pattern of the automaton stands for. One pattern may have several meanings.
type meaning struct {
	rule  *rule
	allow bool
	class class // of a word of an injection; 0 where it is none
}

// scanner finds terms of all rules and words of injections in one pass.
type scanner struct {
	rules    []*rule
	auto     *ac.AhoCorasick
	meanings [][]meaning // by pattern
	inject   bool
	longest  int // term at Output, in runes
	open     int // the largest of the rules at Output
	window   int // of patterns at Output, in runes
}

// dfaTerms is up to how many terms, with the words of injections, the automaton is a table: twice as fast to run and slow to build.
const dfaTerms = 6200

func newScanner(rules []*rule, inject bool) *scanner {
	s := &scanner{rules: rules, inject: inject}
	var patterns []string
	index := map[string]int{}
	add := func(term string, m meaning) {
		i, ok := index[term]
		if !ok {
			i = len(patterns)
			index[term] = i
			patterns = append(patterns, term)
			s.meanings = append(s.meanings, nil)
		}
		s.meanings[i] = append(s.meanings[i], m)
	}
	for _, r := range rules {
		for _, t := range r.Terms {
			add(foldedTerm(t), meaning{rule: r})
			if r.at[Output] {
				s.longest = max(s.longest, spelled(t))
			}
		}
		for _, t := range r.Allow {
			add(foldedTerm(t), meaning{rule: r, allow: true})
			r.open = max(r.open, spelled(t))
		}
		if r.at[Output] {
			s.open = max(s.open, r.open)
		}
		if len(r.patterns) > 0 && r.at[Output] {
			s.window = max(s.window, r.Window)
		}
	}
	if inject {
		for c, words := range classes {
			for _, w := range words {
				add(foldedTerm(w), meaning{class: class(c)})
			}
		}
	}
	if len(patterns) > 0 {
		b := ac.NewAhoCorasickBuilder(ac.Opts{MatchKind: ac.StandardMatch, DFA: len(patterns) <= dfaTerms})
		a := b.Build(patterns)
		s.auto = &a
	}
	return s
}

// holdBack is how many runes of a stream must be seen together: a term, what may make it allowed, and its border, an underscore with
// what follows it. Of a term that
// is stretched by white space or invisible characters a part may be released, but not its end.
func (s *scanner) holdBack() int {
	n := s.window
	if s.longest > 0 {
		n = max(n, s.longest+s.open+2)
	}
	return n
}

// maxBefore is how far before looks, in bytes.
const maxBefore = 16 << 10

// before is what of a text must be known to judge what follows it: as many runes as a term or what makes it allowed may have, not
// counting those that stretch it.
func (s *scanner) before(released string) string {
	i, space := len(released), false
	for n := s.longest + s.open + 1; n > 0 && i > 0 && len(released)-i < maxBefore; {
		r, size := utf8.DecodeLastRuneInString(released[:i])
		i -= size
		blank := isSpace(r)
		if stretches := blank && space || invisible(r) || unicode.Is(unicode.M, r); !stretches {
			n--
		}
		space = blank || space && invisible(r)
	}
	return released[i:]
}

// scan is the first finding, by place, of the rules that hold. The first skip bytes are what was judged before: terms end
// behind them, and matches of patterns begin there.
func (s *scanner) scan(src string, skip int, at Place, kind string) (finding, bool) {
	best, found := finding{}, false
	keep := func(f finding) {
		if !found || f.start < best.start {
			best, found = f, true
		}
	}
	_, size := utf8.DecodeLastRuneInString(src[:skip])
	from, terms := skip-size, false // a pattern sees one rune before its match
	for _, r := range s.rules {
		if !r.holds(at, kind) {
			continue
		}
		terms = terms || len(r.Terms) > 0
		for _, p := range r.patterns {
			for _, m := range p.FindAllStringIndex(src[from:], 2) { // the first may begin before
				if from+m[0] >= skip {
					keep(finding{or(r.Code, CodePattern), r.Name, r.Severity, from + m[0], from + m[1], 0})
				}
			}
		}
	}
	injects := s.inject && at != Output && at != ToolInput
	if !terms && !injects {
		return best, found
	}
	t := fold(src)
	s.look(t, skip, at, kind, injects, false, keep)
	if t.hides { // what nobody sees may stand between letters, or between words
		s.look(foldWith(src, " "), skip, at, kind, injects, true, keep)
	}
	return best, found
}

// look finds terms and injections in a folded text. Where gaps are spaces only terms of several words count, for what is invisible
// is no border of a word.
func (s *scanner) look(t text, skip int, at Place, kind string, injects, gaps bool, keep func(finding)) {
	var blocked, allowed []hit
	var words []word
	for it := s.auto.IterOverlapping(unsafe.String(unsafe.SliceData(t.folded), len(t.folded))); ; {
		m := it.Next()
		if m == nil {
			break
		}
		i, j := m.Start(), m.End()
		if !bordered(t.folded, i, j) {
			continue
		}
		for _, what := range s.meanings[m.Pattern()] {
			switch {
			case what.class != none:
				if injects {
					words = append(words, word{what.class, i, j})
				}
			case !what.rule.holds(at, kind) || t.joined(i, j):
			case what.allow:
				allowed = append(allowed, hit{what.rule, i, j})
			case !gaps || bytes.IndexByte(t.folded[i:j], ' ') >= 0:
				blocked = append(blocked, hit{what.rule, i, j})
			}
		}
	}
	for _, h := range blocked {
		if end := t.source(h.j); end > skip && !within(h, allowed) {
			keep(finding{or(h.rule.Code, CodeTerm), h.rule.Name, h.rule.Severity, t.source(h.i), end, h.rule.open + 1})
		}
	}
	if injects {
		if i, j, name, ok := injected(t.folded, words); ok {
			keep(finding{CodeInjection, name, chain.SeverityError, t.source(i), t.source(j), 0})
		}
	}
}

// hit is a term in a folded text.
type hit struct {
	rule *rule
	i, j int
}

// within says whether a hit lies in one that its rule allows. allowed is sorted by where its hits end, as the automaton finds them.
func within(h hit, allowed []hit) bool {
	k, _ := slices.BinarySearchFunc(allowed, h.j, func(a hit, j int) int { return a.j - j })
	for ; k < len(allowed) && allowed[k].j <= h.j+MaxTerm*utf8.UTFMax; k++ {
		if a := allowed[k]; a.rule == h.rule && a.i <= h.i {
			return true
		}
	}
	return false
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
