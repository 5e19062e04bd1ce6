package chain

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// A candidate in Audit mode is compared with the link whose place it is for, call by call.
func TestCandidate(t *testing.T) {
	type P = *payload
	block := func(code string) Handler[P] {
		return func(context.Context, P) (P, error) { return nil, Block("no", Code(code)) }
	}
	rewrite := func(s string) Handler[P] {
		return func(_ context.Context, p P) (P, error) { return &payload{text: p.text + s}, nil }
	}
	broken := func(context.Context, P) (P, error) { return nil, errors.New("broken") }
	panics := func(context.Context, P) (P, error) { panic("broken") }
	for _, tc := range []struct {
		name          string
		in, candidate Handler[P]
		disagree      int64
		cases         string
		err           bool
	}{
		{"both allow", nop, nop, 0, "", false},
		{"both block", block("a"), block("b"), 0, "", true},
		{"only the link blocks", block("a"), nop, 1, "allow/block a", true},
		{"only the candidate blocks", nop, block("b"), 1, "block b/allow", false},
		{"only the link rewrites", rewrite("x"), nop, 1, "allow/rewrite", false},
		{"both rewrite, to the same", rewrite("x"), rewrite("x"), 0, "", false},
		{"both rewrite, differently", rewrite("x"), rewrite("y"), 1, "rewrite/rewrite", false},
		{"a block against a rewrite", block("a"), rewrite("y"), 1, "rewrite/block a", true},
		{"the link fails", broken, nop, 0, "", true},
		{"the candidate fails", block("a"), broken, 0, "", true},
		{"the candidate panics", nop, panics, 0, "", false},
	} {
		for _, kind := range []Kind{KindBefore, KindAfter} {
			t.Run(fmt.Sprintf("%s %s", kind, tc.name), func(t *testing.T) {
				hook := Before[P]
				if kind == KindAfter {
					hook = After[P]
				}
				c := New("c", Config[P]{
					Policy: Policy[P]{Equal: func(a, b P) bool { return a.text == b.text }},
					Label:  func(p P) string { return "call " + p.text },
				})
				_, err := c.Use(hook("new", tc.candidate, InMode(Audit), CandidateFor("old")), hook("old", tc.in))
				must(t, err)
				_, err = c.Then(nop)(t.Context(), &payload{text: "1"})
				if (err != nil) != tc.err {
					t.Errorf("error %v", err)
				}
				if err != nil && strings.Contains(err.Error(), "new") {
					t.Errorf("the candidate decided: %v", err)
				}
				st := c.Stats()
				l, _ := st.Link("new")
				if l.Disagreements != tc.disagree || l.Calls != 1 {
					t.Errorf("%+v, want %d disagreements in one call", l, tc.disagree)
				}
				var cases []string
				for _, k := range st.Cases["process/new"] {
					cases = append(cases, k.Candidate+"/"+k.Incumbent)
					if k.Call != "call 1" || k.Payload != nil || k.Time.IsZero() {
						t.Errorf("case %+v", k)
					}
				}
				if got := strings.Join(cases, " "); got != tc.cases {
					t.Errorf("cases %q, want %q", got, tc.cases)
				}
				if text := c.Explain().String(); !strings.Contains(text, "candidate for old") {
					t.Error(text)
				}
			})
		}
	}
}

// While the link that it is for is not there, or the candidate enforces itself, it is a link like any other.
func TestCandidateAlone(t *testing.T) {
	no := func(context.Context, *payload) (*payload, error) { return nil, Block("no", Code("x")) }
	for name, links := range map[string][]Link[*payload]{
		"not there":    {Before("new", no, InMode(Audit), CandidateFor("old"))},
		"switched off": {Before("new", no, InMode(Audit), CandidateFor("old")), Before("old", nop, InMode(Disabled))},
		"another kind": {Before("new", no, InMode(Audit), CandidateFor("old")), After("old", nop)},
		"promoted":     {Before("new", no, CandidateFor("old")), Before("old", nop)},
	} {
		t.Run(name, func(t *testing.T) {
			c := newChain(t, links...)
			_, err := c.Then(nop)(t.Context(), &payload{})
			st := c.Stats()
			l, _ := st.Link("new")
			if name == "promoted" {
				if err == nil || l.Blocks != 1 || len(st.Cases) != 0 {
					t.Errorf("%v, %+v", err, st)
				}
				return
			}
			if err != nil || l.WouldBlocks != 1 || l.Disagreements != 0 || st.Cases["process/new"][0].Candidate != "block x" {
				t.Errorf("%v, %+v", err, st)
			}
		})
	}
	for name, l := range map[string]Link[*payload]{
		"an Around": Around("new", passOn, InMode(Audit), CandidateFor("old")),
		"itself":    Before("new", nop, InMode(Audit), CandidateFor("new")),
	} {
		if _, err := New[*payload]("c").Use(l); err == nil {
			t.Errorf("a candidate that is %s was taken", name)
		}
	}
}

// The sample is bounded and holds the newest calls; contents are in it only if somebody asked for them.
func TestCasesAreBounded(t *testing.T) {
	no := func(context.Context, *payload) (*payload, error) { return nil, Block("no") }
	c := newChain(t, Before("few", no, InMode(Audit), KeepCases(3, true)), Before("none", no, InMode(Audit), KeepCases(0, false)),
		Around("shadow", func(Handler[*payload]) Handler[*payload] { return no }, InMode(Audit)), Before("default", no, InMode(Audit)))
	call := c.Then(nop)
	for i := range 40 {
		_, err := call(t.Context(), &payload{text: fmt.Sprint(i)})
		must(t, err)
	}
	cases := c.Stats().Cases
	if len(cases["process/few"]) != 3 || len(cases["process/none"]) != 0 || len(cases["process/shadow"]) != DefaultCases || len(cases["process/default"]) != DefaultCases {
		t.Errorf("%d, %d, %d, %d", len(cases["process/few"]), len(cases["process/none"]), len(cases["process/shadow"]), len(cases["process/default"]))
	}
	for i, k := range cases["process/few"] {
		if p, ok := k.Payload.(*payload); !ok || p.text != fmt.Sprint(37+i) {
			t.Errorf("case %d is of %v", i, k.Payload)
		}
	}
}

// A candidate that is switched on while calls run never decides before that, and each call is compared or enforced.
func TestCandidateIsPromoted(t *testing.T) {
	old := func(context.Context, *payload) (*payload, error) { return nil, Block("no", Code("old")) }
	novel := func(context.Context, *payload) (*payload, error) { return nil, Block("no", Code("new")) }
	c := newChain(t, Before("old", old, Priority(60)), Before("new", novel, InMode(Audit), CandidateFor("old"), Counted()))
	call := c.Then(nop)
	codes := sync.Map{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				_, err := call(context.Background(), &payload{})
				v, _ := errors.AsType[*Violation](err)
				codes.Store(v.Code, true)
			}
		})
	}
	r, err := c.Use(Override[*payload]("new", InMode(Sequential)))
	must(t, err)
	wg.Wait()
	_, err = call(t.Context(), &payload{})
	if v, _ := errors.AsType[*Violation](err); v == nil || v.Code != "new" {
		t.Errorf("promoted: %v", err)
	}
	r.Remove()
	_, err = call(t.Context(), &payload{})
	if v, _ := errors.AsType[*Violation](err); v == nil || v.Code != "old" {
		t.Errorf("and back: %v", err)
	}
	if l, _ := c.Stats().Link("new"); l.Calls != 4002 {
		t.Errorf("%d calls", l.Calls)
	}
}
