package main

import (
	"math"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, tc := range []struct {
		samples []float64
		want    float64
	}{
		{[]float64{3}, 3},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 1, 1000, 2}, 3},
	} {
		if got := median(tc.samples); got != tc.want {
			t.Errorf("median(%v) = %v, want %v", tc.samples, got, tc.want)
		}
	}
}

func TestAlternate(t *testing.T) {
	var order string
	slow := []float64{1, 1, 50, 1, 1} // a noisy third round, on both sides
	side := func(name string, ns float64) func() float64 {
		round := 0
		return func() float64 {
			order += name
			round++
			return ns * slow[round-1]
		}
	}
	got := alternate(5, side("a", 30), side("b", 10))
	if want := (pair{ratio: 3, overNS: 30, underNS: 10}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if order != "abbaabbaab" {
		t.Errorf("sampled in the order %s", order)
	}
}

func TestHolds(t *testing.T) {
	upper, lower := bound{}, bound{atLeast: true}
	for _, tc := range []struct {
		name         string
		b            bound
		ratio, limit float64
		want         bool
	}{
		{"below an upper limit", upper, 1, 2, true},
		{"at an upper limit", upper, 2, 2, true},
		{"above an upper limit", upper, 2.01, 2, false},
		{"above a lower limit", lower, 3, 2, true},
		{"at a lower limit", lower, 2, 2, true},
		{"below a lower limit", lower, 1.99, 2, false},
		{"no number, upper", upper, math.NaN(), 2, false},
		{"no number, lower", lower, math.NaN(), 2, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := tc.b.holds(tc.ratio, tc.limit); got != tc.want {
				t.Errorf("holds(%v, %v) = %v", tc.ratio, tc.limit, got)
			}
		})
	}
}

// TestStopwatch takes one round of everything: what the figures are is for the gate to say.
func TestStopwatch(t *testing.T) {
	s := newStopwatch()
	hooks, closures, rewrite := work{"hooks", 10}, work{"closures", 10}, work{"rewrite", 10}
	if s.cpus() < 1 {
		t.Errorf("%d CPUs", s.cpus())
	}
	if ns := s.figure(closures, 1); ns <= 0 {
		t.Errorf("closures take %v ns", ns)
	}
	for name, p := range map[string]pair{"ratio": s.ratio(hooks, closures, 1), "scaling": s.scaling(hooks, closures, 1)} {
		if p.ratio <= 0 || p.overNS <= 0 || p.underNS <= 0 {
			t.Errorf("%s: %+v", name, p)
		}
	}
	if n := s.allocs(rewrite); n < 10 {
		t.Errorf("10 rewrites make %v allocations, want one each", n)
	}
	if n := s.bytes(rewrite); n < 10*16 {
		t.Errorf("10 rewrites allocate %v bytes, want those of ten payloads", n)
	}
	if n := s.bytes(closures); n >= 1 {
		t.Errorf("10 closures allocate %v bytes", n)
	}
	defer func() {
		if recover() == nil {
			t.Error("an unknown variant was measured")
		}
	}()
	s.figure(work{"nobody", 1}, 1)
}
