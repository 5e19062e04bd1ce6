package report

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"unicode"
)

// Table is a head and rows of cells. The first column is text; those of figures stand to the right.
type Table struct {
	Head []string
	Rows [][]string
}

// Text is the table for a terminal.
func (t Table) Text() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{t.Head}, t.Rows...) {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	_ = w.Flush()
	lines := strings.Split(b.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// Markdown is the table for a page.
func (t Table) Markdown() string {
	var b strings.Builder
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line(t.Head)
	b.WriteString("|")
	for i := range t.Head {
		if t.figures(i) {
			b.WriteString("--:|")
		} else {
			b.WriteString("---|")
		}
	}
	b.WriteString("\n")
	for _, row := range t.Rows {
		line(row)
	}
	return b.String()
}

// figures says whether a column begins with a figure wherever there is something in it.
func (t Table) figures(column int) bool {
	found := false
	for _, row := range t.Rows {
		text := strings.TrimLeft(row[column], "≤≥ ")
		if text == none {
			continue
		}
		if text == "" || !unicode.IsDigit(rune(text[0])) {
			return false
		}
		found = true
	}
	return found
}

// none stands where there is nothing to say.
const none = "-"

// nanos writes small figures with a decimal place and large ones without.
func nanos(ns float64) string {
	if ns < 100 {
		return fmt.Sprintf("%.1f", ns)
	}
	return fmt.Sprintf("%.0f", ns)
}

// cost is a cell in a table: nanoseconds and, in parentheses, allocations.
func cost(c Cell) string { return fmt.Sprintf("%s (%.0f)", nanos(c.NS), c.Allocs) }

// spread is how far the confidence interval reaches, to the farther side.
func spread(c Cell) string {
	return fmt.Sprintf("±%.0f %%", 100*max(c.High-c.NS, c.NS-c.Low)/c.NS)
}

func linkCount(n int) string {
	if n == 1 {
		return "1 link"
	}
	return fmt.Sprintf("%d links", n)
}
