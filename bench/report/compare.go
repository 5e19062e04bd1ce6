package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/maillon-go/maillon/bench/bound"
	"github.com/maillon-go/maillon/bench/peers"
	"github.com/maillon-go/maillon/bench/scenario"
)

// Peers is what ten steps that do nothing cost in each peer, in each grade, and what it does for that.
func (r Results) Peers() Table {
	t := Table{Head: []string{"ten steps, ns per call (allocations)", "plain", "recovering", "guarded", "version", "does"}}
	for _, p := range peers.All {
		row := []string{p.Name}
		for _, g := range peers.Grades {
			if p.Ours && g == peers.Recovering && p.Builds[g] != nil {
				g = peers.Guarded // there is no lesser form
			}
			row = append(row, r.cost("noop", 10, g, p.Name))
		}
		t.Rows = append(t.Rows, append(row, r.version(p), p.Does))
	}
	return t
}

// compared are the scenarios in which all peers do the same.
var compared = []struct {
	scenario string
	links    int
}{
	{"noop", 0},
	{"noop", 1},
	{"noop", 10},
	{"noop", 76},
	{"noop", 256},
	{"rewrite", 10},
	{"block-first", 10},
	{"block-last", 10},
	{"backend-error", 10},
	{"parallel", 10},
}

// Grade is every scenario in each peer of a grade. Ours are in the guarded table, and Compose is in the plain one.
func (r Results) Grade(g peers.Grade) Table {
	t := Table{Head: []string{"ns per call (allocations)"}}
	var who []peers.Peer
	for _, p := range peers.All {
		if p.Builds[g] != nil {
			who = append(who, p)
			t.Head = append(t.Head, p.Name)
		}
	}
	for _, c := range compared {
		row := []string{fmt.Sprintf("%s, %s", c.scenario, linkCount(c.links))}
		for _, p := range who {
			grade := g
			if p.Ours && g == peers.Recovering {
				grade = peers.Guarded
			}
			row = append(row, r.cost(c.scenario, c.links, grade, p.Name))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// Scenario is all cells of one, each in a row.
func (r Results) Scenario(name string) Table {
	t := Table{Head: []string{"who", "grade", "links", "ns per call (allocations)", "95 %"}}
	for _, c := range r.of(name) {
		grade := c.Grade
		if grade == "" {
			grade = none
		}
		t.Rows = append(t.Rows, []string{c.Peer, grade, fmt.Sprint(c.Links), cost(c), spread(c)})
	}
	return t
}

// Several is the cells of a few small scenarios.
func (r Results) Several(names ...string) Table {
	t := Table{Head: []string{"scenario", "who", "grade", "ns per call (allocations)", "95 %"}}
	for _, name := range names {
		for _, row := range r.Scenario(name).Rows {
			t.Rows = append(t.Rows, []string{name, row[0], row[1], row[3], row[4]})
		}
	}
	return t
}

// series are what grows, by the scenario and the peer whose cells they are.
var series = []struct{ scenario, peer, what string }{
	{"variants", "closures", "links: closures by hand"},
	{"variants", "compose", "links: chain.Compose"},
	{"variants", "hooks", "links: hooks"},
	{"variants", "around", "links: arounds"},
	{"disabled", "hooks", "disabled links beside 10 hooks"},
	{"history", "single", "messages before an instruction, not shown to the model"},
	{"history", "chat", "messages before an instruction, shown to the model"},
	{"sessions", "session", "open sessions, per instruction of one"},
}

// Growth is what a call costs with few and with many, and what one more costs by a fit through all.
func (r Results) Growth() Table {
	t := Table{Head: []string{"what there are many of", "at", "ns per call", "at", "ns per call", "one more, fitted"}}
	for _, s := range series {
		cells := r.series(s.scenario, s.peer)
		if len(cells) < 2 {
			continue
		}
		few, many := cells[0], cells[len(cells)-1]
		_, slope := fit(cells)
		t.Rows = append(t.Rows, []string{s.what, fmt.Sprint(few.Links), nanos(few.NS), fmt.Sprint(many.Links), nanos(many.NS), fmt.Sprintf("%.2f ns", slope)})
	}
	return t
}

func (r Results) series(scenario, peer string) (out []Cell) {
	for _, c := range r.of(scenario) {
		if c.Peer == peer {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b Cell) int { return a.Links - b.Links })
	return out
}

// Profile is where the time of a cell goes, by function.
func (r Results) Profile(id string) Table {
	return r.profile(id, func(p Profile) []Row { return p.Rows })
}

// Parts is where the time of a cell goes, by package.
func (r Results) Parts(id string) Table {
	return r.profile(id, func(p Profile) []Row { return p.Parts })
}

func (r Results) profile(id string, rows func(p Profile) []Row) Table {
	t := Table{Head: []string{id, "own part"}}
	for _, p := range r.Profiles {
		if p.ID == id {
			for _, row := range rows(p) {
				t.Rows = append(t.Rows, []string{"`" + row.Name + "`", fmt.Sprintf("%.0f %%", 100*row.Share)})
			}
		}
	}
	return t
}

// Ahead is how many times as much as hooks the guarded peers take, Compose as the best of the plain ones, and Arounds as the best of
// the guarded ones, as the bounds measured it.
func (r Results) Ahead() Table {
	t := Table{Head: []string{"scenario"}}
	column := map[string]int{}
	row := map[string]int{}
	for _, b := range r.Bounds {
		if b.Group != bound.Peers {
			continue
		}
		who, at, _ := strings.Cut(b.Name, ": ")
		if column[who] == 0 {
			t.Head = append(t.Head, fmt.Sprintf("%s (%s)", who, limit(b, b.Limit)))
			column[who] = len(t.Head) - 1
		}
		if _, ok := row[at]; !ok {
			row[at] = len(t.Rows)
			t.Rows = append(t.Rows, []string{at})
		}
		t.Rows[row[at]] = put(t.Rows[row[at]], column[who], measured(b))
	}
	for i := range t.Rows {
		t.Rows[i] = put(t.Rows[i], len(t.Head), "")[:len(t.Head)]
	}
	return t
}

// put puts a text into a column of a row, behind what there is none of.
func put(row []string, column int, text string) []string {
	for len(row) <= column {
		row = append(row, none)
	}
	row[column] = text
	return row
}

// All is everything, with intervals: for the file of results.
func (r Results) All() string {
	out := ""
	for _, s := range scenario.All() {
		if len(r.of(s.Name)) > 0 {
			out += fmt.Sprintf("\n## %s\n\n%s.\n\n%s", s.Name, s.Doc, r.Scenario(s.Name).Markdown())
		}
	}
	return out
}

// cost is that of a cell, with its interval where that is a wide one.
func (r Results) cost(scenario string, links int, g peers.Grade, peer string) string {
	for _, c := range r.of(scenario) {
		if c.Links == links && c.Grade == string(g) && c.Peer == peer {
			if max(c.High-c.NS, c.NS-c.Low) > 0.1*c.NS {
				return cost(c) + " " + spread(c)
			}
			return cost(c)
		}
	}
	return none
}
