package pii

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// labelled reads a line of the corpus.
func labelled(line string) (text string, spans []Match) {
	line = strings.NewReplacer("¶", "\n", "·", "").Replace(line)
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(line, "⟦")
		b.WriteString(before)
		if !ok {
			return b.String(), spans
		}
		name, rest, _ := strings.Cut(rest, "|")
		value, rest, _ := strings.Cut(rest, "⟧")
		spans = append(spans, Match{name, b.Len(), b.Len() + len(value)})
		b.WriteString(value)
		line = rest
	}
}

func plain(line string) string {
	text, _ := labelled(line)
	return text
}

// score counts for one detector.
type score struct{ right, missed, wrong int }

func (s score) precision() float64 { return share(s.right, s.wrong) }
func (s score) recall() float64    { return share(s.right, s.missed) }

func share(right, other int) float64 {
	if right+other == 0 {
		return 1
	}
	return float64(right) / float64(right+other)
}

// measure compares what is found with the labels. A match counts where detector, start and end are right; pieces of a long
// one count as one.
func measure(tb testing.TB, file string) map[string]*score {
	tb.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	scores := map[string]*score{}
	for _, name := range detectors {
		scores[name] = &score{}
	}
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSuffix(line, "\n"); line == "" || line[0] == '#' {
			continue
		}
		text, want := labelled(line)
		var got []Match
		for _, m := range Default().Find(text) {
			if n := len(got); n > 0 && m.Detector == Secret && got[n-1].Detector == Secret && got[n-1].End == m.Start {
				got[n-1].End = m.End
				continue
			}
			got = append(got, m)
		}
		for _, m := range got {
			if slices.Contains(want, m) {
				scores[m.Detector].right++
			} else {
				scores[m.Detector].wrong++
				tb.Logf("%s: wrong: %s %q in %.100q", file, m.Detector, text[m.Start:m.End], text)
			}
		}
		for _, m := range want {
			if !slices.Contains(got, m) {
				scores[m.Detector].missed++
				tb.Logf("%s: missed: %s %q in %.100q", file, m.Detector, text[m.Start:m.End], text)
			}
		}
	}
	return scores
}

// TestCorpus prints precision and recall, and holds them to floors.
func TestCorpus(t *testing.T) {
	for _, part := range []struct {
		file              string
		precision, recall float64
	}{
		{"testdata/corpus.txt", 0.90, 0.95},
		{"testdata/heldout.txt", 0.90, 0.90},
	} {
		var table strings.Builder
		scores := measure(t, part.file)
		for _, name := range detectors {
			s := scores[name]
			fmt.Fprintf(&table, "%-12s %3d labelled  precision %.3f  recall %.3f\n", name, s.right+s.missed, s.precision(), s.recall())
			if s.right+s.missed == 0 {
				t.Errorf("%s has no text for %s", part.file, name)
			}
			if s.precision() < part.precision || s.recall() < part.recall {
				t.Errorf("%s: %s is below the floors, precision %.2f and recall %.2f: %+v", part.file, name, part.precision, part.recall, *s)
			}
		}
		t.Logf("%s\n%s", part.file, table.String())
	}
}
