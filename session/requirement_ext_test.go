package session_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// requirements of texts, all of which can decide before the end.
func textRequirements(tb testing.TB) map[string]stages.Requirement {
	tb.Helper()
	schema, err := session.JSONSchema(`{"type":"object","properties":{"hour":{"type":"integer"}},"required":["hour"]}`)
	if err != nil {
		tb.Fatal(err)
	}
	re := regexp.MustCompile
	return map[string]stages.Requirement{
		"at most 5 characters": session.MaxLength(5, session.InRunes),
		"at least 5":           session.MinLength(5, session.InRunes),
		"at most 2 words":      session.MaxLength(2, session.InWords),
		"at least 2 words":     session.MinLength(2, session.InWords),
		"at most 1 sentence":   session.MaxLength(1, session.InSentences),
		"at least 2 sentences": session.MinLength(2, session.InSentences),
		"JSON":                 schema,
		"a match":              session.Match("Name the tide.", re(`tide`)),
		"a match to the end":   session.Match("End with the tide.", re(`tide\.?$`)),
		"no match":             session.NoMatch("Leave out the time.", re(`\d\d:\d\d`)),
		"no whole word":        session.NoMatch("Leave out cats.", re(`\bcat\b`)),
		"no line":              session.NoMatch("No heading.", re(`(?m)^#+$`)),
		"no end":               session.NoMatch("Do not stop like this.", re(`x\z`)),
	}
}

func TestTextRequirements(t *testing.T) {
	t.Parallel()
	all := textRequirements(t)
	for _, tc := range []struct {
		name, text string
		reason     string // why not; "" where it passes
	}{
		{"at most 5 characters", "äöü€𝄞", ""},
		{"at most 5 characters", "äöü€𝄞x", "it has more than 5 characters"},
		{"at least 5", "äöü€𝄞", ""},
		{"at least 5", "äöü€", "it has fewer than 5 characters"},
		{"at most 2 words", " high\u3000water\n", ""},
		{"at most 2 words", "high water now", "it has more than 2 words"},
		{"at least 2 words", "high  water", ""},
		{"at least 2 words", "highwater", "it has fewer than 2 words"},
		{"at most 1 sentence", "High water is 3.5 m", ""},
		{"at most 1 sentence", `"Really?!" `, ""},
		{"at most 1 sentence", "Wait... — ", ""},
		{"at most 1 sentence", "High. Low", "it has more than 1 sentence"},
		{"at most 1 sentence", "満潮。干潮", "it has more than 1 sentence"},
		{"at least 2 sentences", `"High?" "Low."`, ""},
		{"at least 2 sentences", "", "it has fewer than 2 sentences"},
		{"JSON", ` {"hour": 6} `, ""},
		{"JSON", `{"hour": 6`, "it is not valid JSON"},
		{"JSON", `{"hour": 6} done`, "it is not valid JSON"},
		{"JSON", `{"minute": 6}`, `it does not fit the schema: required: missing properties: ["hour"]`},
		{"JSON", `{"hour": "six"}`, `it does not fit the schema: validating /properties/hour: type: six has type "string", want "integer"`},
		{"a match", "the tide", ""},
		{"a match", "the moon", "it lacks what it has to have: Name the tide."},
		{"no match", "high water", ""},
		{"no match", "at 06:40", "it has what it must not have: Leave out the time."},
	} {
		t.Run(tc.name+" of "+tc.text, func(t *testing.T) {
			t.Parallel()
			want := stages.Verdict{Ruling: stages.Pass}
			if tc.reason != "" {
				want = stages.Verdict{Ruling: stages.Fail, Reason: tc.reason}
			}
			got, err := all[tc.name].Check(t.Context(), stages.Target{Output: stages.Output{Text: tc.text}})
			if err != nil || got != want {
				t.Errorf("got %+v, %v; want %+v", got, err, want)
			}
		})
	}
}

// What a requirement says to a beginning of a text is what it says to the text, wherever it is cut; what it says to the end
// is what it says without streaming.
func checkPrefixes(tb testing.TB, name string, q stages.Requirement, text string) {
	tb.Helper()
	want, err := q.Check(tb.Context(), stages.Target{Output: stages.Output{Text: text}})
	if err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
	if got, err := q.CheckPrefix(tb.Context(), text, true); err != nil || got != want {
		tb.Errorf("%s: %q at its end: %+v, %v; want %+v", name, text, got, err, want)
	}
	for cut := range len(text) + 1 { // in the middle of a character too
		got, err := q.CheckPrefix(tb.Context(), text[:cut], false)
		if err != nil || got.Ruling != stages.Unknown && got != want {
			tb.Errorf("%s: %q of %q: %+v, %v; want %+v", name, text[:cut], text, got, err, want)
		}
	}
}

var prefixTexts = []string{
	"", "tide", "the tides", "cats and a cat", "cat", "###\nx", "###", "# no", "xx", "x", "06:40", "high water at 06:40 h",
	"äöü€𝄞", "äöü€𝄞𝄞", "One. Two.", "3.5", "Really?! Yes…", "満潮。「干潮」", `{"hour": 6}`, `{"hour": 6} x`, `{"hour": 6.5e1}`, `"\ud83d"`,
	"nul", "12 3", "[1,,2]", "-", "1.", "\xff\xfe tide", "\xe2\x82",
}

