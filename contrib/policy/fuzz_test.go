package policy

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

// plainFold does what fold does, step by step on the whole text.
func plainFold(s string) string {
	visible := func(r rune) rune {
		if invisible(r) {
			return -1
		}
		return r
	}
	s = strings.Map(visible, cases.Fold().String(norm.NFKC.String(strings.Map(visible, s))))
	var out strings.Builder
	space := false
	for _, r := range s {
		if blank := isSpace(r); !blank || !space {
			if space = blank; blank {
				r = ' '
			}
			if r >= '\u2010' && r <= '\u2013' {
				r = '-'
			}
			out.WriteRune(r)
		}
	}
	runes := []rune(out.String())
	joined := slices.Clone(runes)
	for i := 1; i+1 < len(runes); i++ {
		if (runes[i] == '-' || runes[i] == '_') && joinable(runes[i-1]) && joinable(runes[i+1]) {
			joined[i] = ' '
		}
	}
	return string(joined)
}

func FuzzFold(f *testing.F) {
	for _, s := range []string{"Straße  ﬁ\u00a0\u2003x", "e\u200b\u0301", "\u1112\u1161\u200b\u11ab", "\u200b\u0301", " \u0301", "a\u0328\u0301\u0302", "ﷺ", "\U0001d400\u0301", "\xffé\xc3", "ΣΊΣΥΦΟΣ", "İı", "ｶﾞ", "a\x00\u0301-b", "a_b__c_\u2011d", "a\u2800 b\x7f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := fold(s)
		if want := plainFold(s); string(got.folded) != want {
			t.Errorf("fold(%q) = %q, want %q", s, got.folded, want)
		}
		last := 0
		for i := range len(got.folded) + 1 {
			at := got.source(i)
			if at < 0 || at > len(s) {
				t.Errorf("%q: %d lies at %d", s, i, at)
			}
			last = max(last, at)
		}
		if end := got.source(len(got.folded)); end != len(s) {
			t.Errorf("%q: the end lies at %d", s, end)
		}
	})
}

// stream gives an answer to the plugin as a session does, in pieces of the given lengths in turn, and says what was released.
func stream(t *testing.T, p *Plugin, answer string, lengths []byte) (released string, err error) {
	t.Helper()
	runes, hold := []rune(answer), p.scanner.holdBack()
	for n, done := 0, 0; ; n++ {
		done += 1 + int(lengths[n%len(lengths)])%8
		final := done >= len(runes)
		if final {
			done = len(runes)
		}
		text := strings.TrimPrefix(string(runes[:done]), released)
		_, err := p.OnGenerationStreamChunk(t.Context(), stages.NewChunk(stages.Meta{}, stages.ChunkFields{Text: text, Released: released, Index: n, Final: final}))
		if err != nil {
			return released, err
		}
		if final {
			return answer, nil
		}
		released = string(runes[:max(utf8.RuneCountInString(released), done-hold)])
	}
}

// streamed has rules at answers of all sorts.
func streamed(tb testing.TB) *Plugin {
	tb.Helper()
	p, err := New(Settings{Rules: []Rule{
		{Name: "phrase", Terms: []string{"ab a", "xá"}, Allow: []string{"b ab a", "xá b x ab b"}},
		{Name: "word", Terms: []string{"bab", "a xx"}},
		{Name: "pattern", Patterns: []string{`\bx{2,3}-\b`}, Window: 4},
	}})
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// same checks that an answer has one verdict, streamed or not, in whatever pieces, and that nobody gets what is forbidden.
func same(t *testing.T, p *Plugin, answer string, lengths []byte) {
	t.Helper()
	want := p.Check(answer, Output, "")
	released, got := stream(t, p, answer, lengths)
	// Where a border, or what makes a term allowed, comes behind more than what is held back, a stream is stopped to be safe; and
	// what seemed to be allowed may be out.
	stretched := longestRun(answer) >= p.scanner.holdBack()
	if (got == nil) != (want == nil) && (want != nil || !stretched) {
		t.Errorf("%q in pieces of %v: %v, streamed %v", answer, lengths, want, got)
	}
	if v, ok := errors.AsType[*chain.Violation](want); ok {
		end := len(seen(answer[:v.Details["end"].(int)]))
		if len(released) >= end && (!stretched || v.Details["rule"] != "phrase") {
			t.Errorf("%q in pieces of %v: released %q, with %q", answer, lengths, released, answer[v.Details["start"].(int):end])
		}
	}
}

// longestRun is the largest number of characters in a row that stretch a text.
func longestRun(s string) (longest int) {
	n := 0
	for _, r := range s {
		if n++; !invisible(r) && !isSpace(r) {
			n = 0
		}
		longest = max(longest, n)
	}
	return longest
}

func TestRandomStreams(t *testing.T) {
	p, r := streamed(t), rand.New(rand.NewPCG(1, 2))
	words := []string{"xá b x ab", "a", "b", "ab", "bab", "x", "xx", "xx-", "á", "a\u0301", "A", " ", " ", " ", "-", "_", "_", "\n \n", strings.Repeat(" ", 50), "\u200b", strings.Repeat("\u200b", 50)}
	for range 4000 {
		answer := ""
		for range 1 + r.IntN(14) {
			answer += words[r.IntN(len(words))]
		}
		same(t, p, answer, []byte{byte(r.IntN(8)), byte(r.IntN(8)), byte(r.IntN(8))})
	}
}

func FuzzStream(f *testing.F) {
	p := streamed(f)
	f.Add("xab abbab xx-", []byte{0})
	f.Add("b ab a, ab a", []byte{3, 1})
	f.Fuzz(func(t *testing.T, answer string, lengths []byte) {
		if len(lengths) > 0 && len(answer) < 1000 && utf8.ValidString(answer) {
			same(t, p, answer, lengths)
		}
	})
}
