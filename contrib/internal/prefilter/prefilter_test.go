package prefilter

import (
	"reflect"
	"regexp"
	"strings"
	"testing"
)

func TestLiteral(t *testing.T) {
	for pattern, want := range map[string]string{
		`\bSEC-\d{4,8}\b`:   "SEC-",
		`INC[0-9]{7}`:       "INC",
		`abc|abd`:           "ab",
		`abc|xyz`:           "",
		`(?:ab)?cd`:         "cd",
		`(ab)+`:             "ab",
		`(ab){2,}c`:         "ab",
		`(ab){0}c`:          "c",
		`(ab)*`:             "",
		`x?longer\s+short`:  "longer",
		`(?i)sec-\d`:        "",
		`(?i:sec)-\d{3}end`: "end",
		`\d+ \w+ é`:         " é",
		"\uFFFD+":           "",
		"a\uFFFDbc":         "",
		`^$`:                "",
		`\Qa.b\E`:           "a.b",
	} {
		if got := New(regexp.MustCompile(pattern)).literal; got != want {
			t.Errorf("%s: %q, want %q", pattern, got, want)
		}
	}
}

// FuzzFindAll: nothing is found, or left out, that package regexp would not.
func FuzzFindAll(f *testing.F) {
	for pattern, text := range map[string]string{
		`\bSEC-\d{4,8}\b`: "see SEC-12345", `(?i)k+x`: "\u212Ax", "a\uFFFDb?": "a\xff", `ab|ac`: "ac", `(a|b)+c{2}`: "abcc", `x*`: "", `[S-S]ec`: "Sec", `(?s)a.b`: "a\nb",
	} {
		f.Add(pattern, text)
		f.Add(pattern, strings.ToUpper(text))
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		re, err := regexp.Compile(pattern)
		if err != nil || len(pattern) > 50 || len(text) > 200 {
			return
		}
		if got, want := New(re).FindAllStringIndex(text, -1), re.FindAllStringIndex(text, -1); !reflect.DeepEqual(got, want) {
			t.Errorf("%q in %q: %v, want %v", pattern, text, got, want)
		}
	})
}
