package chain

import (
	"strings"
	"testing"
	"time"
)

func TestPlanDiff(t *testing.T) {
	plan := func(links ...Link[*payload]) Plan { return newChain(t, links...).Explain() }
	a, b, c := Before("a", nop), Before("b", nop), Before("c", nop)
	for name, tc := range map[string]struct {
		old, now Plan
		want     string
	}{
		"nothing":    {plan(a, b), plan(a, b), ""},
		"both empty": {plan(), plan(), ""},
		"added":      {plan(a), plan(a, b), "+ t: process/b (before, sequential, priority 50, on failure fail)"},
		"removed":    {plan(a, b), plan(b), "- t: process/a"},
		"changed": {
			plan(a), plan(a.With(InMode(Audit), Priority(3), Timeout(time.Second))),
			"~ t: process/a (mode: sequential -> audit, priority: 50 -> 3, on failure: fail -> ignore, timeout: 0s -> 1s)",
		},
		"another kind":             {plan(a), plan(Around("a", passOn)), "~ t: process/a (kind: before -> around, ring: in -> inner)"},
		"moved, one of three":      {plan(a, b, c), plan(c, a, b), "> t: process/c"},
		"moved and one came":       {plan(a, b), plan(c, b, a), "+ t: process/c (before, sequential, priority 50, on failure fail)|> t: process/a"},
		"from nothing":             {Plan{}, plan(a), "+ t: process/a (before, sequential, priority 50, on failure fail)"},
		"to nothing":               {plan(a), Plan{}, "- t: process/a"},
		"priority that moves, too": {plan(a, b), plan(b, a.With(Priority(60))), "~ t: process/a (priority: 50 -> 60)"},
	} {
		t.Run(name, func(t *testing.T) {
			var lines []string
			for _, d := range tc.old.Diff(tc.now) {
				lines = append(lines, d.String())
			}
			if got := strings.Join(lines, "|"); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}
