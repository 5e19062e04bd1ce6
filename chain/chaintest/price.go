package chaintest

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/maillon-go/maillon/chain"
)

// How long Price measures.
const (
	priceTime   = time.Second
	priceRounds = 25
)

// Bill is what a chain costs.
type Bill struct {
	Latency time.Duration // of the backend that Share relates to; zero for none
	Handler Cost          // the handler alone
	Chain   Cost          // what a chain without links adds
	Links   []Cost        // what each link adds, in the order given to Price
	Total   Cost          // all of this
}

// Cost is one line of a Bill.
type Cost struct {
	Name   string
	Nanos  float64 // per call; a difference of two measurements, so that noise can make a small one negative
	Allocs float64 // per call, in the whole process, so background work counts
}

// Share is the cost in percent of a latency, 0 when that is not positive.
func (c Cost) Share(latency time.Duration) float64 {
	if latency <= 0 {
		return 0
	}
	return 100 * c.Nanos / float64(latency.Nanoseconds())
}

// Price measures what each link adds to a call through a chain of all links before it, in one to two seconds however many
// there are. Use a handler and a payload that cost little and that the links let through; latency is that of the backend
// that the handler stands for. The links must not fail; a chain of theirs is made here, without logger. Every link is
// called many times: give a Retry or a rate limiter a handler that does not make it wait.
func Price[P any](latency time.Duration, h chain.Handler[P], payload P, links ...chain.Link[P]) (Bill, error) {
	if h == nil {
		return Bill{}, fmt.Errorf("chaintest: Price: %w", chain.ErrNilHandler)
	}
	ctx := context.Background()
	calls := []func() error{func() error { _, err := h(ctx, payload); return err }}
	var chains []*chain.Chain[P]
	defer func() {
		for _, c := range chains {
			_ = c.Close(ctx) // without a deadline it cannot fail
		}
	}()
	for n := range len(links) + 1 {
		c := chain.New[P]("price")
		chains = append(chains, c)
		if n > 0 {
			if _, err := c.Use(links[:n]...); err != nil {
				return Bill{}, fmt.Errorf("chaintest: Price: %w", err)
			}
		}
		bound := c.Then(h)
		calls = append(calls, func() error { _, err := bound(ctx, payload); return err })
	}
	nanos, allocs, err := measure(calls)
	if err != nil {
		return Bill{}, fmt.Errorf("chaintest: Price: a call failed: %w", err)
	}

	cost := func(name string, i int) Cost {
		return Cost{name, nanos[i] - nanos[i-1], allocs[i] - allocs[i-1]}
	}
	bill := Bill{Latency: latency, Handler: Cost{"handler", nanos[0], allocs[0]}, Chain: cost("chain", 1)}
	for i, l := range links {
		bill.Links = append(bill.Links, cost(l.Name(), i+2))
	}
	last := len(calls) - 1
	bill.Total = Cost{"total", nanos[last], allocs[last]}
	return bill, nil
}

// measure times each call in turns and returns the best round of each: what disturbs a round only ever makes it slower.
func measure(calls []func() error) (nanos, allocs []float64, err error) {
	slot := priceTime / time.Duration(priceRounds*len(calls))
	ns, as := make([][]float64, len(calls)), make([][]float64, len(calls))
	repeat := make([]int, len(calls))
	start := time.Now()
	for i, call := range calls {
		if err := call(); err != nil { // and warm up
			return nil, nil, err
		}
		if repeat[i], err = fill(slot, call); err != nil {
			return nil, nil, err
		}
	}
	for round := 0; round < priceRounds && (round == 0 || time.Since(start) < 2*priceTime); round++ {
		for i, call := range calls {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			for range repeat[i] {
				if err := call(); err != nil {
					return nil, nil, err
				}
			}
			took := time.Since(began)
			runtime.ReadMemStats(&after)
			ns[i] = append(ns[i], float64(took.Nanoseconds())/float64(repeat[i]))
			as[i] = append(as[i], float64(after.Mallocs-before.Mallocs)/float64(repeat[i]))
		}
	}
	for i := range calls {
		nanos, allocs = append(nanos, slices.Min(ns[i])), append(allocs, slices.Min(as[i]))
	}
	return nanos, allocs, nil
}

// fill finds how many calls fill about half of a slot.
func fill(slot time.Duration, call func() error) (n int, err error) {
	for n = 1; ; n *= 2 {
		began := time.Now()
		for range n {
			if err := call(); err != nil {
				return 0, err
			}
		}
		if time.Since(began) >= slot/4 {
			return n * 2, nil
		}
	}
}

// String is a table with a line per link. Without a latency it has no shares.
func (b Bill) String() string {
	lines := append(append([]Cost{b.Handler, b.Chain}, b.Links...), b.Total)
	width := len("link")
	for _, c := range lines {
		width = max(width, len(c.Name))
	}
	var text strings.Builder
	line := func(name, nanos, allocs, share string) {
		fmt.Fprintf(&text, "%-*s  %10s  %11s", width, name, nanos, allocs)
		if b.Latency > 0 {
			fmt.Fprintf(&text, "  %12s", share)
		}
		text.WriteByte('\n')
	}
	line("link", "ns/call", "allocs/call", fmt.Sprintf("of %v", b.Latency))
	for _, c := range lines {
		line(c.Name, fmt.Sprintf("%.1f", c.Nanos), fmt.Sprintf("%.1f", c.Allocs), fmt.Sprintf("%.5f %%", c.Share(b.Latency)))
	}
	return text.String()
}
