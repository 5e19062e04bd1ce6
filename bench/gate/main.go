// Command gate measures what a link costs and compares it with the bounds that the project promises.
//
// It prints the figures of every variant of the package bench, what a scope per request costs, then each bound with its
// verdict, and exits with 1 when a bound is missed. Only ratios and allocations are bounds: nanoseconds depend on the machine. The two sides of a ratio are
// measured in turn, many short times, and the median of the pairs counts, so that a noisy neighbour hits both alike; a
// ratio that misses its bound is measured again, longer, up to three times, and the last one decides.
//
//	go run ./gate            # make bench
//	go run ./gate -markdown  # the same as tables for the README
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr, newStopwatch())) }

// Rounds of a measurement: pairs for a ratio, samples for a figure.
const (
	tableRounds  = 9
	ratioRounds  = 31
	secondRounds = 3 * ratioRounds
	attempts     = 3 // further measurements of a ratio that misses
)

// run is main with its surroundings passed in. It returns the exit status.
func run(args []string, stdout, stderr io.Writer, m meter) int {
	flags := flag.NewFlagSet("gate", flag.ContinueOnError)
	flags.SetOutput(stderr)
	markdown := flags.Bool("markdown", false, "print markdown tables")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "gate: unexpected argument %q\n", flags.Arg(0))
		return 2
	}
	figures, perRequest := measureFigures(m), measureRequest(m)
	var results []result
	missed := 0
	for _, b := range bounds {
		r := b.measure(m)
		results = append(results, r)
		if r.verdict() == verdictMissed {
			missed++
		}
	}
	writeFigures, writeResults := figuresText, resultsText
	if *markdown {
		writeFigures, writeResults = figuresMarkdown, resultsMarkdown
	}
	fmt.Fprint(stdout, writeFigures(figures), "\n", perRequest, "\n", writeResults(results))
	if missed > 0 {
		fmt.Fprintf(stderr, "gate: %d of %d bounds missed\n", missed, len(results))
		return 1
	}
	return 0
}
