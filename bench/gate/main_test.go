package main

import (
	"bytes"
	"strings"
	"testing"
)

// script is a meter that knows its figures.
type script struct {
	ratios    map[string][]float64 // by "over > under": first and second measurement
	scalings  []float64
	allocated map[work]float64
	oneCPU    bool
	taken     []string
}

func (s *script) figure(work, int) float64 { return 12.5 }
func (s *script) allocs(w work) float64    { return s.allocated[w] }
func (s *script) bytes(work) float64       { return 2048 }

func (s *script) cpus() int {
	if s.oneCPU {
		return 1
	}
	return 2
}

func (s *script) ratio(over, under work, rounds int) pair {
	key := over.String() + " > " + under.String()
	s.taken = append(s.taken, key)
	return pair{ratio: next(s.ratios, key, rounds), overNS: 20, underNS: 10}
}

func (s *script) scaling(_, _ work, rounds int) pair {
	s.taken = append(s.taken, "scaling")
	return pair{ratio: next(map[string][]float64{"": s.scalings}, "", rounds), overNS: 1.9, underNS: 2}
}

func next(of map[string][]float64, key string, rounds int) float64 {
	all := of[key]
	if rounds > ratioRounds && len(all) > 1 {
		return all[1]
	}
	return all[0]
}

// good is a project that keeps all its promises, and all its aims.
func good() *script {
	return &script{
		ratios: map[string][]float64{
			"hooks/links=10 > closures/links=10":   {1.9},
			"hooks/links=76 > closures/links=76":   {1.1},
			"gobreaker/links=10 > hooks/links=10":  {41},
			"around/links=10 > closures/links=10":  {14},
			"compose/links=10 > closures/links=10": {1},
			"scoped/links=10 > hooks/links=10":     {1.01},
		},
		scalings:  []float64{0.99},
		allocated: map[work]float64{{"around", 10}: 1, {"request", 10}: 30},
	}
}

func TestRun(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*script)
		status int
		want   string // in the table
		stderr string
	}{
		{name: "all kept", change: func(*script) {}, want: "1.90  "},
		{name: "an aim missed", change: func(s *script) { s.ratios["hooks/links=10 > closures/links=10"] = []float64{2.4} }, want: "ok, short of the aim"},
		{
			name:   "an upper bound missed",
			change: func(s *script) { s.ratios["hooks/links=76 > closures/links=76"] = []float64{1.4, 1.31} },
			status: 1, want: "MISSED (measured again)", stderr: "1 of 9 bounds missed",
		},
		{
			name:   "a lower bound missed",
			change: func(s *script) { s.ratios["gobreaker/links=10 > hooks/links=10"] = []float64{24} },
			status: 1, want: "MISSED (measured again)", stderr: "1 of 9 bounds missed",
		},
		{
			name:   "missed at first only",
			change: func(s *script) { s.ratios["scoped/links=10 > hooks/links=10"] = []float64{1.3, 1.1} },
			want:   "ok (measured again)",
		},
		{name: "scaling missed", change: func(s *script) { s.scalings = []float64{0.8, 0.84} }, status: 1, want: "MISSED", stderr: "1 of 9"},
		{name: "scaling on one CPU", change: func(s *script) { s.oneCPU, s.scalings = true, []float64{0.1} }, want: "not measured: one CPU"},
		{name: "a hook allocates", change: func(s *script) { s.allocated[work{"hooks", 10}] = 1 }, status: 1, want: "MISSED", stderr: "1 of 9"},
		{name: "arounds allocate twice", change: func(s *script) { s.allocated[work{"around", 10}] = 2 }, status: 1, want: "MISSED", stderr: "1 of 9"},
		{
			name: "an instruction allocates", status: 1, want: "MISSED", stderr: "1 of 9",
			change: func(s *script) { s.allocated[work{"instruct", 0}], s.allocated[work{"direct", 0}] = 33, 2 },
		},
		{
			name: "an instruction's model allocates", want: "30      30",
			change: func(s *script) { s.allocated[work{"instruct", 0}], s.allocated[work{"direct", 0}] = 33, 3 },
		},
		{name: "an empty chain allocates", change: func(s *script) { s.allocated[work{"hooks", 0}] = 1 }, status: 1, want: "MISSED", stderr: "1 of 9"},
		{
			name: "two missed",
			change: func(s *script) {
				s.ratios["hooks/links=10 > closures/links=10"] = []float64{3}
				s.ratios["compose/links=10 > closures/links=10"] = []float64{1.2}
			},
			status: 1, want: "MISSED", stderr: "2 of 9 bounds missed",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := good()
			tc.change(m)
			var stdout, stderr bytes.Buffer
			if status := run(nil, &stdout, &stderr, m); status != tc.status {
				t.Errorf("exit status %d, want %d", status, tc.status)
			}
			if !strings.Contains(stdout.String(), tc.want) {
				t.Errorf("the table lacks %q:\n%s", tc.want, stdout.String())
			}
			if tc.status == 0 && strings.Contains(stdout.String(), "MISSED") {
				t.Errorf("the table says MISSED:\n%s", stdout.String())
			}
			if got := stderr.String(); !strings.Contains(got, tc.stderr) || tc.stderr == "" && got != "" {
				t.Errorf("stderr is %q, want %q", got, tc.stderr)
			}
		})
	}
}