func TestPrefixesAgreeWithTheWhole(t *testing.T) {
	t.Parallel()
	for name, q := range textRequirements(t) {
		for _, text := range prefixTexts {
			checkPrefixes(t, name, q, text)
		}
	}
}

func FuzzPrefixesAgreeWithTheWhole(f *testing.F) {
	for _, text := range prefixTexts {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 200 {
			return
		}
		for name, q := range textRequirements(t) {
			checkPrefixes(t, name, q, text)
		}
	})
}

// Where it can be decided early, it is.
func TestPrefixesDecideEarly(t *testing.T) {
	t.Parallel()
	all := textRequirements(t)
	for _, tc := range []struct {
		name, prefix string
		want         stages.Ruling
	}{
		{"at most 5 characters", "abcdef", stages.Fail},
		{"at most 5 characters", "abcde", stages.Unknown},
		{"at least 5", "abcde", stages.Pass},
		{"at most 2 words", "one two t", stages.Fail},
		{"at most 1 sentence", "One. T", stages.Fail},
		{"at most 1 sentence", "One. ", stages.Unknown},
		{"at least 2 sentences", "One. T", stages.Pass},
		{"JSON", "Here is", stages.Fail},
		{"JSON", `{"minute": 1}`, stages.Unknown},
		{"a match", "a tide", stages.Pass},
		{"a match to the end", "a tide", stages.Unknown},
		{"no match", "at 06:40", stages.Fail},
		{"no whole word", "a cat", stages.Unknown},
		{"no whole word", "a cat ", stages.Fail},
	} {
		t.Run(tc.name+" of "+tc.prefix, func(t *testing.T) {
			t.Parallel()
			if got, err := all[tc.name].CheckPrefix(t.Context(), tc.prefix, false); err != nil || got.Ruling != tc.want {
				t.Errorf("got %+v, %v; want %v", got, err, tc.want)
			}
		})
	}
}

func TestRequirementMistakes(t *testing.T) {
	t.Parallel()
	for name, q := range map[string]stages.Requirement{
		"an unknown unit": session.MaxLength(1, "bytes"), "another": session.MinLength(1, ""),
		"no expression": session.Match("x", nil), "none here": session.NoMatch("x", nil), "no function": session.Check("x", nil),
	} {
		if _, err := q.Check(t.Context(), stages.Target{}); !errors.Is(err, session.ErrOption) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	for name, schema := range map[string]stages.JSON{
		"no JSON": `{`, "no schema": `{"type":7}`, "an expression that does not compile": `{"pattern":"("}`,
		"another document": `{"$ref":"https://harbour.example/schema"}`,
	} {
		if _, err := session.JSONSchema(schema); err == nil || !strings.HasPrefix(err.Error(), "session: JSON schema: ") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// A requirement with nothing but a CheckPrefix is asked at the end of an answer.
func TestCheckPrefixAlone(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	s := start(t, session.WithBackend(script(answer("hello"))), session.WithSetup(rec.register))
	q := stages.Requirement{Description: "x", CheckPrefix: func(_ context.Context, text string, final bool) (stages.Verdict, error) {
		return stages.Verdict{Ruling: stages.Fail, Reason: fmt.Sprint(text, " ", final)}, nil
	}}
	res, err := s.Instruct(t.Context(), "Say hello.", session.Require(q), session.LoopBudget(1))
	if err != nil {
		t.Fatal(err)
	}
	if got := res.Attempts.At(0).Findings.At(0).Verdict; got != (stages.Verdict{Ruling: stages.Fail, Reason: "hello true"}) {
		t.Errorf("got %+v", got)
	}
	if k := last[*stages.Validation](t, rec, "validation_pre_check").Kind(); k != stages.ValidateInGo {
		t.Errorf("kind %s", k)
	}
}

// What is only checked: the model is never told, neither when it is asked nor when it is asked again.
func TestCheckOnly(t *testing.T) {
	t.Parallel()
	b := script(answer("low"), answer("Moon"))
	s := start(t, session.WithBackend(b))
	secret := stages.Requirement{Description: "Mention the Moon", Check: func(_ context.Context, o stages.Target) (stages.Verdict, error) {
		if strings.Contains(o.Output.Text, "Moon") {
			return stages.Verdict{Ruling: stages.Pass}, nil
		}
		return stages.Verdict{Ruling: stages.Fail}, nil
	}}
	res, err := s.Instruct(t.Context(), "Write.", session.Require(mentions("o"), session.CheckOnly(secret)), session.Using(session.MultiTurn{LoopBudget: 2}))
	if err != nil || !res.Success || res.Attempts.Len() != 2 {
		t.Fatalf("got %+v, %v", res, err)
	}
	for _, g := range b.requests() {
		for _, m := range g.Messages().All() {
			if strings.Contains(m.Text, "Mention the Moon") {
				t.Errorf("the model was told: %q", m.Text)
			}
		}
	}
	if m := b.requests()[0].Messages().At(0).Text; !strings.Contains(m, "Mention o") {
		t.Errorf("the other requirement is missing in %q", m)
	}
}
