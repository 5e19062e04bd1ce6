package report

import (
	"fmt"

	"github.com/maillon-go/maillon/bench"
	"github.com/maillon-go/maillon/bench/bound"
)

// Prices is what each variant costs, and a link of it among ten.
func (r Results) Prices() Table {
	t := Table{Head: []string{"ns per call (allocations)"}}
	for _, n := range bench.Links {
		t.Head = append(t.Head, linkCount(n))
	}
	t.Head = append(t.Head, "per link")
	for _, v := range bench.Variants {
		row := []string{v.Doc}
		for _, n := range bench.Links {
			c, _ := r.find(fmt.Sprintf("variants/links=%d/%s", n, v.Name))
			row = append(row, cost(c))
		}
		ten, _ := r.find("variants/links=10/" + v.Name)
		bare, _ := r.find("variants/links=0/" + v.Name)
		t.Rows = append(t.Rows, append(row, nanos((ten.NS-bare.NS)/10)))
	}
	return t
}

// Request is a line: what a call costs that makes a scope of its own.
func (r Results) Request() string {
	c, _ := r.find("request/links=10/request")
	return fmt.Sprintf("One scope per request (two links beside %d shared ones; made, bound, called once and dropped): %s ns, %.0f allocations, %.0f bytes.\n",
		c.Links, nanos(c.NS), c.Allocs, c.Bytes)
}

// Kept are the bounds of a group with what was measured.
func (r Results) Kept(g bound.Group) Table {
	t := Table{Head: []string{"ratio", "measured", "bound", "allocations", "at most"}}
	for _, b := range r.Bounds {
		if b.Group == g {
			t.Rows = append(t.Rows, []string{b.Name, measured(b), limit(b, b.Limit), allocs(b, b.Allocs), allocs(b, b.MaxAllocs)})
		}
	}
	return t
}

// Verdicts are all bounds, for a terminal.
func (r Results) Verdicts() Table {
	t := Table{Head: []string{"what", "measured", "bound", "aim", "allocs", "at most", "verdict", "medians"}}
	for _, b := range r.Bounds {
		t.Rows = append(t.Rows, []string{
			b.Name, measured(b), limit(b, b.Limit), limit(b, b.Aim), allocs(b, b.Allocs), allocs(b, b.MaxAllocs), string(b.Verdict()), medians(b),
		})
	}
	return t
}

func measured(b bound.Result) string {
	switch {
	case b.OneCPU:
		return none
	case !b.HasRatio():
		return nanos(b.OverNS) + " ns"
	}
	if b.Again {
		return fmt.Sprintf("%.2f (again)", b.Ratio)
	}
	return fmt.Sprintf("%.2f", b.Ratio)
}

func limit(b bound.Result, n float64) string {
	switch {
	case !b.HasRatio() || n == 0:
		return none
	case b.AtLeast:
		return fmt.Sprintf("≥ %g", n)
	}
	return fmt.Sprintf("≤ %g", n)
}

func allocs(b bound.Result, n float64) string {
	if !b.CountsAllocs() {
		return none
	}
	return fmt.Sprintf("%.0f", n)
}

// medians are the two sides of the ratio.
func medians(b bound.Result) string {
	switch {
	case b.OneCPU || !b.HasRatio():
		return ""
	case b.Scaling:
		return fmt.Sprintf("%.2f and %.2f times as much", b.OverNS, b.UnderNS)
	}
	return fmt.Sprintf("%s and %s ns", nanos(b.OverNS), nanos(b.UnderNS))
}
