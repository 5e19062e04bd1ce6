package profiler

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// String is the report as text: tables of slots, kinds, stages and links. The charts are not part of it.
func (r Report) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	rows(w, "slots", r.Slots)
	rows(w, "kinds", r.Kinds)
	rows(w, "stages", r.Stages)
	if len(r.Links) > 0 {
		fmt.Fprintf(w, "\nlinks, 1 call in %d\tsamples\tblocked\terrors\tself mean\tp50\tp99\tmax\ttotal mean\t\n", r.SampleEvery)
		for _, l := range r.Links {
			name := l.Chain + "/" + l.Link
			if l.Scope != "" {
				name = l.Scope + ":" + name
			}
			fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%s\t%s\t%s\t%s\t%s\t\n", plain(name), l.Samples, l.Blocked, l.Errors,
				short(l.Self.Mean), short(l.Self.P50), short(l.Self.P99), short(l.Self.Max), short(l.Total/time.Duration(max(l.Samples, 1))))
		}
	}
	_ = w.Flush() // a strings.Builder takes everything
	return b.String()
}

func rows(w io.Writer, title string, rows []Row) {
	if title != "slots" {
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "%s\tcalls\tfailed\tblocked\tcanceled\tunfulfilled\tretries\tcached\tin\tout\tmean\tp50\tp90\tp99\tmax\t1st chunk p50\tp99\t\n", title)
	for _, r := range rows {
		name := strings.TrimSpace(r.Kind + " " + r.Name)
		if r.Name == r.Kind {
			name = r.Kind
		}
		if name != "" {
			name += " "
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", plain(name+r.Stage),
			r.Calls, r.Failed, r.Blocked, r.Canceled, r.Unfulfilled, r.Retries, r.Cached, r.InputTokens, r.OutputTokens,
			short(r.Latency.Mean), short(r.Latency.P50), short(r.Latency.P90), short(r.Latency.P99), short(r.Latency.Max),
			chunk(r.FirstChunk, r.FirstChunk.P50), chunk(r.FirstChunk, r.FirstChunk.P99))
	}
}

func chunk(t Timing, d time.Duration) string {
	if t.Count == 0 {
		return "-"
	}
	return short(d)
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
