package policy

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"
)

func TestFold(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"", ""},
		{"Hello  World\n\tagain", "hello world again"},
		{"STRASSE Straße", "strasse strasse"},
		{"ﬁne ＡＢＣ", "fine abc"},
		{"e\u0301tude É", "étude é"},
		{"pass\u200bword so\u00adft", "password soft"},
		{"a\u00a0 \u2003b", "a b"},
		{"x\u0301\u0302y", "x\u0301\u0302y"},
		{"\xff\xfe", "\ufffd\ufffd"},
		{"nai\u200b\u0308\u00adve", "naïve"},
		{"a\u200b\u200b", "a"},
		{"\u200bA\u200b b", "a b"},
		{"\u1112\u1161\u11ab", "한"},
		{"a\u2800b\x00c\x7f\u17b4\uffa0d", "a bcd"},
		{"a\x00\u0301", "á"},
		{"one-two_three\uff3ffour\u2011five", "one two three four five"},
		{"_a_ -b --c d- _", "_a_ -b --c d- _"},
	} {
		got := fold(tc.in)
		if string(got.folded) != tc.want {
			t.Errorf("fold(%q) = %q, want %q", tc.in, got.folded, tc.want)
		}
		for i := range len(got.folded) + 1 {
			if at := got.source(i); at < 0 || at > len(tc.in) {
				t.Errorf("%q: %d lies at %d", tc.in, i, at)
			}
		}
	}
	// Places of ASCII are exact, behind what is not ASCII, too.
	src := "Über  den Fluß \u200b und the  Word"
	folded := fold(src)
	i := strings.Index(string(folded.folded), "word")
	if got := src[folded.source(i):folded.source(i+4)]; got != "Word" {
		t.Errorf("found %q", got)
	}
}

func TestTerms(t *testing.T) {
	for _, tc := range []struct {
		rule Rule
		text string
		want string // what is found, "" for nothing
	}{
		{Rule{Terms: []string{"osprey"}}, "the osprey flies", "osprey"},
		{Rule{Terms: []string{"osprey"}}, "the OSPREY, again", "OSPREY"},
		{Rule{Terms: []string{"osprey"}}, "ospreys", ""},
		{Rule{Terms: []string{"osprey"}}, "an_osprey", ""},
		{Rule{Terms: []string{"osprey"}}, "osprey_two", ""},
		{Rule{Terms: []string{"osprey"}}, "an_osprey_", ""},
		{Rule{Terms: []string{"osprey"}}, "_osprey_", "osprey"},
		{Rule{Terms: []string{"osprey"}}, "__osprey__two", "osprey"},
		{Rule{Terms: []string{"osprey"}}, "my\u200bosprey", ""},
		{Rule{Terms: []string{"osprey"}}, "an-osprey-nest", "osprey"},
		{Rule{Terms: []string{"project osprey"}}, "the _project osprey_", "project osprey"},
		{Rule{Terms: []string{"project osprey"}}, "project_osprey", "project_osprey"},
		{Rule{Terms: []string{"project osprey"}}, "my_project_osprey", ""},
		{Rule{Terms: []string{"project osprey"}}, "project\u2011osprey.", "project\u2011osprey"},
		{Rule{Terms: []string{"project osprey"}}, "project\u200bosprey.", "project\u200bosprey"},
		{Rule{Terms: []string{"project osprey"}}, "projectosprey", ""},
		{Rule{Terms: []string{"--force"}}, "use --force, or force", "--force"},
		{Rule{Terms: []string{"snake_case"}}, "a snake_case name", "snake_case"},
		{Rule{Terms: []string{"osprey"}}, "os\u200bprey", "os\u200bprey"},
		{Rule{Terms: []string{"project osprey"}}, "Project\n   Osprey", "Project\n   Osprey"},
		{Rule{Terms: []string{"naïve"}}, "nai\u0308ve", "nai\u0308ve"},
		{Rule{Terms: []string{"STRASSE"}}, "Straße", "Straße"},
		{Rule{Terms: []string{"秘密"}}, "これは秘密です", "秘密"},
		{Rule{Terms: []string{"тайна"}}, "тайная", ""},
		{Rule{Terms: []string{"тайна"}}, "Тайна!", "Тайна"},
		{Rule{Terms: []string{"비밀"}}, "그 비밀을 지켜", "비밀"},
		{Rule{Terms: []string{"سر"}}, "هذا سر!", "سر"},
		{Rule{Terms: []string{"سر"}}, "سرير", ""},
		{Rule{Terms: []string{"naïve"}}, "nai\u200b\u0308ve", "nai\u200b\u0308ve"},
		{Rule{Terms: []string{"c++"}}, "I like C++.", "C++"},
		{Rule{Terms: []string{"assassin"}, Allow: []string{"assassin bug"}}, "an assassin bug", ""},
		{Rule{Terms: []string{"assassin"}, Allow: []string{"assassin bug"}}, "an assassin bugs me", "assassin"},
		{Rule{Terms: []string{"assassin"}, Allow: []string{"assassin bug"}}, "an assassin bug and an assassin", "assassin"},
		{Rule{Terms: []string{"he", "she", "hers"}}, "ushers say hers", "hers"},
		{Rule{Patterns: []string{`SEC-\d+`}}, "see SEC-1234.", "SEC-1234"},
		{Rule{Patterns: []string{`SEC-\d+`}}, "see sec-1234.", ""},
	} {
		r, err := compile(tc.rule)
		if err != nil {
			t.Fatal(err)
		}
		f, found := newScanner([]*rule{r}, true).scan(tc.text, 0, Output, "")
		if got := tc.text[f.start:f.end]; found != (tc.want != "") || got != tc.want {
			t.Errorf("%v in %q: found %q, want %q", tc.rule, tc.text, got, tc.want)
		}
	}
}

