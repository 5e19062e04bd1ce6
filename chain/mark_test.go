package chain

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
)

// What a link says of itself by Mark, and that it is an Interceptor, arrives in Explain as text and as JSON.
func TestMarksInExplain(t *testing.T) {
	c := newChain(t,
		Before("plain", nop), Before("marked", nop, Mark("b", 2), Mark("a", 7), Mark("b", 3)),
		Around("looks", passOn), Intercept[*payload]("blind", func(ctx context.Context, next func(context.Context) error) error { return next(ctx) }),
	)
	_, err := c.Use(Override[*payload]("plain", Mark("a", 1)))
	must(t, err)
	plan := c.Explain()
	b, err := plan.JSON()
	must(t, err)
	var back Plan
	must(t, json.Unmarshal(b, &back))
	for _, p := range []Plan{plan, back} {
		by := map[string]PlannedLink{}
		for _, l := range p.Links {
			by[l.Name] = l
		}
		eq(t, "marked", by["marked"].Marks["a"]*10+by["marked"].Marks["b"], 73)
		eq(t, "marks of the marked", len(by["marked"].Marks), 2)
		eq(t, "by an override", by["plain"].Marks["a"], 1)
		eq(t, "an Around", by["looks"].Interceptor, false)
		eq(t, "an Interceptor", by["blind"].Interceptor, true)
		eq(t, "text", strings.Contains(p.String(), "a=7, b=3"), true)
	}
	plan.Links[0].Marks["a"] = 99
	eq(t, "Explain's own copy", c.Explain().Links[0].Marks["a"] == 99, false)
}

// The options of a link and of its copies by With do not share their marks.
func TestMarksAreNotShared(t *testing.T) {
	a := Before("a", nop, Mark("n", 1))
	b := a.With(Mark("n", 2), Mark("m", 1)).Named("b")
	plan := newChain(t, a, b).Explain()
	eq(t, "first", plan.Links[0].Marks["n"]+10*len(plan.Links[0].Marks), 11)
	eq(t, "second", plan.Links[1].Marks["n"]+10*len(plan.Links[1].Marks), 22)
}
