package main

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/maillon-go/maillon/stages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write testdata/output.txt")

func output(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	if err := run(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestOutput(t *testing.T) {
	got := output(t)
	if *update {
		if err := os.WriteFile("testdata/output.txt", []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/output.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// The output has to show something of everything, whatever the golden file says.
func TestShowsEverything(t *testing.T) {
	got := output(t)
	for what, pattern := range map[string]string{
		"the group before the others":           `topics +priority 10[\s\S]*redact +priority 50`,
		"what the function did":                 `answer:.*\[e-mail\]`,
		"what the struct did":                   `blocked: by budget`,
		"the policy of the custom stage":        `round the sandbank.* 12 passengers\n.*put back: 1\n`,
		"no security without a session":         `== Without the session: [^=]*dynamite\.\njournal: .*\nanswer: .*@`,
		"the journal without a session":         `journal: nobody's session, blocked`,
		"the block of code, and nothing beyond": `== [^=]*in a block[^=]*blocked: by topics[\s\S]*answer: `,
	} {
		if !regexp.MustCompile(pattern).MatchString(got) {
			t.Errorf("does not show %s:\n%s", what, got)
		}
	}
}

func TestLeavesNothingInTheProcess(t *testing.T) {
	output(t)
	if stages.Default.Active() {
		t.Errorf("links are left in stages.Default:\n%s", stages.Default.Explain())
	}
}