func TestRunMeasuresAgainOnlyWhatMissed(t *testing.T) {
	m := good()
	m.ratios["compose/links=10 > closures/links=10"] = []float64{1.2, 1.2}
	var out bytes.Buffer
	if status := run(nil, &out, &out, m); status != 1 {
		t.Errorf("exit status %d, want 1", status)
	}
	times := map[string]int{}
	for _, key := range m.taken {
		times[key]++
	}
	for key, n := range times {
		want := 1
		if strings.HasPrefix(key, "compose") {
			want = 1 + attempts
		}
		if n != want {
			t.Errorf("%s was measured %d times, want %d", key, n, want)
		}
	}
}

func TestRunMarkdown(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if status := run([]string{"-markdown"}, &stdout, &stderr, good()); status != 0 {
		t.Fatalf("exit status %d: %s", status, stderr.String())
	}
	for _, line := range []string{
		"| ns per call (allocations) | 0 links | 1 link | 10 links | 76 links | per link |",
		"|---|--:|--:|--:|--:|--:|",
		"| guarded Around links | 12.5 (0) | 12.5 (0) | 12.5 (1) | 12.5 (0) | 0.0 |",
		"| 10 hooks / 10 closures | 1.90 | ≤ 2.5 | 0 | 0 |",
		"| gobreaker on 10 links / 10 hooks | 41.00 | ≥ 25 | - | - |",
		"| a chain with no links | 12.5 ns | - | 0 | 0 |",
	} {
		if !strings.Contains(stdout.String(), line+"\n") {
			t.Errorf("lacks %q:\n%s", line, stdout.String())
		}
	}
}

// A scope per request is reported in both forms, and its price is no bound.
func TestRunReportsAScopePerRequest(t *testing.T) {
	for _, args := range [][]string{nil, {"-markdown"}} {
		m := good()
		m.allocated[work{"request", 10}] = 1e6
		var stdout, stderr bytes.Buffer
		if status := run(args, &stdout, &stderr, m); status != 0 {
			t.Errorf("run(%q): exit status %d: %s", args, status, stderr.String())
		}
		const want = "\nOne scope per request (two links beside 10 shared ones; made, bound, called once and dropped): 12.5 ns, 1000000 allocations, 2048 bytes.\n\n"
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("run(%q) lacks %q:\n%s", args, want, stdout.String())
		}
	}
}

func TestRunRefusesArguments(t *testing.T) {
	for _, args := range [][]string{{"-nothing"}, {"hooks"}} {
		var stdout, stderr bytes.Buffer
		if status := run(args, &stdout, &stderr, good()); status != 2 || stderr.Len() == 0 || stdout.Len() != 0 {
			t.Errorf("run(%q): status %d, stdout %q, stderr %q", args, status, stdout.String(), stderr.String())
		}
	}
}
