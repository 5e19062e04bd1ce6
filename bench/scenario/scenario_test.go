package scenario_test

import (
	"errors"
	"testing"
	"time"

	"github.com/maillon-go/maillon/bench"
	"github.com/maillon-go/maillon/bench/measure"
	"github.com/maillon-go/maillon/bench/scenario"
)

// Every cell has a name of its own, by which it is found, and does its work again and again: a breaker that opened after a
// few errors would change what a call returns.
func TestEveryCellDoesItsWork(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range scenario.All() {
		if s.Doc == "" || len(s.Cells) == 0 {
			t.Errorf("%s: %q, %d cells", s.Name, s.Doc, len(s.Cells))
		}
		for _, c := range s.Cells {
			if found, ok := scenario.Find(c.ID()); !ok || found.ID() != c.ID() || seen[c.ID()] {
				t.Errorf("%s: found %v, seen before: %v", c.ID(), ok, seen[c.ID()])
			}
			seen[c.ID()] = true
			t.Run(c.ID(), func(t *testing.T) {
				w := c.Build()
				if w.Before != nil {
					w.Before()
				}
				in := new(bench.Payload)
				for range 20 {
					out, err := w.Handler(t.Context(), in)
					switch {
					case !errors.Is(err, w.Fails):
						t.Fatalf("returned %v, want %v", err, w.Fails)
					case w.Fails != nil:
					case s.Name == "rewrite" && out.Text() != "rewritten":
						t.Fatalf("the payload is %q", out.Text())
					case s.Name != "rewrite" && s.Name != "variants" && out != in:
						t.Fatal("another payload")
					}
				}
				if w.After != nil {
					w.After()
				}
				if w.Done != nil {
					w.Done()
				}
				if ns := measure.NewSampler(w, time.Microsecond).NS(); ns <= 0 {
					t.Errorf("%v ns per call", ns)
				}
			})
		}
	}
	for _, id := range []string{"", "noop/links=10/guarded", "noop/links=11/guarded/gobreaker"} {
		if _, ok := scenario.Find(id); ok {
			t.Errorf("found %q", id)
		}
	}
}
