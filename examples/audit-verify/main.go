// Audit-verify says whether an audit file, with the files that were rotated from it, is as it was written.
//
//	go run ./examples/audit-verify [-key-env NAME] [-at-least HEAD] audit.jsonl
//
// The key of a file with one is read from an environment variable. HEAD is what an earlier run printed as "head" and somebody kept
// where the writer of the file cannot reach it. The exit status is 1 when the file is not as it was written, and 2 when it cannot
// be read.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/maillon-go/maillon/contrib/audit"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, out, errs io.Writer) int {
	flags := flag.NewFlagSet("audit-verify", flag.ContinueOnError)
	flags.SetOutput(errs)
	keyEnv := flags.String("key-env", "", "the environment `variable` that has the key of the file")
	atLeast := flags.String("at-least", "", "a `head` that was printed before: the file must still have it")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() != 1 {
		fmt.Fprintln(errs, "audit-verify: give the path of one audit file")
		return 2
	}
	var o audit.VerifyOptions
	if *keyEnv != "" {
		if o.Key = []byte(os.Getenv(*keyEnv)); len(o.Key) == 0 {
			fmt.Fprintf(errs, "audit-verify: the environment variable %s is not set\n", *keyEnv)
			return 2
		}
	}
	if *atLeast != "" {
		if err := json.Unmarshal([]byte(*atLeast), &o.AtLeast); err != nil {
			fmt.Fprintln(errs, "audit-verify: -at-least is not what was printed as head")
			return 2
		}
	}
	r, err := audit.Verify(flags.Arg(0), o)
	if err != nil && !errors.Is(err, audit.ErrTampered) {
		fmt.Fprintln(errs, err)
		return 2
	}
	for _, f := range r.Files {
		fmt.Fprintln(out, "file   ", filepath.Base(f))
	}
	fmt.Fprintf(out, "lines   %d to %d, %d of them records, %d repairs after a crash, %d bytes not whole\n", r.First, r.Head.Seq, r.Records, r.Repairs, r.Torn)
	if err != nil {
		fmt.Fprintln(out, "BROKEN ", err)
		return 1
	}
	head, err := json.Marshal(r.Head)
	if err != nil {
		fmt.Fprintln(errs, err)
		return 2
	}
	fmt.Fprintf(out, "head    %s\nwhole\n", head)
	return 0
}
