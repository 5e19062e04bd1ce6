package pii_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/contrib/pii"
)

var key = []byte("0123456789abcdef")

func scanner(tb testing.TB, s pii.Settings) *pii.Scanner {
	tb.Helper()
	c, err := pii.NewScanner(s)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func TestActions(t *testing.T) {
	long := "-----BEGIN PRIVATE KEY-----\n" + strings.Repeat(strings.Repeat("aB3/", 16)+"\n", 5) + "-----END PRIVATE KEY-----"
	for name, tc := range map[string]struct {
		s          pii.Settings
		text, want string
	}{
		"redact":        {pii.Settings{}, "a ann@example.com b", "a [EMAIL] b"},
		"a long match":  {pii.Settings{}, "a " + long + " b", "a [SECRET] b"},
		"block":         {pii.Settings{Action: pii.Block}, "a ann@example.com b", "a [EMAIL] b"},
		"token":         {pii.Settings{Action: pii.Token}, "a ann@example.com b", "a [EMAIL] b"},
		"mask":          {pii.Settings{Action: pii.Mask}, "ann@example.com 4111 1111 1111 1111", "***@*******.*** ************1111"},
		"by detector":   {pii.Settings{Actions: map[string]pii.Action{"card": pii.Mask}}, "ann@example.com 4111-1111-1111-1111", "[EMAIL] ************1111"},
		"some":          {pii.Settings{Detectors: []string{"card"}}, "ann@example.com 4111111111111111", "ann@example.com [CARD]"},
		"allowed":       {pii.Settings{Allow: []string{"Help@example.com"}}, "help@Example.com ann@example.com", "help@Example.com [EMAIL]"},
		"a pattern":     {pii.Settings{Patterns: []pii.Pattern{{Name: "customer", Regexp: `\bCU-\d{6}\b`}}}, "CU-123456, XCU-123456", "[CUSTOMER], XCU-123456"},
		"overlapping":   {pii.Settings{Patterns: []pii.Pattern{{Name: "x", Regexp: `me: ann`}}}, "me: ann@example.com", "[X][EMAIL]"},
		"a dash behind": {pii.Settings{}, "ann@example.com-2024 ann@example.com-AKIAIOSFODNN7EXAMPLE", "[EMAIL]-2024 [EMAIL]-[SECRET]"},
		"unbroken":      {pii.Settings{}, "4111\u00a01111\u00a01111\u00a01111, 4111\u20111111\u20111111\u20111111, 4111\u202f1111\u202f1111\u202f1111, +49\u00a0170\u00a01234567, DE89\u00a03704\u00a00044\u00a00532\u00a00130\u00a000", "[CARD], [CARD], [CARD], [PHONE], [IBAN]"},
		"invisible":     {pii.Settings{}, "a ann\u200b@exam\u00adple\u2060.com\u200b b \ufeffbob@example.com", "a [EMAIL]\u200b b \ufeff[EMAIL]"},
		"wide blanks":   {pii.Settings{}, "4111  1111  1111  1111, 4111 1111  1111\u00a0 1111, 3782   822463   10005", "[CARD], [CARD], [CARD]"},
		"slashes":       {pii.Settings{}, "4111/1111/1111/1111 4111.1111.1111.1111", "[CARD] [CARD]"},
		"mixed marks":   {pii.Settings{}, "4111/1111-1111/1111 4111     1111     1111     1111", "4111/1111-1111/1111 4111     1111     1111     1111"},
		"basic":         {pii.Settings{}, "Authorization: Basic dXNlcjpwYXNz\nproxy-authorization:basic YTpi!", "Authorization: Basic [CREDENTIALS]\nproxy-authorization:basic [CREDENTIALS]!"},
		"no basic":      {pii.Settings{}, "Authorization: Basic authentication, Authorization: Basic <base64>, Basic dXNlcjpwYXNz", "Authorization: Basic authentication, Authorization: Basic <base64>, Basic dXNlcjpwYXNz"},
		"bearer":        {pii.Settings{}, `-H "Authorization: Bearer mF_9.B5f-4.1JqM" {"authorization": "Bearer a1b2c3d4"} {\"Authorization\": \"token a1b2c3d4\"}`, `-H "Authorization: Bearer [SECRET]" {"authorization": "Bearer [SECRET]"} {\"Authorization\": \"token [SECRET]\"}`},
		"no bearer":     {pii.Settings{}, "Authorization: Bearer YOUR_TOKEN, Authorization: Bearer authentication, Authorization: bearer a1", "Authorization: Bearer YOUR_TOKEN, Authorization: Bearer authentication, Authorization: bearer a1"},
		"a long bearer": {pii.Settings{}, "Authorization: Bearer " + strings.Repeat("a1.", 200) + " b", "Authorization: Bearer [SECRET] b"},
		"logins":        {pii.Settings{}, "root:toor@localhost admin:hunter2@db:5432/x (sa:p%40ss!@192.0.2.1) app:s3cret@tcp(db:3306)/x", "[CREDENTIALS]@localhost [CREDENTIALS]@db:5432/x ([CREDENTIALS]@[IP]) [CREDENTIALS]@tcp(db:3306)/x"},
		"no logins":     {pii.Settings{}, "mailto:root@localhost sip:alice@192.0.2.1 contact:ann@example.com 10:30@localhost: a:b@c", "mailto:root@localhost sip:alice@[IP] contact:[EMAIL] 10:30@localhost: a:b@c"},
		"glued":         {pii.Settings{}, "почта@пример.рф4111111111111111 D7MbDPBwaocNyZs0WAI8DjhEYoBhalq6/hvs." + strings.Repeat("a1", 14), "[EMAIL][CARD] [SECRET]/[SECRET]"},
		"Markdown": {
			pii.Settings{},
			"__4111 1111 1111 1111__ _sk-proj-abcdef1234567890ABCDEF12_ __DE89370400440532013000__ _192.168.1.77_ __+44 20 7946 0958__",
			"__[CARD]__ _[SECRET] __[IBAN]__ _[IP]_ __[PHONE]__",
		},
		"names":   {pii.Settings{}, "id_4111111111111111 4111111111111111_x [CARD]_4111111111111111 4111111111111111_[CARD]", "id_4111111111111111 4111111111111111_x [CARD]_4111111111111111 4111111111111111_[CARD]"},
		"nothing": {pii.Settings{}, "a b", "a b"},
		"empty":   {pii.Settings{}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := scanner(t, tc.s).Redact(tc.text); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// A hash is the same for the same value in any writing, and another one with another key or detector.
func TestHash(t *testing.T) {
	s := scanner(t, pii.Settings{Action: pii.Hash, HashKey: key})
	other := scanner(t, pii.Settings{Action: pii.Hash, HashKey: []byte("another key of 16")})
	a, b := s.Redact("4111 1111 1111 1111"), s.Redact("4111111111111111")
	if a != b || !strings.HasPrefix(a, "[CARD#") || len(a) != len("[CARD#]")+18 {
		t.Errorf("%s and %s", a, b)
	}
	if s.Redact("ann@exam\u200bple.com") != s.Redact("ann@example.com") || s.Redact("4111/1111/1111/1111") != a || s.Redact("4111  1111  1111  1111") != a {
		t.Error("another writing")
	}
	if s.Redact("Ann@example.com") != s.Redact("ann@EXAMPLE.com") || s.Redact("ann@example.com") == s.Redact("bob@example.com") {
		t.Error("addresses")
	}
	if other.Redact("4111111111111111") == a {
		t.Error("the key makes no difference")
	}
}

func TestSettings(t *testing.T) {
	_, err := pii.New(pii.Settings{
		Detectors: []string{"emial"}, Action: "hide", Actions: map[string]pii.Action{"nobody": pii.Redact, "card": "show"}, HashKey: []byte("short"),
		Patterns: []pii.Pattern{
			{Name: "Bad", Regexp: "a"},
			{Name: "card", Regexp: "a"},
			{Name: "open", Regexp: `a+`},
			{Name: "anchored", Regexp: `^a`},
			{Name: "empty", Regexp: `a?`},
			{Name: "broken", Regexp: `(`},
			{Name: "long", Regexp: `a{193}`},
		},
	})
	for _, want := range []string{
		`detectors[0]: there is no detector "emial"`, `action: there is no action "hide"`, `actions: there is no detector or pattern "nobody"`,
		`actions: card: there is no action "show"`, "the key is too short", `patterns[0]: the name "Bad"`, `patterns[1]: the name "card" is taken`,
		"patterns[2]: open: it may match a text of any length", "patterns[3]: anchored: ^", "patterns[4]: empty: it matches the empty text",
		"patterns[5]: broken: ", "patterns[6]: long: it may match 193 characters",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	if _, err := pii.New(pii.Settings{Action: pii.Hash}); err == nil || !strings.Contains(err.Error(), "needs a key") {
		t.Errorf("got %v", err)
	}
}

func TestFind(t *testing.T) {
	got := pii.Default().Find("to ann@example.com from 10.1.2.3")
	if want := "[{email 3 18} {ip 24 32}]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

// A vault has room for so many values; then text is redacted for good.
func TestVaultIsBounded(t *testing.T) {
	p := plugin(t, pii.Settings{Action: pii.Token})
	v := pii.NewVault(1)
	g, err := p.OnGenerationPreCall(pii.WithVault(t.Context(), v), prompt("a@example.com b@example.com a@example.com"))
	if err != nil {
		t.Fatal(err)
	}
	text := g.Messages().At(0).Text
	if v.Len() != 1 || v.Restore(text) != "a@example.com [EMAIL] a@example.com" {
		t.Errorf("%d: %q", v.Len(), v.Restore(text))
	}
	v.Forget()
	if v.Len() != 0 || v.Restore(text) != text {
		t.Errorf("after Forget: %q", v.Restore(text))
	}
}

// What a model makes up in the form of a token is not turned into anything, and an error of a stream comes through.
func TestVaultRestores(t *testing.T) {
	v := pii.NewVault(0)
	for _, text := range []string{"[EMAIL:aaaaaaaaaaaaaaaaaa]", "[EMAIL:", "[", "[[EMAIL:aaaaaaaaaaaaaaaaaa", ""} {
		if got := v.Restore(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
		broken := errors.New("broken")
		var got strings.Builder
		var last error
		for piece, err := range v.Stream(func(yield func(string, error) bool) {
			for _, r := range text {
				if !yield(string(r), nil) {
					return
				}
			}
			yield("", broken)
		}) {
			got.WriteString(piece)
			last = err
		}
		if got.String() != text || last != broken {
			t.Errorf("%q became %q, %v", text, got.String(), last)
		}
	}
}
