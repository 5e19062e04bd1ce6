// Command report measures every cell of package scenario and every bound, and writes what it found.
//
//	go run -C bench ./cmd/report                    # some minutes; writes bench/results: JSON, tables, charts
//	go run -C bench ./cmd/report -write             # the parts of the pages that are made from them too
//	go run -C bench ./cmd/report -only '^noop/.*=10/'  # some cells, to the terminal only
//	go run -C bench ./cmd/report -quick             # a few samples of each, to the terminal only
//	go run -C bench ./cmd/report -render            # measures nothing: pages from the results that are there
//
// It exits with 1 when a bound is missed; the results are written all the same.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/maillon-go/maillon/bench/report"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is main with its surroundings passed in. It returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	o := report.Options{Rounds: 101, Sample: 2 * time.Millisecond, Profile: 5 * time.Second, Progress: stderr}
	flags := flag.NewFlagSet("report", flag.ContinueOnError)
	flags.SetOutput(stderr)
	root := flags.String("root", "..", "the root of the repository, from here")
	only := flags.String("only", "", "measure the cells whose ids match this regular `expression`, and write nothing")
	quick := flags.Bool("quick", false, "take three short samples of each, and write nothing")
	write := flags.Bool("write", false, "fill the pages from the results, too")
	render := flags.Bool("render", false, "measure nothing, and fill pages, tables and charts from the results that are there")
	flags.IntVar(&o.Rounds, "rounds", o.Rounds, "samples of each cell")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	fail := func(err error) int {
		fmt.Fprintln(stderr, "report:", err)
		return 2
	}
	if flags.NArg() > 0 || o.Rounds < 1 {
		return fail(fmt.Errorf("unexpected arguments %q, or fewer rounds than one", flags.Args()))
	}
	if *render {
		if err := report.Update(*root); err != nil {
			return fail(err)
		}
		return 0
	}
	if *only != "" {
		re, err := regexp.Compile(*only)
		if err != nil {
			return fail(err)
		}
		o.Only = re
	}
	if *quick {
		o.Rounds, o.Sample, o.Profile = 3, 200*time.Microsecond, 100*time.Millisecond
	}
	o.Where = report.Here(context.Background())
	if *only == "" && !*quick && !o.Where.Clean() {
		return fail(errors.New("what is measured is in no commit, so nobody could measure the same again: commit all changes first, or take -quick"))
	}
	r := report.Run(o)
	fmt.Fprintf(stdout, "%s%s\n", r.Where.String(r), r.All())
	if *only != "" {
		return 0
	}
	fmt.Fprintln(stdout, r.Verdicts().Text())
	if !*quick {
		if err := report.Save(filepath.Join(*root, report.Folder, report.File), r); err != nil {
			return fail(err)
		}
		finish := report.Draw
		if *write {
			finish = report.Update
		}
		if err := finish(*root); err != nil {
			return fail(err)
		}
	}
	if missed := r.Missed(); len(missed) > 0 {
		fmt.Fprintf(stderr, "report: %d of %d bounds missed\n", len(missed), len(r.Bounds))
		return 1
	}
	return 0
}