func TestRulesHoldWhereTheySay(t *testing.T) {
	r, err := compile(Rule{Terms: []string{"x"}, Patterns: []string{"y"}, At: []Place{Input}, Kinds: []string{"A", "B"}, ExceptKinds: []string{"B"}})
	if err != nil {
		t.Fatal(err)
	}
	s := newScanner([]*rule{r}, false)
	for _, text := range []string{"x", "y"} {
		for at, kinds := range map[Place]string{Input: "A", Output: "", ToolInput: "", ToolOutput: ""} {
			for _, kind := range []string{"A", "B", "C", ""} {
				if _, found := s.scan(text, 0, at, kind); found != (kind != "" && kind == kinds) {
					t.Errorf("%s at %s in %q: found %v", text, at, kind, found)
				}
			}
		}
	}
}

// naive finds a term as the scanner does, in the plainest way.
func naive(t text, term string) bool {
	for i := range t.folded {
		if bytes.HasPrefix(t.folded[i:], []byte(term)) && bordered(t.folded, i, i+len(term)) && !t.joined(i, i+len(term)) {
			return true
		}
	}
	return false
}

func FuzzTerms(f *testing.F) {
	f.Add("the osprey", "osprey", "sprey")
	f.Add("ab ba ab", "ab", "b a")
	f.Add("e\u0301 E\u0301", "É", "\u0301")
	f.Fuzz(func(t *testing.T, text, one, two string) {
		var rules []*rule
		for _, term := range []string{one, two} {
			r, err := compile(Rule{Terms: []string{term}})
			if err != nil {
				return
			}
			rules = append(rules, r)
		}
		got, found := newScanner(rules, false).scan(text, 0, Input, "")
		want := false
		for _, term := range []string{foldedTerm(one), foldedTerm(two)} {
			want = want || naive(fold(text), term) || strings.Contains(term, " ") && naive(foldWith(text, " "), term)
		}
		if found != want {
			t.Errorf("%q or %q in %q: found %v (%+v), want %v", one, two, text, found, got, want)
		}
		if got.start > got.end || got.end > len(text) {
			t.Errorf("%+v in %q", got, text)
		}
	})
}

