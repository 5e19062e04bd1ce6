// Command testall runs go test in every given module and says plainly what was not tested.
//
// It is what `make test` runs. Beside the usual lines of go test it prints every skipped test with its reason and, where
// there is no C compiler, that the race detector is off. With MAILLON_TEST_ALL=1 both are failures. Its last line is
// "N passed, N failed", over tests, subtests, examples and the seeds of fuzz targets.
//
//	go run ./internal/testall [-race auto|off] [-flags "-run=X"] [-summary file] [module folder ...]
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/maillon-go/maillon/internal/testneed"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is main with its surroundings passed in. It returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("testall", flag.ContinueOnError)
	flags.SetOutput(stderr)
	race := flags.String("race", "auto", "race detector: auto (on where a C compiler is found) or off")
	extra := flags.String("flags", "", "more flags for go test, separated by spaces")
	summary := flags.String("summary", "", "file that receives the line of every package and the counts")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if *race != "auto" && *race != "off" {
		fmt.Fprintf(stderr, "testall: -race=%s: want auto or off\n", *race)
		return 2
	}
	modules := flags.Args()
	if len(modules) == 0 {
		modules = []string{"."}
	}

	r := newReport(stdout, os.Getenv(testneed.EnvAll) == "1")
	goTest := []string{"test", "-json", "-shuffle=on"}
	if *race == "auto" {
		if reason := raceMissing(ctx); reason == "" {
			goTest = append(goTest, "-race")
		} else {
			r.noRace(reason)
		}
	}
	goTest = append(goTest, strings.Fields(*extra)...)
	goTest = append(goTest, "./...")

	for _, dir := range modules {
		fmt.Fprintf(stdout, "# module %s\n", filepath.ToSlash(filepath.Clean(dir)))
		if err := testModule(ctx, dir, goTest, r, stderr); err != nil {
			r.moduleFailed(dir, err)
		}
	}
	r.close()
	if *summary != "" {
		if err := os.WriteFile(*summary, []byte(r.summary()), 0o600); err != nil {
			fmt.Fprintf(stderr, "testall: %v\n", err)
			return 1
		}
	}
	if r.failed > 0 {
		return 1
	}
	return 0
}

// testModule runs go test in dir and feeds its events to r. The error is that of the go command itself.
func testModule(ctx context.Context, dir string, goTest []string, r *report, stderr io.Writer) error {
	cmd := exec.CommandContext(ctx, "go", goTest...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	cmd.Stderr = stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	return errors.Join(r.read(out), cmd.Wait())
}

// raceMissing returns why the race detector cannot be used here, or "". It asks the go command to build the part of the
// standard library that needs a C compiler, so that a compiler without its headers is noticed too.
func raceMissing(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "go", "build", "-race", "runtime/cgo").CombinedOutput()
	if err == nil {
		return ""
	}
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	for _, line := range lines {
		if !bytes.HasPrefix(line, []byte("#")) && len(line) > 0 {
			return string(line)
		}
	}
	return err.Error()
}
