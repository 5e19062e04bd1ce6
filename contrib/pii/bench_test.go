package pii_test

import (
	"context"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/maillon-go/maillon/contrib/pii"
	"github.com/maillon-go/maillon/stages"
)

// english is about n bytes of prose.
func english(tb testing.TB, n int) string {
	tb.Helper()
	b, err := os.ReadFile("testdata/english.txt")
	if err != nil {
		tb.Fatal(err)
	}
	return strings.Repeat(string(b), n/len(b)+1)[:n]
}

func BenchmarkScanner(b *testing.B) {
	corpus := func() string {
		raw, err := os.ReadFile("testdata/corpus.txt")
		if err != nil {
			b.Fatal(err)
		}
		return strings.NewReplacer("¶", "\n", "·", "", "⟦", "", "⟧", "", "|", " ").Replace(string(raw))
	}()
	for _, c := range []struct{ name, text string }{
		{"english", english(b, 1<<20)},
		{"corpus", strings.Repeat(corpus, 20)},
		{"digits", strings.Repeat("4", 1<<18)},
		{"groups", strings.Repeat("41 ", 1<<17)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.text)))
			b.ReportAllocs()
			for b.Loop() {
				pii.Default().Redact(c.text)
			}
		})
	}
}

// BenchmarkContrib is the price of the links of a call for 2 KB without anything to redact: a prompt that is new to the plugin, one
// that it has seen, and an answer, beside the call without it.
func BenchmarkContrib(b *testing.B) {
	prompt := stages.NewGeneration(stages.Meta{}, stages.GenerationFields{
		Messages: stages.ListOf(stages.Message{Role: stages.RoleUser, Text: english(b, 2000)}),
	})
	answer := stages.NewChunk(stages.Meta{}, stages.ChunkFields{Text: english(b, 2000), Final: true})
	answered := stages.GenerationResult{Output: stages.Output{Text: "yes"}, Source: stages.SourceBackend}
	pipe := func(plugins ...any) (generate func() error, chunk func() error) {
		p := stages.NewPipeline(stages.PipelineConfig{})
		if _, err := p.Register(b.Context(), plugins...); err != nil {
			b.Fatal(err)
		}
		g := p.Generation.Then(func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			return g.Done(answered), nil
		})
		c := p.Chunk.Then(stages.Unchanged[*stages.Chunk])
		return func() error { _, err := g(b.Context(), prompt); return err }, func() error { _, err := c(b.Context(), answer); return err }
	}
	run := func(name string, f func() error) {
		b.Run("pii/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := f(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	p, err := pii.New(pii.Settings{})
	if err != nil {
		b.Fatal(err)
	}
	generate, chunk := pipe(p)
	bareGenerate, bareChunk := pipe()
	run("without, in", bareGenerate)
	run("without, out", bareChunk)
	run("2 KB in, seen before", generate)
	run("2 KB in, new", func() error { p.Scanner().Redact(prompt.Messages().At(0).Text); return nil })
	run("2 KB out", chunk)
}

// TestLinear compares the time for one text with that for eight texts of an eighth of its length, for texts that are hard on a
// scanner. A quadratic one would take eight times as long. On a busy machine one of several rounds will do.
func TestLinear(t *testing.T) {
	const n, times, rounds = 1 << 17, 8, 12
	for name, part := range map[string]string{
		"digits": "4", "groups": "41 ", "groups of four": "4111-", "ats": "a@", "addresses": "a@b.co,", "dots": "a@b.", "local": "a", "colons": "a:",
		"slashes": "://", "logins": "a://b:c@", "hex": "1:", "keys": "sk-", "secrets": "xY7", "paths": "aB3/", "begins": "-----BEGIN PRIVATE KEY-----",
		"begin": "-----BEGIN ", "labels": "[EMAIL", "brackets": "[", "closed": "]1 ", "keywords": "key key: ", "plus": "+1", "accounts": "DE89", "words": "the harbour ",
		"unicode": "ü@", "parens": "(2(", "invalid": "\xff@",
		"invisible": "\u200b@", "wide groups": "4111  ", "bare logins": "a:b12@c:80", "users": "a:b12@", "headers": "authorization: basic ", "tokens": "Authorization:Bearer a1b2c3d4",
	} {
		t.Run(name, func(t *testing.T) {
			long := "1/" + strings.Repeat(part, n/len(part)) // a digit, so that all detectors look
			short := long[:len(long)/times]
			best := math.Inf(1)
			for range rounds {
				start := time.Now()
				for range times {
					pii.Default().Find(short)
				}
				middle := time.Now()
				pii.Default().Find(long)
				if best = min(best, float64(time.Since(middle))/float64(middle.Sub(start))); best < 2 {
					return
				}
			}
			t.Errorf("a text of %d bytes takes %.1f times as long as %d of %d", len(long), best, times, len(short))
		})
	}
}

// A link adds nothing to a call with nothing to redact but the time to read.
func TestAllocs(t *testing.T) {
	text := english(t, 2000)
	if n := testing.AllocsPerRun(100, func() { pii.Default().Redact(text) }); n > 0 {
		t.Errorf("%v allocations for a text with nothing in it", n)
	}
}
