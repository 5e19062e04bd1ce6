// Command gate measures what a link costs and compares it with the bounds that the project promises.
//
// It prints the figures of every variant of package bench, what a scope per request costs, then each bound of package bound with
// its verdict, and exits with 1 when one is missed.
//
//	go run ./gate  # make bench
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/maillon-go/maillon/bench/bound"
	"github.com/maillon-go/maillon/bench/report"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr, bound.NewStopwatch())) }

// run is main with its surroundings passed in. It returns the exit status.
func run(args []string, stdout, stderr io.Writer, m bound.Meter) int {
	if len(args) > 0 {
		fmt.Fprintf(stderr, "gate: unexpected arguments %q\n", args)
		return 2
	}
	r := report.Short(m)
	fmt.Fprint(stdout, r.Prices().Text(), "\n", r.Request(), "\n")
	for _, b := range bound.All() {
		r.Bounds = append(r.Bounds, b.Measure(m))
	}
	fmt.Fprint(stdout, r.Verdicts().Text())
	if missed := r.Missed(); len(missed) > 0 {
		fmt.Fprintf(stderr, "gate: %d of %d bounds missed\n", len(missed), len(r.Bounds))
		return 1
	}
	return 0
}
