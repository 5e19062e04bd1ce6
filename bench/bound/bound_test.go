package bound

import (
	"math"
	"testing"

	"github.com/maillon-go/maillon/bench/measure"
	"github.com/maillon-go/maillon/bench/scenario"
)

// script is a meter that knows its ratios: one for each measurement, the last one for all that follow.
type script struct {
	ratios []float64
	allocs map[string]float64
	cpus   int
	speed  float64 // of the denominator's speed-up; zero: 10
	taken  []int   // rounds of each measurement
	kinds  string
}

func (s *script) next(kind string, rounds int) measure.Pair {
	s.kinds += kind
	s.taken = append(s.taken, rounds)
	p := measure.Pair{Ratio: s.ratios[min(len(s.taken), len(s.ratios))-1], Over: 20, Under: 10}
	if s.speed > 0 {
		p.Under = s.speed
	}
	return p
}

func (s *script) Figure(id string, _ int) float64                { return float64(len(id)) }
func (s *script) Memory(id string) (float64, float64)            { return s.allocs[id], 2048 }
func (s *script) Ratio(_, _ string, n int) measure.Pair          { return s.next("r", n) }
func (s *script) Scaling(_, _ string, n int) measure.Pair        { return s.next("s", n) }
func (s *script) CPUs() int                                      { return s.cpus }
func (s *script) Slope(_, _ string, _ Slope, n int) measure.Pair { return s.next("g", n) }

func TestMeasure(t *testing.T) {
	upper := Bound{Name: "x", Over: "a", Under: "b", Limit: 2, Aim: 1.5}
	lower := Bound{Name: "x", Over: "a", Under: "b", AtLeast: true, Limit: 25, Aim: 40, MaxAllocs: Uncounted}
	for _, tc := range []struct {
		name    string
		b       Bound
		m       script
		verdict Verdict
		rounds  []int
		kinds   string
	}{
		{"kept", upper, script{ratios: []float64{1.4}}, OK, []int{Rounds}, "r"},
		{"at the limit", upper, script{ratios: []float64{2}}, Short, []int{Rounds}, "r"},
		{"an aim missed", upper, script{ratios: []float64{1.9}}, Short, []int{Rounds}, "r"},
		{"missed at first only", upper, script{ratios: []float64{2.1, 1.2}}, OK, []int{Rounds, againRounds}, "rr"},
		{"missed", upper, script{ratios: []float64{2.1}}, Missed, []int{Rounds, againRounds, againRounds, againRounds}, "rrrr"},
		{"no number", upper, script{ratios: []float64{math.NaN()}}, Missed, []int{Rounds, againRounds, againRounds, againRounds}, "rrrr"},
		{"allocates", upper, script{ratios: []float64{1}, allocs: map[string]float64{"a": 1}}, Missed, []int{Rounds}, "r"},
		{"a lower bound", lower, script{ratios: []float64{41}, allocs: map[string]float64{"a": 9}}, OK, []int{Rounds}, "r"},
		{"a lower bound, short", lower, script{ratios: []float64{25}}, Short, []int{Rounds}, "r"},
		{"a lower bound, missed", lower, script{ratios: []float64{24.9}}, Missed, []int{Rounds, againRounds, againRounds, againRounds}, "rrrr"},
		{"scaling", Bound{Over: "a", Under: "b", Scaling: true, AtLeast: true, Limit: 0.85}, script{ratios: []float64{0.9}, cpus: 2}, OK, []int{Rounds}, "s"},
		{"scaling on one CPU", Bound{Over: "a", Under: "b", Scaling: true, AtLeast: true, Limit: 0.85}, script{ratios: []float64{0.1}, cpus: 1}, None, nil, ""},
		{
			"scaling where no second CPU is free",
			Bound{Over: "a", Under: "b", Scaling: true, AtLeast: true, Limit: 0.85},
			script{ratios: []float64{1}, cpus: 2, speed: 1.1},
			None,
			[]int{Rounds, againRounds, againRounds, againRounds},
			"ssss",
		},
		{"a slope", Bound{Over: "a", Under: "b", Slope: &Slope{From: "c"}, Limit: 1.2}, script{ratios: []float64{1.3, 1.1}}, OK, []int{Rounds, againRounds}, "gg"},
		{"no ratio", Bound{Over: "a"}, script{}, OK, nil, ""},
		{"beyond another", Bound{Over: "a", Beyond: "c", MaxAllocs: 3}, script{allocs: map[string]float64{"a": 5, "c": 2}}, OK, nil, ""},
		{"beyond another, too much", Bound{Over: "a", Beyond: "c", MaxAllocs: 2}, script{allocs: map[string]float64{"a": 5, "c": 2}}, Missed, nil, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := tc.b.Measure(&tc.m)
			if r.Verdict() != tc.verdict || r.Again != (len(tc.rounds) > 1) {
				t.Errorf("%s, again %v; want %s: %+v", r.Verdict(), r.Again, tc.verdict, r)
			}
			if len(tc.m.taken) != len(tc.rounds) || tc.m.kinds != tc.kinds {
				t.Fatalf("took %v (%s), want %v (%s)", tc.m.taken, tc.m.kinds, tc.rounds, tc.kinds)
			}
			for i, n := range tc.rounds {
				if tc.m.taken[i] != n {
					t.Errorf("took %v, want %v", tc.m.taken, tc.rounds)
				}
			}
		})
	}
}

