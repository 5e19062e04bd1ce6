package chain

import (
	"cmp"
	"fmt"
	"slices"
)

// rank is what constraints cannot overrule.
func (n *node[P]) rank() [3]int { return [3]int{int(n.ring()), int(n.phase()), n.priority} }

// arrange sorts nodes, given a parent's first and else as registered, by ring, phase, priority and scope, and then moves
// links of equal rank as their constraints say. A constraint of a fresh link that cannot be kept is an error; one that a
// later change of a parent broke is dropped and noted.
func arrange[P any](nodes []*node[P], fresh func(*node[P]) bool) (order []*node[P], notes []string, err error) {
	nodes = slices.Clone(nodes)
	slices.SortStableFunc(nodes, func(a, b *node[P]) int {
		ra, rb := a.rank(), b.rank()
		return cmp.Or(slices.Compare(ra[:], rb[:]), cmp.Compare(a.scope, b.scope))
	})
	g := constraints[P]{nodes: nodes, fresh: fresh, waits: make([][]int, len(nodes)), place: make([]float64, len(nodes))}
	for i, n := range nodes {
		if g.place[i] = float64(i); n.mode == Disabled {
			continue
		}
		for _, name := range n.before {
			g.add(name, i, func(j int) (first, second int) { return i, j })
		}
		for _, name := range n.after {
			g.add(name, i, func(j int) (first, second int) { return j, i })
		}
	}
	g.pull()
	g.refuse()
	order = g.sort()
	return order, g.notes, g.err
}

// constraints is the graph of RunsBefore and RunsAfter.
type constraints[P any] struct {
	nodes []*node[P]
	fresh func(*node[P]) bool
	waits [][]int   // waits[i]: the links that i comes after
	pulls [][2]int  // {i, j}: i asked to come before j
	place []float64 // where each link would stand if it could
	some  bool
	notes []string
	err   error
}

func (g *constraints[P]) add(name string, i int, pair func(j int) (first, second int)) {
	found, state := false, "not there"
	for j, m := range g.nodes {
		switch {
		case m.name != name || i == j:
			continue
		case m.mode == Disabled:
			state = "switched off"
			continue
		}
		found = true
		first, second := pair(j)
		a, b := g.nodes[first].rank(), g.nodes[second].rank()
		switch slices.Compare(a[:], b[:]) {
		case 1:
			g.broken(first, second, "%q cannot run before %q: its %s comes later", g.nodes[first].name, g.nodes[second].name,
				[]string{"ring", "phase", "priority"}[slices.IndexFunc([]int{0, 1, 2}, func(k int) bool { return a[k] != b[k] })])
		case 0:
			g.waits[second] = append(g.waits[second], first)
			g.some = true
			if first == i {
				g.pulls = append(g.pulls, [2]int{first, second})
			}
		}
	}
	if !found {
		g.notes = append(g.notes, fmt.Sprintf("%q is ordered against %q, which is %s: no effect", g.nodes[i].name, name, state))
	}
}

func (g *constraints[P]) broken(i, j int, format string, a ...any) {
	msg := fmt.Sprintf(format, a...)
	if g.fresh(g.nodes[i]) || g.fresh(g.nodes[j]) {
		if g.err == nil {
			g.err = fmt.Errorf("chain: %s", msg)
		}
		return
	}
	g.notes = append(g.notes, msg+": dropped")
}

// pull moves the links that asked to come before others to just before them, so that those, which asked for nothing, stay
// where they are.
func (g *constraints[P]) pull() {
	const just = 1e-6
	for range g.pulls { // as often as pulls can follow on each other
		for _, p := range g.pulls {
			g.place[p[0]] = min(g.place[p[0]], g.place[p[1]]-just)
		}
	}
}

// sort takes, again and again, the first in place of the links of the first rank left that wait for nobody.
func (g *constraints[P]) sort() []*node[P] {
	if !g.some {
		return g.nodes
	}
	out := make([]*node[P], 0, len(g.nodes))
	placed := make([]bool, len(g.nodes))
	blocked := func(j int) bool { return !placed[j] }
	for len(out) < len(g.nodes) {
		pick := -1
		rank := g.nodes[slices.Index(placed, false)].rank()
		for i, n := range g.nodes {
			if !placed[i] && n.rank() == rank && !slices.ContainsFunc(g.waits[i], blocked) && (pick < 0 || g.place[i] < g.place[pick]) {
				pick = i
			}
		}
		if pick < 0 {
			pick = g.cycle(placed)
		}
		placed[pick] = true
		out = append(out, g.nodes[pick])
	}
	return out
}

// cycle finds links that wait for each other, and for nobody else, and lets one of them go.
func (g *constraints[P]) cycle(placed []bool) int {
	for i := range g.nodes {
		if placed[i] || slices.ContainsFunc(g.waits[i], func(j int) bool { return !placed[j] && !g.waitsFor(j, i) }) {
			continue
		}
		if j := slices.IndexFunc(g.waits[i], func(j int) bool { return !placed[j] }); j >= 0 {
			g.broken(i, g.waits[i][j], "%q and %q wait for each other", g.nodes[i].name, g.nodes[g.waits[i][j]].name)
			return i
		}
	}
	return slices.Index(placed, false) // not reached: some cycle is the first
}

// refuse finds the fresh links that wait for themselves.
func (g *constraints[P]) refuse() {
	for i, n := range g.nodes {
		if g.fresh(n) && g.waitsFor(i, i) {
			j := g.waits[i][slices.IndexFunc(g.waits[i], func(j int) bool { return g.waitsFor(j, i) })]
			g.broken(i, j, "%q and %q wait for each other", n.name, g.nodes[j].name)
		}
	}
}

// waitsFor says whether i comes after j, directly or over others.
func (g *constraints[P]) waitsFor(i, j int) bool {
	seen := make([]bool, len(g.nodes))
	var search func(i int) bool
	search = func(i int) bool {
		return slices.ContainsFunc(g.waits[i], func(k int) bool {
			if k == j {
				return true
			}
			if seen[k] {
				return false
			}
			seen[k] = true
			return search(k)
		})
	}
	return search(i)
}
