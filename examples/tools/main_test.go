package main

import (
	"context"
	"io"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/maillon-go/maillon/internal/exampletest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOutput(t *testing.T) {
	got := exampletest.Run(t, func(ctx context.Context, w io.Writer) error { return run(ctx, w, model()) })
	exampletest.Golden(t, got)
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
