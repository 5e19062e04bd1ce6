package all_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/contrib/pii"
	"github.com/maillon-go/maillon/contrib/policy"
	"github.com/maillon-go/maillon/internal/plugintest"
	"github.com/maillon-go/maillon/session"
)

// How a backend cuts its answer makes no difference, also where a redactor is about to take out what looks like a forbidden term
// so far: an answer that passes whole passes in pieces, and one that is blocked is blocked.
func TestCutsChangeNoVerdict(t *testing.T) {
	texts := []string{
		"Please write to osprey@harbour.example today.",
		"Please write to john.osprey@harbour.example today, or do not.",
		"See https://osprey:hunter2pass@harbour.example/x for it.",
		"Use sk-osprey-abcdefghijklmnopqrstuvwxyz0123456789ABCD please.",
		"The osprey is back, says ines@harbour.example.",
		"Ask ines@harbour.example about the osprey",
		"osprey osprey@harbour.example",
	}
	parts := []string{"osprey", "@harbour.example", " ", ".", "osprey@harbour.example", "ines@", "https://", "4111 1111 1111 1111", "black ", "ledger", "_", "-", "\u200b", ", ", "the harbour office"}
	r := rand.New(rand.NewPCG(5, 6))
	for range 60 {
		var b strings.Builder
		for range 3 + r.IntN(9) {
			b.WriteString(parts[r.IntN(len(parts))])
		}
		texts = append(texts, b.String())
	}
	pol := must(policy.New(policy.Settings{Rules: []policy.Rule{{Name: "codenames", Terms: []string{"osprey", "black ledger"}}}}))
	red := must(pii.New(pii.Settings{}))
	for _, text := range texts {
		cut := len(text)
		m := &plugintest.Model{Turns: []plugintest.Turn{plugintest.Says(text)}, Pieces: func(text string) (out []string) {
			for p := range slices.Chunk([]byte(text), cut) {
				out = append(out, string(p))
			}
			return out
		}}
		s := start(t, m, session.WithPlugins(pol, red))
		verdict, answer := ask(t, s, "q", false)
		for _, size := range []int{1, 3, 7, 1 + r.IntN(20), len(text)} {
			cut = max(1, size)
			if v, got := ask(t, s, "q", true); v != verdict || v == "" && got != answer {
				t.Errorf("%q: %q %q, in pieces of %d %q %q", text, verdict, answer, size, v, got)
			}
		}
	}
}
