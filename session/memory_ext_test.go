package session_test

import (
	"context"
	"runtime"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// What a loop takes grows with its length and not with the square of it, also where a hook sees each repair.
func TestLongLoopsTakeLinearMemory(t *testing.T) { //nolint:paralleltest // it measures
	for _, tc := range []struct {
		name  string
		setup func(*stages.Pipeline) error
	}{
		{"without hooks", func(*stages.Pipeline) error { return nil }},
		{"with a hook at sampling_repair", rewriteOut(ofRepair, func(r *stages.Repair) *stages.Repair { return r })},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := start(t, session.WithBackend(script()), session.WithSetup(tc.setup), session.WithSetup(
				answering(ofGeneration, func(g *stages.Generation) *stages.Generation {
					return g.Done(stages.GenerationResult{Output: stages.Output{Text: "no"}})
				})))
			bytes := func(budget int) uint64 {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				res, err := s.Instruct(t.Context(), "hello", session.LoopBudget(budget), session.Require(mentions("yes")))
				runtime.ReadMemStats(&after)
				if err != nil || res.Attempts.Len() != budget {
					t.Fatalf("got %v, %v", res, err)
				}
				return after.TotalAlloc - before.TotalAlloc
			}
			bytes(10)
			const short, long = 100, 1000
			a, b := bytes(short)/short, bytes(long)/long
			if b > 2*a {
				t.Errorf("%d bytes for each of %d tries, %d for each of %d", a, short, b, long)
			}
		})
	}
}

// The past that a repair hook sees stays as it was.
func TestPastOfARepair(t *testing.T) {
	t.Parallel()
	var seen []*stages.Repair
	s := start(t, session.WithBackend(script(answer("a"), answer("b"), answer("c"), answer("d"), answer("e"))))
	use(t, s.Pipeline().Repair, chain.After("see", func(_ context.Context, r *stages.Repair) (*stages.Repair, error) {
		seen = append(seen, r)
		return r, nil
	}))
	res, err := s.Instruct(t.Context(), "hello", session.LoopBudget(5), session.Require(mentions("yes")))
	if err != nil || res.Attempts.Len() != 5 || len(seen) != 4 {
		t.Fatalf("got %v, %v, %d repairs", res, err, len(seen))
	}
	const all = "abcde"
	for i, r := range seen {
		got := ""
		for _, a := range r.Past().All() {
			got += a.Result.Text
		}
		if got != all[:i] || r.Failed().Result.Text != all[i:i+1] || r.Number() != i+1 {
			t.Errorf("repair %d saw %q before %q", r.Number(), got, r.Failed().Result.Text)
		}
	}
}
