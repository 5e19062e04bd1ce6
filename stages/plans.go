package stages

import (
	"fmt"
	"slices"
	"strings"

	"github.com/samber/lo"

	"github.com/maillon-go/maillon/chain"
)

// Plans are what a Pipeline runs: for people as text, for programs as JSON.
type Plans []chain.Plan

// String is the plans of the chains that have links, one after the other.
func (p Plans) String() string {
	var b strings.Builder
	var inert []string
	for _, plan := range p {
		inert = append(inert, plan.Inert...)
		if plan.Inert = nil; len(plan.Links) > 0 {
			b.WriteString(plan.String())
		}
	}
	if b.Len() == 0 {
		b.WriteString("no links\n")
	}
	for _, name := range lo.Uniq(inert) {
		fmt.Fprintf(&b, "note: override of %q, which is not there: no effect\n", name)
	}
	return b.String()
}

// forgetMisses takes out the overrides of all chains that have found their link in one of them.
func (p Plans) forgetMisses() {
	misses, hits := map[string]int{}, map[string]int{}
	for _, plan := range p {
		for _, name := range plan.Inert {
			misses[name]++
		}
	}
	for _, plan := range p {
		if len(misses) > 0 && slices.ContainsFunc(plan.Links, func(l chain.PlannedLink) bool { return misses[l.Name] > 0 }) {
			for _, name := range lo.Uniq(lo.Map(plan.Links, func(l chain.PlannedLink, _ int) string { return l.Name })) {
				hits[name]++
			}
		}
	}
	for i := range p {
		p[i].Inert = lo.Reject(p[i].Inert, func(name string, _ int) bool { return hits[name] > 0 && hits[name]+misses[name] == len(p) })
	}
}

// Preview is what a Pipeline without parents would run with these plugins, or why Register would not take them. No Init is
// called, and nothing is registered.
func Preview(plugins ...any) (Plans, error) {
	res, err := resolve(plugins)
	if err != nil {
		return nil, err
	}
	p := NewPipeline(PipelineConfig{})
	r := &Registration{p: p, used: map[string]used{}}
	if err := r.apply(res.links); err != nil {
		return nil, fmt.Errorf("stages: %w", err)
	}
	return p.Explain(), nil
}

// Mermaid is one picture of all chains that have links, in the order of HookPoints: a subgraph for each of them. The
// stages do not follow one another as the subgraphs do: a session runs some of them within others.
func (p Plans) Mermaid() string {
	var b strings.Builder
	b.WriteString("flowchart TB\n")
	last := ""
	for _, plan := range p {
		if len(plan.Links) == 0 {
			continue
		}
		fmt.Fprintf(&b, "  subgraph %s\n    direction LR\n", plan.Chain)
		for _, line := range plan.MermaidNodes(plan.Chain + "_") {
			fmt.Fprintf(&b, "    %s\n", line)
		}
		b.WriteString("  end\n")
		if last != "" {
			fmt.Fprintf(&b, "  %s ~~~ %s\n", last, plan.Chain)
		}
		last = plan.Chain
	}
	return b.String()
}

// Diff says what newer runs that p does not, and the reverse. Breaker states do not count, nor do notes.
func (p Plans) Diff(newer Plans) PlansDiff {
	var d PlansDiff
	was := lo.KeyBy(p, func(plan chain.Plan) string { return plan.Chain })
	is := lo.KeyBy(newer, func(plan chain.Plan) string { return plan.Chain })
	for _, plan := range newer {
		d = append(d, was[plan.Chain].Diff(plan)...)
	}
	for _, plan := range p {
		if _, ok := is[plan.Chain]; !ok {
			d = append(d, plan.Diff(chain.Plan{Chain: plan.Chain})...)
		}
	}
	return d
}

// PlansDiff are the differences between two Plans: for people as text, for programs as JSON.
type PlansDiff []chain.PlanChange

// String has one line for each difference, or says that there is none.
func (d PlansDiff) String() string {
	if len(d) == 0 {
		return "no differences\n"
	}
	return strings.Join(lo.Map(d, func(c chain.PlanChange, _ int) string { return c.String() + "\n" }), "")
}
