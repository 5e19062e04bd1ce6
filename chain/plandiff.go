package chain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/samber/lo"
)

// PlanChange is one difference between two plans.
type PlanChange struct {
	Chain  string   `json:"chain"`
	Link   string   `json:"link"`             // scope/name
	Change string   `json:"change"`           // added, removed, changed or moved
	Fields []string `json:"fields,omitempty"` // what changed: "mode: audit -> sequential"; of an added link, what it is
}

// String is the change in one line that begins with +, -, ~ or, for a move, >.
func (c PlanChange) String() string {
	s := fmt.Sprintf("%s %s: %s", map[string]string{"added": "+", "removed": "-", "changed": "~", "moved": ">"}[c.Change], c.Chain, c.Link)
	if len(c.Fields) > 0 {
		s += " (" + strings.Join(c.Fields, ", ") + ")"
	}
	return s
}

// Diff says what newer runs that p does not, and the reverse: links in the order of newer, those that are gone last. Breaker
// states and notes do not count.
func (p Plan) Diff(newer Plan) (changes []PlanChange) {
	name := newer.Chain
	if name == "" {
		name = p.Chain
	}
	add := func(l PlannedLink, change string, fields ...string) {
		changes = append(changes, PlanChange{name, l.id(), change, fields})
	}
	was := lo.KeyBy(p.Links, PlannedLink.id)
	is := lo.KeyBy(newer.Links, PlannedLink.id)
	moved := movedLinks(p.Links, newer.Links)
	for _, l := range newer.Links {
		old, ok := was[l.id()]
		switch fields := changedFields(old, l); {
		case !ok:
			add(l, "added", l.Kind.String(), l.Mode.String(), fmt.Sprintf("priority %d", l.Priority), "on failure "+l.OnFailure.String())
		case len(fields) > 0:
			add(l, "changed", fields...)
		case slices.Contains(moved, l.id()):
			add(l, "moved")
		}
	}
	for _, l := range p.Links {
		if _, ok := is[l.id()]; !ok {
			add(l, "removed")
		}
	}
	return changes
}

func (l PlannedLink) id() string { return l.Scope + "/" + l.Name }

func changedFields(a, b PlannedLink) (fields []string) {
	compare := func(name string, was, is any) {
		if was != is {
			fields = append(fields, fmt.Sprintf("%s: %v -> %v", name, was, is))
		}
	}
	compare("kind", a.Kind, b.Kind)
	compare("ring", a.Ring, b.Ring)
	compare("mode", a.Mode, b.Mode)
	compare("priority", a.Priority, b.Priority)
	compare("on failure", a.OnFailure, b.OnFailure)
	compare("timeout", a.Timeout, b.Timeout)
	return fields
}

// movedLinks are those that both have and that stand elsewhere among them: as few as explain the new order.
func movedLinks(a, b []PlannedLink) []string {
	ids := func(ls []PlannedLink) []string {
		return lo.Map(ls, func(l PlannedLink, _ int) string { return l.id() })
	}
	was, is := ids(a), ids(b)
	is = lo.Filter(is, func(id string, _ int) bool { return slices.Contains(was, id) })
	// The longest run of links that kept their order stays, the others moved.
	best := make([][]string, len(is))
	var longest []string
	for i, id := range is {
		for j := range i {
			if slices.Index(was, is[j]) < slices.Index(was, id) && len(best[j]) > len(best[i]) {
				best[i] = best[j]
			}
		}
		best[i] = append(slices.Clip(best[i]), id)
		if len(best[i]) > len(longest) {
			longest = best[i]
		}
	}
	return lo.Without(is, longest...)
}