func TestSlope(t *testing.T) {
	got := Slope{At: [3]int{0, 10, 110}}.pair([3]float64{13, 33, 353})
	if want := (measure.Pair{Ratio: 1.6, Over: 3.2, Under: 2}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Every bound is about cells that there are, and can be missed.
func TestAll(t *testing.T) {
	seen := map[string]bool{}
	groups := map[Group]int{}
	for _, b := range All() {
		ids := []string{b.Over}
		if b.HasRatio() && b.Under[len(b.Under)-1] != '/' {
			ids = append(ids, b.Under)
		}
		if b.Beyond != "" {
			ids = append(ids, b.Beyond)
		}
		if b.Slope != nil {
			ids = append(ids, b.Slope.From)
		}
		for _, id := range ids {
			if _, ok := scenario.Find(id); !ok {
				t.Errorf("%s: no cell %q", b.Name, id)
			}
		}
		if seen[b.Name] || b.HasRatio() && b.Limit == 0 || !b.HasRatio() && !b.CountsAllocs() {
			t.Errorf("a second one, or without a limit: %+v", b)
		}
		seen[b.Name] = true
		groups[b.Group]++
	}
	if groups[Price] != 9 || groups[Peers] < 30 || groups[Growth] != 6 {
		t.Errorf("%v", groups)
	}
}

// TestStopwatch takes one round of everything: what the figures are is for the gate to say.
func TestStopwatch(t *testing.T) {
	s := NewStopwatch()
	hooks, closures := variant("hooks", 10), variant("closures", 10)
	if s.CPUs() < 1 {
		t.Errorf("%d CPUs", s.CPUs())
	}
	if ns := s.Figure(closures, 1); ns <= 0 {
		t.Errorf("closures take %v ns", ns)
	}
	for name, p := range map[string]measure.Pair{
		"ratio":   s.Ratio(hooks, closures, 1),
		"best":    s.Ratio("noop/links=10/plain/maillon compose", "noop/links=10/plain/", 1),
		"scaling": s.Scaling(hooks, closures, 1),
	} {
		if p.Ratio <= 0 || p.Over <= 0 || p.Under <= 0 {
			t.Errorf("%s: %+v", name, p)
		}
	}
	if p := s.Slope(variant("hooks", 76), hooks, Slope{From: variant("hooks", 0), At: [3]int{0, 10, 76}}, 1); p.Over == 0 || p.Under == 0 {
		t.Errorf("slope: %+v", p)
	}
	if n, bytes := s.Memory(variant("rewrite", 10)); n < 10 || bytes < 10*16 {
		t.Errorf("10 rewrites make %v allocations of %v bytes, want one each", n, bytes)
	}
	if best := s.best("noop/links=256/plain/"); best == "" || best == "noop/links=256/plain/eino callbacks" {
		t.Errorf("the best unguarded peer is %q", best)
	}
	defer func() {
		if recover() == nil {
			t.Error("an unknown cell was measured")
		}
	}()
	s.Figure("nobody", 1)
}
