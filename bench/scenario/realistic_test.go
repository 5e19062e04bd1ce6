package scenario

import (
	"testing"

	"github.com/maillon-go/maillon/bench"
	"github.com/maillon-go/maillon/bench/stack"
)

// What the realistic call is said to do, it does: each one misses the cache and is kept there, and the other plugins see it.
func TestRealisticCallsMissTheCache(t *testing.T) {
	const calls = 40
	w, st := inProduction(stack.Names)
	w.Before()
	for range calls {
		if _, err := w.Handler(t.Context(), new(bench.Payload)); err != nil {
			t.Fatal(err)
		}
	}
	if s := st.Cache.Stats(); s.Misses != calls || s.Stores != calls || s.Hits+s.Skipped != 0 {
		t.Errorf("cache: %+v, want %d misses that are all kept", s, calls)
	}
	if s := st.Audit.Stats(); s.Written < calls {
		t.Errorf("audit: %+v", s)
	}
}
