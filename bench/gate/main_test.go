package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/bench/bound"
	"github.com/maillon-go/maillon/bench/measure"
)

// script is a meter of a project that keeps all its promises, but for what allocates.
type script struct{ allocates map[string]float64 }

func (script) Figure(string, int) float64 { return 12.5 }

func (s script) Memory(id string) (allocs, bytes float64) { return s.allocates[id], 2048 }

func (script) Ratio(over, under string, _ int) measure.Pair {
	switch {
	case strings.Contains(over, "gobreaker"), strings.Contains(over, "failsafe-go"), strings.Contains(over, "go-kit"):
		return measure.Pair{Ratio: 41, Over: 410, Under: 10}
	}
	return measure.Pair{Ratio: 1, Over: 10, Under: 10}
}

func (script) Scaling(_, _ string, _ int) measure.Pair {
	return measure.Pair{Ratio: 1, Over: 2, Under: 2}
}

func (script) Slope(_, _ string, _ bound.Slope, _ int) measure.Pair {
	return measure.Pair{Ratio: 1.1, Over: 2.2, Under: 2}
}

func (script) CPUs() int { return 2 }

func TestRun(t *testing.T) {
	const hooks, around, request = "variants/links=10/hooks", "variants/links=10/around", "request/links=10/request"
	for _, tc := range []struct {
		name      string
		allocates map[string]float64
		status    int
		want      []string // in the output
		stderr    string
	}{
		{name: "all kept", allocates: map[string]float64{around: 1}, want: []string{
			"ns per call (allocations)", "guarded Around links", "12.5 (1)", "10 hooks / 10 closures", "≤ 2.5", "gobreaker / hooks: block-last, 10", "41.00", "≥ 25",
			"a hook more at 10 to 256", "2.2 and 2.0 ns", "2.00 and 2.00 times as much",
		}},
		{name: "a scope per request is no bound", allocates: map[string]float64{request: 1e6}, want: []string{
			"\nOne scope per request (two links beside 10 shared ones; made, bound, called once and dropped): 12.5 ns, 1000000 allocations, 2048 bytes.\n\n",
		}},
		{name: "a hook allocates", allocates: map[string]float64{hooks: 1}, status: 1, want: []string{"MISSED"}, stderr: "gate: 1 of "},
		{name: "two allocate", allocates: map[string]float64{hooks: 1, around: 2}, status: 1, want: []string{"MISSED"}, stderr: "gate: 2 of "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if status := run(nil, &stdout, &stderr, script{tc.allocates}); status != tc.status {
				t.Errorf("exit status %d, want %d", status, tc.status)
			}
			for _, want := range tc.want {
				if !strings.Contains(stdout.String(), want) {
					t.Errorf("the output lacks %q:\n%s", want, stdout.String())
				}
			}
			if missed := strings.Contains(stdout.String(), "MISSED"); missed != (tc.status != 0) {
				t.Errorf("says MISSED: %v", missed)
			}
			if got := stderr.String(); !strings.HasPrefix(got, tc.stderr) || tc.stderr == "" && got != "" {
				t.Errorf("stderr is %q, want %q", got, tc.stderr)
			}
		})
	}
}

func TestRunRefusesArguments(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if status := run([]string{"hooks"}, &stdout, &stderr, script{}); status != 2 || stderr.Len() == 0 || stdout.Len() != 0 {
		t.Errorf("status %d, stdout %q, stderr %q", status, stdout.String(), stderr.String())
	}
}
