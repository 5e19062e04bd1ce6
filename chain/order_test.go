package chain

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// named is the names of the links in the order of Explain.
func named(p Plan) string {
	var names []string
	for _, l := range p.Links {
		names = append(names, l.Name)
	}
	return strings.Join(names, " ")
}

func TestRings(t *testing.T) {
	var s steps
	c := newChain(t,
		Observe("see", s.observer("see")), After("out", s.hook("out")), Around("inner", s.around("inner")),
		Before("in", s.hook("in")), Around("outer", s.around("outer"), Outer()), OnError("err", s.observer("err")),
	)
	_, err := c.Then(s.hook("handler"))(bg, &payload{})
	must(t, err)
	eq(t, "behaviour 10: rings", s.take(), "outer> in inner> handler <inner out <outer see")
	eq(t, "behaviour 43: the plan says so too", named(c.Explain()), "outer in inner out see err")
}

func TestPriority(t *testing.T) {
	links := []Link[*payload]{
		Before("d1", nop), Before("p60", nop, Priority(60)), Before("p-5", nop, Priority(-5)), Before("d2", nop), Before("p10", nop, Priority(10)),
		Before("d3", nop, Priority(DefaultPriority)),
	}
	want := "p-5 p10 d1 d2 d3 p60"
	c := newChain(t, links...)
	eq(t, "behaviour 9: lower first, default 50, ties by registration", named(c.Explain()), want)

	for range 20 { // behaviour 9: whatever the order of registration
		rand.Shuffle(len(links), func(i, j int) { links[i], links[j] = links[j], links[i] })
		var ties []string
		for _, l := range links {
			if strings.HasPrefix(l.Name(), "d") {
				ties = append(ties, l.Name())
			}
		}
		c := New[*payload]("t")
		for _, l := range links {
			_, err := c.Use(l)
			must(t, err)
		}
		want := "p-5 p10 " + strings.Join(ties, " ") + " p60"
		eq(t, "order", named(c.Explain()), want)
		must(t, c.Close(bg))
	}
}

func TestPriorityOfArounds(t *testing.T) {
	var s steps
	c := newChain(t,
		Around("i60", s.around("i60"), Priority(60)), Around("i40", s.around("i40"), Priority(40)),
		Around("o60", s.around("o60"), Priority(60), Outer()), Around("o40", s.around("o40"), Priority(40), Outer()),
		After("a60", s.hook("a60"), Priority(60)), After("a40", s.hook("a40"), Priority(40)),
		Observe("s60", s.observer("s60"), Priority(60)), Observe("s40", s.observer("s40"), Priority(40)),
	)
	_, err := c.Then(nop)(bg, &payload{})
	must(t, err)
	eq(t, "behaviour 9: Arounds nest, After hooks run in order", s.take(),
		"o40> o60> i40> i60> <i60 <i40 a40 a60 <o60 <o40 s40 s60")
}

func TestPhaseBeatsPriority(t *testing.T) {
	var links []Link[*payload]
	for i, m := range []Mode{FireAndForget, Concurrent, Audit, Transform, Sequential} {
		links = append(links, Before(m.String(), nop, InMode(m), Priority(i)))
	}
	c := newChain(t, links...)
	eq(t, "behaviour 10", named(c.Explain()), "sequential transform audit concurrent fire_and_forget")
}

func TestTiesAreStable(t *testing.T) {
	c := newChain(t)
	set := func() []Link[*payload] { return []Link[*payload]{Before("r1", nop), Before("r2", nop)} }
	_, err := c.Use(Before("u1", nop))
	must(t, err)
	must(t, c.Reload(set()...))
	_, err = c.Use(Before("u2", nop))
	must(t, err)
	s, err := c.Scope(Before("s", nop))
	must(t, err)
	const want = "u1 r1 r2 u2 s"
	eq(t, "behaviour 9: a parent's first", named(s.Explain()), want)
	for range 5 {
		must(t, c.Reload(set()...))
		eq(t, "behaviour 9: stable over reloads", named(s.Explain()), want)
	}
}

