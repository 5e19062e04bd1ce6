// Command soak runs a realistic stack under full load with faults put in, and checks what must hold however the calls end.
//
//	make soak                                  # 10 minutes
//	go run -C bench ./cmd/soak -duration 30s   # shorter
//	go run -C bench ./cmd/soak -save           # keeps the result for the pages, which the report then fills
//
// The audit is written to the temporary folder (TMPDIR), which needs some two gigabytes for each minute.
//
// It exits with 1 when something does not hold:
//
//   - every call has one outcome, as the caller saw it;
//   - background jobs: queued = done + dropped;
//   - audit records that were acknowledged are the records that are on disk, as many as observers of all stages
//     counted, and each call's outcome is among them;
//   - memory and goroutines come back to where they were, with the plugins still there and without them;
//   - the breaker that is to open does, and the cache has hits, misses and, when it is full, evictions;
//   - the calls end when the time is over.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"time"

	"github.com/maillon-go/maillon/bench/report"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is main with its surroundings passed in. It returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	flags.SetOutput(stderr)
	duration := flags.Duration("duration", 10*time.Minute, "how long")
	workers := flags.Int("workers", 4*runtime.GOMAXPROCS(0), "how many callers")
	root := flags.String("root", "..", "the root of the repository, from here")
	save := flags.Bool("save", false, "keep the result in "+report.Folder)
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() > 0 || *duration <= 0 || *workers < 1 {
		fmt.Fprintf(stderr, "soak: unexpected arguments %q, or nothing to do\n", flags.Args())
		return 2
	}
	where := report.Here(ctx) // what runs, whatever is edited meanwhile
	if *save && !where.Clean() {
		fmt.Fprintln(stderr, "soak: what runs is in no commit, so nobody could run the same again: commit all changes first, or do without -save")
		return 2
	}
	result, faults, err := soak(ctx, *duration, *workers, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "soak:", err)
		return 2
	}
	result.Where = where
	fmt.Fprint(stdout, result.Table().Text())
	for _, f := range faults {
		fmt.Fprintln(stderr, "soak: does not hold:", f)
	}
	if len(faults) > 0 {
		return 1
	}
	if *save {
		if err := report.Save(filepath.Join(*root, report.Folder, report.SoakFile), result); err != nil {
			fmt.Fprintln(stderr, "soak:", err)
			return 2
		}
	}
	return 0
}
