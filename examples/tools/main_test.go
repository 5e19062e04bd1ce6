package main

import (
	"flag"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write testdata/output.txt")

func TestOutput(t *testing.T) {
	var b strings.Builder
	if err := run(t.Context(), &b, model()); err != nil {
		t.Fatal(err)
	}
	got := b.String()
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
	for what, part := range map[string]string{
		"arguments that are refused": `result:  error: the arguments are wrong: validating /properties/harbour`,
		"a tool that fails":          "error: no table",
		"a redaction":                `"by":"[e-mail]"`,
		"a tool of control flow":     "control flow)",
		"a rewritten prompt":         "5 thought: My last step",
		"an answer":                  "answer: Yes, at 06:40",
		"the budget":                 "no answer: out of steps after 5",
	} {
		if !strings.Contains(got, part) {
			t.Errorf("it does not show %s:\n%s", what, got)
		}
	}
}
