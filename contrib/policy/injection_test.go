package policy

import (
	"os"
	"strings"
	"testing"
)

// The corpus was written for this package: people's attempts and harmless texts that look like them. Each third line is held
// out: the words of the heuristics were chosen without looking at it.
func TestInjectionCorpus(t *testing.T) {
	s := newScanner(nil, true)
	total := 0
	for _, held := range []bool{false, true} {
		var truePositive, falsePositive, falseNegative int
		each := func(file string, f func(line string, found bool)) {
			b, err := os.ReadFile("testdata/" + file)
			if err != nil {
				t.Fatal(err)
			}
			for i, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
				if (i%3 == 2) == held {
					total++
					_, found := s.scan(line, 0, Input, "")
					f(line, found)
				}
			}
		}
		each("attacks.txt", func(line string, found bool) {
			if found {
				truePositive++
			} else {
				falseNegative++
				t.Logf("missed: %s", line)
			}
		})
		each("benign.txt", func(line string, found bool) {
			if found {
				falsePositive++
				t.Logf("false alarm: %s", line)
			}
		})
		precision := float64(truePositive) / float64(truePositive+falsePositive)
		recall := float64(truePositive) / float64(truePositive+falseNegative)
		t.Logf("held out: %v: precision %.3f, recall %.3f (%d found, %d missed, %d false alarms)", held, precision, recall, truePositive, falseNegative, falsePositive)
		if precision < 0.95 || recall < 0.80 {
			t.Errorf("held out: %v: precision %.3f is to be 0.95, recall %.3f is to be 0.80", held, precision, recall)
		}
	}
	if total < 200 {
		t.Errorf("the corpus has %d texts", total)
	}
}