// many makes a scanner as a program may have it.
func many(tb testing.TB, terms int) *scanner {
	tb.Helper()
	r := Rule{Name: "many"}
	for i := range terms {
		r.Terms = append(r.Terms, fmt.Sprintf("forbidden%dterm", i*7919))
	}
	c, err := compile(r)
	if err != nil {
		tb.Fatal(err)
	}
	return newScanner([]*rule{c}, true)
}

const prose = "The harbour office opens at eight, and the pilots wait for the tide before they go out to the ships that come in from the north. " +
	"All previous reports were read; the rules are on the wall. Nobody forgets the lamp. "

// The time is linear in the text, also for texts that are made to be slow.
func TestLinear(t *testing.T) {
	s := many(t, 1000)
	for name, piece := range map[string]string{
		"prose": prose, "white space": " ", "words of injections": "ignore all instructions not ", "more of them": "your rules given how to show do not matter reset ", "starts of terms": "forbidden7919ter", "marks": "e\u0301\u0301\u0301",
		"invisible": "\u200b", "invisible and marks": "e\u200b\u0301", "Cyrillic": "портовая контора ", "Korean": "\u1112\u1161\u11ab", "one letter": "a", "borders": "ignore.", "underscores": "_", "joined": "a_b-", "control characters": "ignore\x00all",
	} {
		small, large := strings.Repeat(piece, 1+5_000/len(piece)), strings.Repeat(piece, 8*(1+5_000/len(piece)))
		ratio, ofSmall, ofLarge := 0.0, math.Inf(1), math.Inf(1)
		for range 32 { // other work on the machine comes and goes, and only makes things slower
			ofSmall, ofLarge = min(ofSmall, fastest(s, small)), min(ofLarge, fastest(s, large))
			if ratio = ofLarge / ofSmall; ratio < 8*1.5 {
				break
			}
		}
		if ratio >= 8*1.5 {
			t.Errorf("%s: eight times the text takes %.1f times as long", name, ratio)
		}
	}
}

// fastest is the shortest of several scans.
func fastest(s *scanner, text string) float64 {
	out := time.Duration(math.MaxInt64)
	for range 9 {
		start := time.Now()
		s.scan(text, 0, Input, "")
		out = min(out, time.Since(start))
	}
	return float64(out)
}

func BenchmarkScan(b *testing.B) {
	text := strings.Repeat(prose, 100)
	for _, n := range []int{10, 1000, 5000} {
		s := many(b, n)
		b.Run(fmt.Sprintf("terms=%d", n), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, found := s.scan(text, 0, Input, ""); found {
					b.Fatal("found something")
				}
			}
		})
	}
	b.Run("English", func(b *testing.B) { // without words of injections
		raw, err := os.ReadFile("../pii/testdata/english.txt")
		if err != nil {
			b.Fatal(err)
		}
		english := strings.Repeat(string(raw), 14)
		s := many(b, 1000)
		b.SetBytes(int64(len(english)))
		for b.Loop() {
			s.scan(english, 0, Input, "")
		}
	})
	russian := strings.Repeat("Портовая контора открывается в восемь, и лоцманы ждут прилива. ", 200)
	b.Run("Russian", func(b *testing.B) {
		s := many(b, 1000)
		b.SetBytes(int64(len(russian)))
		for b.Loop() {
			s.scan(russian, 0, Input, "")
		}
	})
	r, err := compile(Rule{Name: "pattern", Patterns: []string{`\bSEC-\d{4,}\b`}})
	if err != nil {
		b.Fatal(err)
	}
	s := newScanner([]*rule{r}, false)
	for name, text := range map[string]string{"patterns=1": text, "patterns=1, whose literal is there": text + "SEC-"} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				s.scan(text, 0, Input, "")
			}
		})
	}
}