func TestConstraints(t *testing.T) {
	for _, tc := range []struct {
		name  string
		links []Link[*payload] // beside a, b, c, all of priority 50
		pairs []string         // of links, the first of which comes first
		says  []string         // what the error says instead
	}{
		{"behaviour 12: RunsBefore", []Link[*payload]{Before("x", nop, RunsBefore("b"))}, []string{"x b", "a b", "a c"}, nil},
		{"behaviour 12: RunsAfter moves another one", []Link[*payload]{Before("x", nop, RunsBefore("a")), Before("y", nop, RunsAfter("x"))}, []string{"x a", "x y"}, nil},
		{"behaviour 12: both", []Link[*payload]{Before("x", nop, RunsAfter("a"), RunsBefore("b"))}, []string{"a x", "x b"}, nil},
		{"behaviour 12: several names", []Link[*payload]{Before("x", nop, RunsBefore("a", "c"))}, []string{"x a", "x c", "a c"}, nil},
		{"behaviour 12: satisfied by rank", []Link[*payload]{Before("x", nop, Priority(1), RunsBefore("a"))}, []string{"x a", "a b", "b c"}, nil},
		{"behaviour 12: across rings", []Link[*payload]{Around("x", passOn, RunsAfter("a"))}, []string{"a x", "a b", "b c"}, nil},
		{"behaviour 12: name not there", []Link[*payload]{Before("x", nop, RunsBefore("nobody"))}, []string{"a b", "b c", "c x"}, nil},
		{"behaviour 12: its own name", []Link[*payload]{Before("x", nop, RunsBefore("x"))}, []string{"a b", "b c", "c x"}, nil},
		{"behaviour 12: against priority", []Link[*payload]{Before("x", nop, Priority(60), RunsBefore("a"))}, nil, []string{`"x"`, `"a"`, "priority"}},
		{"behaviour 12: against phase", []Link[*payload]{Before("x", nop, InMode(Audit), Priority(1), RunsBefore("a"))}, nil, []string{`"x"`, `"a"`, "phase"}},
		{"behaviour 12: against ring", []Link[*payload]{After("x", nop, RunsBefore("a"))}, nil, []string{`"x"`, `"a"`, "ring"}},
		{"behaviour 12: cycle of two", []Link[*payload]{Before("x", nop, RunsBefore("y")), Before("y", nop, RunsBefore("x"))}, nil, []string{`"x"`, `"y"`, "wait for each other"}},
		{"behaviour 12: contradiction on one link", []Link[*payload]{Before("x", nop, RunsBefore("a"), RunsAfter("a"))}, nil, []string{`"x"`, `"a"`}},
		{"behaviour 12: cycle of three", []Link[*payload]{Before("x", nop, RunsBefore("y")), Before("y", nop, RunsBefore("z")), Before("z", nop, RunsBefore("x"))}, nil, []string{"wait for each other"}},
		{"behaviour 12: cycle through old links", []Link[*payload]{Before("x", nop, RunsBefore("old1"), RunsAfter("old2"))}, nil, []string{"wait for each other"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newChain(t, Before("a", nop), Before("b", nop), Before("c", nop))
			before := "a b c"
			if strings.Contains(tc.name, "old links") {
				_, err := c.Use(Before("old1", nop, RunsBefore("old2")), Before("old2", nop))
				must(t, err)
				before += " old1 old2"
			}
			_, err := c.Use(append([]Link[*payload]{Around("extra", passOn)}, tc.links...)...)
			if tc.says == nil {
				must(t, err)
				order := strings.Fields(named(c.Explain()))
				for _, pair := range tc.pairs {
					first, second, _ := strings.Cut(pair, " ")
					if slices.Index(order, first) >= slices.Index(order, second) {
						t.Errorf("order %v: %s does not run before %s", order, first, second)
					}
				}
				return
			}
			if err == nil {
				t.Fatal("no error, and the order is", named(c.Explain()))
			}
			for _, part := range tc.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error does not say %s: %v", part, err)
				}
			}
			eq(t, "behaviour 12: all or nothing", named(c.Explain()), before)
		})
	}
}

func TestInertConstraintIsShown(t *testing.T) {
	c := newChain(t, Before("x", nop, RunsBefore("nobody")))
	eq(t, "behaviour 12: notes", fmt.Sprint(c.Explain().Notes), `["x" is ordered against "nobody", which is not there: no effect]`)
	if !strings.Contains(c.Explain().String(), "nobody") {
		t.Error("the text does not show it")
	}
	_, err := c.Use(Before("nobody", nop))
	must(t, err)
	eq(t, "in effect", len(c.Explain().Notes), 0)
}

func TestParentChangeDropsAChildsConstraint(t *testing.T) {
	c := newChain(t)
	s, err := c.Scope(Before("x", nop, RunsBefore("late")))
	must(t, err)
	h := s.Then(nop)
	_, err = c.Use(Before("late", nop, Priority(1)))
	must(t, err)
	eq(t, "order", named(s.Explain()), "late x")
	if n := s.Explain().Notes; len(n) != 1 || !strings.Contains(n[0], "dropped") {
		t.Errorf("notes %v", n)
	}
	_, err = h(bg, &payload{})
	must(t, err)

	// a cycle that a parent closes
	s, err = c.Scope(Before("y", nop, RunsBefore("p1"), RunsAfter("p2")))
	must(t, err)
	_, err = c.Use(Before("p1", nop, RunsBefore("p2")), Before("p2", nop))
	must(t, err)
	if n := s.Explain().Notes; len(n) != 1 || !strings.Contains(n[0], "dropped") {
		t.Errorf("notes %v", n)
	}
	_, err = s.Then(nop)(bg, &payload{})
	must(t, err)
}
