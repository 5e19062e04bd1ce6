package scenario

import (
	"testing"

	"github.com/maillon-go/maillon/bench"
	"github.com/maillon-go/maillon/session"
)

// An instruction alone is to be measured with nobody else there, so a crowd must be gone when its sample is over.
func TestCrowdLeavesAfterEachSample(t *testing.T) {
	c := crowd{n: 3, pipeline: bench.Watched(1)}
	var seen []*session.Session
	for range 2 {
		c.open()
		if len(c.all) != 3 {
			t.Fatalf("%d sessions are open, want 3", len(c.all))
		}
		seen = append(seen, c.all...)
		c.close()
	}
	for _, s := range seen {
		if _, err := s.Instruct(t.Context(), bench.Question); err == nil {
			t.Error("a session is still open")
		}
	}
	w := among(2)
	if w.Before == nil || w.Done == nil {
		t.Error("nobody opens and closes the crowd of each sample")
	}
}
