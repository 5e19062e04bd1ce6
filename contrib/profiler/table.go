package profiler

import (
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"
)

// String is the report as text: tables of slots, kinds, stages and links. The charts are not part of it.
func (r Report) String() string {
	tables := []table{newTable("slots", r.Slots), newTable("kinds", r.Kinds), newTable("stages", r.Stages)}
	if len(r.Links) > 0 {
		t := table{{fmt.Sprintf("links, 1 call in %d", r.SampleEvery), "samples", "blocked", "errors", "self mean", "p50", "p99", "max", "total mean"}}
		for _, l := range r.Links {
			name := l.Chain + "/" + l.Link
			if l.Scope != "" {
				name += " (" + l.Scope + ")"
			}
			t = append(t, []string{
				plain(name), number(l.Samples), number(l.Blocked), number(l.Errors), short(l.Self.Mean), short(l.Self.P50),
				short(l.Self.P99), short(l.Self.Max), short(l.Total / time.Duration(max(l.Samples, 1))),
			})
		}
		tables = append(tables, t)
	}
	var b strings.Builder
	for i, t := range tables {
		if i > 0 {
			b.WriteByte('\n')
		}
		t.write(&b)
	}
	return b.String()
}

// table is lines of cells, the first of them the head.
type table [][]string

func newTable(title string, rows []Row) table {
	t := table{{
		title, "calls", "failed", "blocked", "canceled", "unfulfilled", "retries", "cached", "in", "out",
		"mean", "p50", "p90", "p99", "max", "1st chunk p50", "p99",
	}}
	for _, r := range rows {
		name := r.Stage
		for _, of := range []string{r.Name, r.Kind} {
			if of != "" {
				name = of + " " + name
			}
		}
		line := []string{plain(name)}
		for _, n := range []int64{r.Calls, r.Failed, r.Blocked, r.Canceled, r.Unfulfilled, r.Retries, r.Cached, r.InputTokens, r.OutputTokens} {
			line = append(line, number(n))
		}
		l := r.Latency
		for _, d := range []time.Duration{l.Mean, l.P50, l.P90, l.P99, l.Max} {
			line = append(line, short(d))
		}
		first := []string{"-", "-"}
		if r.FirstChunk.Count > 0 {
			first = []string{short(r.FirstChunk.P50), short(r.FirstChunk.P99)}
		}
		t = append(t, append(line, first...))
	}
	return t
}

// write sets names to the left and numbers to the right.
func (t table) write(b *strings.Builder) {
	widest := 0
	for _, line := range t {
		widest = max(widest, utf8.RuneCountInString(line[0]))
	}
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, line := range t {
		pad := strings.Repeat(" ", widest-utf8.RuneCountInString(line[0]))
		fmt.Fprintln(w, line[0]+pad+"\t"+strings.Join(line[1:], "\t")+"\t")
	}
	_ = w.Flush() // a strings.Builder takes everything
}

func number(n int64) string {
	if n == 0 {
		return "-"
	}
	return strconv.FormatInt(n, 10)
}

// plain is a name in which nothing moves a terminal's cursor.
func plain(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strconv.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		q := strconv.QuoteRuneToASCII(r)
		b.WriteString(q[1 : len(q)-1])
	}
	return b.String()
}

// short is a duration in three digits.
func short(d time.Duration) string {
	for _, u := range []struct {
		name string
		unit time.Duration
	}{{"s", time.Second}, {"ms", time.Millisecond}, {"µs", time.Microsecond}} {
		if d < u.unit {
			continue
		}
		v := float64(d) / float64(u.unit)
		digits := 2
		switch {
		case v >= 100:
			digits = 0
		case v >= 10:
			digits = 1
		}
		return strconv.FormatFloat(v, 'f', digits, 64) + u.name
	}
	return strconv.FormatInt(int64(d), 10) + "ns"
}
