package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/maillon-go/maillon/internal/testneed"
)

// event is one line of go test -json (see go doc test2json). Test is empty in an event of a whole package.
type event struct {
	Action     string
	Package    string
	Test       string
	ImportPath string
	Output     string
}

// line is one piece of output and the test that printed it.
type line struct{ test, text string }

// pkg is what is known of a package whose tests are running.
type pkg struct {
	lines  []line
	states map[string]string // by test: "" while it runs, then pass, fail or skip
}

// report turns the events of go test -json back into the lines that go test prints without it, and counts.
type report struct {
	out     io.Writer
	all     bool // MAILLON_TEST_ALL=1
	running map[string]*pkg

	passed, failed int
	skips          []string
	closing        []string // the last line of every package: "ok ...", "FAIL ..."
	notices        []string
	explained      bool // a failure of the current module was already counted
}

func newReport(out io.Writer, all bool) *report {
	return &report{out: out, all: all, running: map[string]*pkg{}}
}

// read consumes the output of one go test -json.
func (r *report) read(in io.Reader) error {
	r.explained = false
	lines := bufio.NewReader(in) // not a Scanner: a line of output may have any length
	for {
		text, err := lines.ReadString('\n')
		if text != "" {
			var e event
			if json.Unmarshal([]byte(text), &e) == nil && e.Action != "" {
				r.add(e)
			} else {
				fmt.Fprint(r.out, text)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) add(e event) {
	if strings.HasPrefix(e.Action, "build-") {
		fmt.Fprint(r.out, e.Output)
		return
	}
	p := r.running[e.Package]
	if p == nil {
		p = &pkg{states: map[string]string{}}
		r.running[e.Package] = p
	}
	switch e.Action {
	case "run":
		p.states[e.Test] = ""
	case "output":
		p.lines = append(p.lines, line{e.Test, e.Output})
	case "pass", "fail", "skip":
		if e.Test == "" {
			r.endPackage(e.Package, p, e.Action)
			delete(r.running, e.Package)
			return
		}
		p.states[e.Test] = e.Action
		switch e.Action {
		case "pass":
			r.passed++
		case "fail":
			r.fail()
		case "skip":
			r.skip(e, p)
		}
	}
}

func (r *report) skip(e event, p *pkg) {
	var reason []string
	for _, l := range p.lines {
		if text := strings.TrimSpace(l.text); l.test == e.Test && !isProgress(text) && !strings.HasPrefix(text, "--- SKIP") {
			reason = append(reason, text)
		}
	}
	r.skips = append(r.skips, fmt.Sprintf("%s %s: %s", e.Package, e.Test, strings.Join(reason, " ")))
	if r.all {
		r.fail()
	}
}

func (r *report) fail() {
	r.failed++
	r.explained = true
}

// endPackage prints what go test would have printed: of a package that failed everything except the output of tests that
// passed, else its closing line. Skips are printed at the end of the run.
func (r *report) endPackage(name string, p *pkg, action string) {
	testFailed := false
	for test, state := range p.states {
		if state == "" && action == "fail" { // it never ended: a panic, a timeout, os.Exit
			testFailed = true
			r.fail()
			fmt.Fprintf(r.out, "--- FAIL: %s (did not end)\n", test)
		}
		testFailed = testFailed || state == "fail"
	}
	if action == "fail" && !testFailed { // a build error, TestMain, a leak found after the last test
		r.fail()
	}
	for _, l := range p.lines {
		closing := l.test == "" && isClosing(l.text)
		if closing {
			r.closing = append(r.closing, l.text)
		}
		state := p.states[l.test]
		quiet := isProgress(l.text) || state == "pass" || state == "skip"
		if closing || action == "fail" && !quiet {
			fmt.Fprint(r.out, l.text)
		}
	}
	if action == "fail" && len(p.lines) == 0 {
		fmt.Fprintf(r.out, "FAIL\t%s\n", name)
	}
}

// isProgress reports whether text is a line that only go test -v prints.
func isProgress(text string) bool { return strings.HasPrefix(text, "=== ") }

// isClosing reports whether text is the line with which go test ends a package.
func isClosing(text string) bool {
	return strings.HasPrefix(text, "ok  \t") || strings.HasPrefix(text, "?   \t") || strings.HasPrefix(text, "FAIL\t")
}

// moduleFailed counts a go command that failed without any test having failed: a broken go.mod, no packages.
func (r *report) moduleFailed(dir string, err error) {
	if r.explained {
		return
	}
	r.failed++
	r.notices = append(r.notices, fmt.Sprintf("FAIL: go test in %s: %v", filepath.ToSlash(dir), err))
}

// noRace notes that the tests run without the race detector.
func (r *report) noRace(reason string) {
	if r.all {
		r.failed++
		r.notices = append(r.notices, fmt.Sprintf("FAIL: no race detector, which %s=1 asks for: %s", testneed.EnvAll, reason))
	} else {
		r.notices = append(r.notices, "notice: the race detector is off: "+reason)
	}
	fmt.Fprintln(r.out, r.notices[len(r.notices)-1])
}

// close prints the skips, the notices and the counts.
func (r *report) close() {
	for _, s := range r.skips {
		if r.all {
			fmt.Fprintf(r.out, "FAIL: skipped, which %s=1 does not allow: %s\n", testneed.EnvAll, s)
		} else {
			fmt.Fprintf(r.out, "skipped: %s\n", s)
		}
	}
	for _, n := range r.notices {
		fmt.Fprintln(r.out, n)
	}
	fmt.Fprintln(r.out, r.counts())
}

func (r *report) counts() string { return fmt.Sprintf("%d passed, %d failed", r.passed, r.failed) }

// summary is the closing line of every package that has tests, then the counts.
func (r *report) summary() string {
	var b strings.Builder
	for _, l := range r.closing {
		if !strings.HasPrefix(l, "?") {
			b.WriteString(l)
		}
	}
	b.WriteString(r.counts() + "\n")
	return b.String()
}
