package chain

import (
	"strings"
	"testing"
	"time"
)

// A link takes of Fitting what its kind can have, and Explain says what was left out.
func TestFitting(t *testing.T) {
	all := []Option{InMode(Audit), Priority(7), OnFailure(Fail), Timeout(time.Second), Outer(), Timed(), CandidateFor("old"), nil}
	for _, tc := range []struct {
		name string
		link Link[*payload]
		want PlannedLink
		left []string
	}{
		{
			"a hook", Before("x", nop, Fitting(all...)),
			PlannedLink{Mode: Audit, Priority: 7, OnFailure: Fail, Timeout: time.Second},
			[]string{"Outer is", "Timed is"},
		},
		{
			"an Around", Around("x", passOn, Fitting(all...)),
			PlannedLink{Mode: Audit, Priority: 7, OnFailure: Ignore},
			[]string{"hard timeout", "Timed is", "CandidateFor is", "cannot stop a call"},
		},
		{
			"an observer", Observe("x", ignore, Fitting(all...)),
			PlannedLink{Mode: Sequential, Priority: 7, OnFailure: Ignore, Timeout: time.Second},
			[]string{"mode audit", "Outer is", "CandidateFor is", "cannot stop a call"},
		},
		{
			"in the background", Before("x", nop, Fitting(OnFailure(Fail)), InMode(FireAndForget)),
			PlannedLink{Mode: FireAndForget, Priority: DefaultPriority, OnFailure: Ignore},
			[]string{"cannot stop a call"},
		},
		{
			"an Around whose code says Fail", Around("x", passOn, OnFailure(Fail), Fitting(InMode(Audit))),
			PlannedLink{Mode: Audit, Priority: DefaultPriority, OnFailure: Ignore},
			[]string{"cannot stop a call"},
		},
		{
			"an Around in sequence", Around("x", passOn, Fitting(OnFailure(Fail))),
			PlannedLink{Mode: Sequential, Priority: DefaultPriority, OnFailure: Fail},
			nil,
		},
		{
			"one in the other", Observe("x", ignore, Fitting(Fitting(all...), Priority(8))),
			PlannedLink{Mode: Sequential, Priority: 8, OnFailure: Ignore, Timeout: time.Second},
			[]string{"mode audit"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			plan := newChain(t, tc.link).Explain()
			got := plan.Links[0]
			notes := strings.Join(got.Notes, "\n")
			for _, left := range tc.left {
				if !strings.Contains(notes, "left out: ") || !strings.Contains(notes, left) {
					t.Errorf("no note about %q in\n%s", left, plan)
				}
			}
			if n := strings.Count(notes, "left out"); tc.name != "one in the other" && n != len(tc.left) {
				t.Errorf("%d notes: %s", n, notes)
			}
			eq(t, "mode", got.Mode, tc.want.Mode)
			eq(t, "priority", got.Priority, tc.want.Priority)
			eq(t, "on failure", got.OnFailure, tc.want.OnFailure)
			eq(t, "timeout", got.Timeout, tc.want.Timeout)
		})
	}
}

// What was left out because of the mode is in force again in another: a shadow that is switched on fails closed.
func TestFittingHoldsInAnotherMode(t *testing.T) {
	c := newChain(t, Around("x", passOn, Fitting(OnFailure(Fail), InMode(Audit))))
	eq(t, "as shadow", c.Explain().Links[0].OnFailure, Ignore)
	_, err := c.Use(Override[*payload]("x", InMode(Sequential)))
	must(t, err)
	eq(t, "enforced", c.Explain().Links[0].OnFailure, Fail)
}

// What is wrong for every kind is an error in Fitting too, and what follows it is strict.
func TestFittingRefuses(t *testing.T) {
	for name, l := range map[string]Link[*payload]{
		"unknown mode":                       Observe("x", ignore, Fitting(InMode(17))),
		"negative timeout":                   Before("x", nop, Fitting(Timeout(-1))),
		"mode transform":                     Around("x", passOn, Fitting(InMode(Audit)), InMode(Transform)),
		"cannot stop a call":                 Before("x", nop, Fitting(OnFailure(Ignore)), InMode(FireAndForget), OnFailure(Fail)),
		"OnFailure(Fail): this link cannot":  Around("x", passOn, OnFailure(Fail), InMode(Audit), Fitting(Priority(3))),
		"CandidateFor names the link itself": Before("x", nop, Fitting(CandidateFor("x"))),
	} {
		if _, err := newChain(t).Use(l); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
