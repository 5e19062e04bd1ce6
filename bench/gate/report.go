package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/maillon-go/maillon/bench"
)

// figure is what one variant costs.
type figure struct {
	variant bench.Variant
	ns      []float64 // by the numbers of links in bench.Links
	allocs  []float64
}

// perLink is the price of one link among ten.
func (f figure) perLink() float64 {
	zero, ten := 0, 0
	for i, n := range bench.Links {
		switch n {
		case 0:
			zero = i
		case 10:
			ten = i
		}
	}
	return (f.ns[ten] - f.ns[zero]) / 10
}

// measureFigures fills the table.
func measureFigures(m meter) []figure {
	figures := make([]figure, len(bench.Variants))
	for i, v := range bench.Variants {
		f := figure{variant: v}
		for _, n := range bench.Links {
			w := work{v.Name, n}
			f.ns = append(f.ns, m.figure(w, tableRounds))
			f.allocs = append(f.allocs, m.allocs(w))
		}
		figures[i] = f
	}
	return figures
}

// figuresText is a table of nanoseconds and allocations per call.
func figuresText(figures []figure) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "ns per call (allocations)\t")
	for _, n := range bench.Links {
		fmt.Fprintf(w, "%s\t", linkCount(n))
	}
	fmt.Fprintln(w, "per link\t")
	for _, f := range figures {
		fmt.Fprintf(w, "%s\t", f.variant.Name)
		for i := range bench.Links {
			fmt.Fprintf(w, "%s (%.0f)\t", nanos(f.ns[i]), f.allocs[i])
		}
		fmt.Fprintf(w, "%s\t\n", nanos(f.perLink()))
	}
	_ = w.Flush()
	return b.String()
}

// figuresMarkdown is the same for the README.
func figuresMarkdown(figures []figure) string {
	var b strings.Builder
	b.WriteString("| ns per call (allocations) |")
	for _, n := range bench.Links {
		fmt.Fprintf(&b, " %s |", linkCount(n))
	}
	b.WriteString(" per link |\n|---|" + strings.Repeat("--:|", len(bench.Links)+1) + "\n")
	for _, f := range figures {
		fmt.Fprintf(&b, "| %s |", f.variant.Doc)
		for i := range bench.Links {
			fmt.Fprintf(&b, " %s (%.0f) |", nanos(f.ns[i]), f.allocs[i])
		}
		fmt.Fprintf(&b, " %s |\n", nanos(f.perLink()))
	}
	return b.String()
}

// resultsText is a table of the bounds.
func resultsText(results []result) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "what\tmeasured\tbound\taim\tallocs\tat most\tverdict\tmedians")
	for _, r := range results {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.name, r.measured(), r.limitText(r.limit), r.limitText(r.aim),
			r.allocsText(r.allocs), r.allocsText(r.maxAllocs), r.verdictText(), r.medians())
	}
	_ = w.Flush()
	lines := strings.Split(b.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// resultsMarkdown is the same for the README.
func resultsMarkdown(results []result) string {
	var b strings.Builder
	b.WriteString("| ratio | measured | bound | allocations | at most |\n|---|--:|--:|--:|--:|\n")
	for _, r := range results {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.name, r.measured(), r.limitText(r.limit), r.allocsText(r.allocs), r.allocsText(r.maxAllocs))
	}
	return b.String()
}

func (r result) measured() string {
	switch {
	case r.oneCPU:
		return "-"
	case !r.hasRatio():
		return nanos(r.overNS) + " ns"
	}
	return fmt.Sprintf("%.2f", r.ratio)
}

func (r result) limitText(limit float64) string {
	switch {
	case !r.hasRatio() || limit == 0:
		return "-"
	case r.atLeast:
		return fmt.Sprintf("≥ %g", limit)
	}
	return fmt.Sprintf("≤ %g", limit)
}

func (r result) allocsText(n float64) string {
	if !r.countsAllocs() {
		return "-"
	}
	return fmt.Sprintf("%.0f", n)
}

func (r result) verdictText() string {
	if r.again {
		return string(r.verdict()) + " (measured again)"
	}
	return string(r.verdict())
}

// medians are the two sides of the ratio.
func (r result) medians() string {
	switch {
	case r.oneCPU || !r.hasRatio():
		return ""
	case r.scaling:
		return fmt.Sprintf("%.2f and %.2f times as much", r.overNS, r.underNS)
	}
	return fmt.Sprintf("%s and %s ns", nanos(r.overNS), nanos(r.underNS))
}

func linkCount(n int) string {
	if n == 1 {
		return "1 link"
	}
	return fmt.Sprintf("%d links", n)
}

// nanos writes small figures with a decimal place and large ones without.
func nanos(ns float64) string {
	if ns < 100 {
		return fmt.Sprintf("%.1f", ns)
	}
	return fmt.Sprintf("%.0f", ns)
}
