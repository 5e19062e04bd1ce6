package main

import (
	"context"
	"io"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/maillon-go/maillon/internal/exampletest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var milliseconds = regexp.MustCompile(` +\d+\.\d{3} ms`)

func output(t *testing.T, prompt string, seed uint64) string {
	t.Helper()
	got := exampletest.Run(t, func(ctx context.Context, w io.Writer) error { return run(ctx, w, prompt, seed) })
	return milliseconds.ReplaceAllString(got, "        # ms")
}

func TestOutput(t *testing.T) { exampletest.Golden(t, output(t, defaultPrompt, defaultSeed)) }

// The default seed has to show something of everything, whatever the golden file says.
func TestTheDefaultSeedShowsEverything(t *testing.T) {
	got := output(t, defaultPrompt, defaultSeed)
	for what, pattern := range map[string]string{
		"a requirement that fails and a repair": `valid: false\)[\s\S]*▶ repair \(identity\)[\s\S]*valid: true\)`,
		"a redaction":                           `took out [1-9]\d* addresses`,
		"no address left":                       `\A[^@]*\z`,
		"a record written in the background":    `[1-9]\d* records, written in the background`,
		"a block and its violation":             `blocked \[topic\]`,
		"the audit of the blocked call":         `audited: +user ines, blocked by topics`,
	} {
		if !regexp.MustCompile(pattern).MatchString(got) {
			t.Errorf("does not show %s:\n%s", what, got)
		}
	}
}

func TestOtherPromptsAndSeeds(t *testing.T) {
	texts := map[string]bool{}
	for seed := range uint64(5) {
		texts[output(t, "Write a note about the lamp at the gate.", seed)] = true
	}
	if len(texts) < 3 {
		t.Errorf("5 seeds gave %d outputs", len(texts))
	}
	if got := output(t, "Sell me dynamite.", 1); !strings.Contains(got, "\nblocked: generation/topics") {
		t.Errorf("a forbidden prompt was not blocked:\n%s", got)
	}
}
