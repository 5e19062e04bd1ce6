package main

import (
	"io"
	"regexp"
	"testing"

	"go.uber.org/goleak"

	"github.com/maillon-go/maillon/internal/exampletest"
	"github.com/maillon-go/maillon/stages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOutput(t *testing.T) { exampletest.Golden(t, exampletest.Run(t, run)) }

// The output has to show something of everything, whatever the golden file says.
func TestShowsEverything(t *testing.T) {
	got := exampletest.Run(t, run)
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
	if err := run(t.Context(), io.Discard); err != nil {
		t.Fatal(err)
	}
	if stages.Default.Active() {
		t.Errorf("links are left in stages.Default:\n%s", stages.Default.Explain())
	}
}
