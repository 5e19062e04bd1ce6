package policy

import (
	"os"
	"strings"
	"testing"
)

// The corpus was written for this package: people's attempts, and harmless texts that look like them. The heuristics were made
// with the first part of it in view. The held-out part was written after them and is measured once for each version of them; whoever
// changes the heuristics does so without looking at it, or writes another one.
func TestInjectionCorpus(t *testing.T) {
	s := newScanner(nil, true)
	total := 0
	for _, part := range []struct {
		prefix            string
		precision, recall float64 // at least
	}{
		{"", 0.95, 0.92},
		{"heldout_", 0.85, 0.65},
	} {
		count := func(file string) (found, passed int) {
			b, err := os.ReadFile("testdata/" + part.prefix + file)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(b)) {
				if _, is := s.scan(strings.TrimSuffix(line, "\n"), 0, Input, ""); is {
					found++
				} else {
					passed++
				}
				total++
			}
			return found, passed
		}
		found, missed := count("attacks.txt")
		alarms, _ := count("benign.txt")
		precision, recall := float64(found)/float64(found+alarms), float64(found)/float64(found+missed)
		t.Logf("%sattacks.txt: precision %.3f, recall %.3f (%d found, %d missed, %d false alarms)", part.prefix, precision, recall, found, missed, alarms)
		if precision < part.precision || recall < part.recall {
			t.Errorf("%sattacks.txt: precision is to be %.2f, recall %.2f", part.prefix, part.precision, part.recall)
		}
	}
	if total < 200 {
		t.Errorf("the corpus has %d texts", total)
	}
}
