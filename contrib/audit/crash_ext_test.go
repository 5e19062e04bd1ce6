package audit_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/audit"
	"github.com/maillon-go/maillon/stages"
)

const (
	crashEnv = "MAILLON_AUDIT_CRASH"
	crashRun = "MAILLON_AUDIT_CRASH_RUN"
	crashes  = 100
)

// crashChild records calls from several goroutines until it is killed, and prints the id of each request whose record is
// acknowledged.
func crashChild(path string) {
	p, err := audit.New(audit.Settings{Path: path, MaxBytes: 20_000})
	if err == nil {
		err = p.Init(context.Background())
	}
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	var n atomic.Int64
	for range 4 {
		go func() {
			for {
				id := fmt.Sprintf("r_%s_%d", os.Getenv(crashRun), n.Add(1))
				g := stages.NewGeneration(stages.Meta{RequestID: id}, stages.GenerationFields{})
				before := p.Stats()
				p.ObserveGeneration(context.Background(), chain.Outcome[*stages.Generation]{Payload: g, Answered: true})
				if s := p.Stats(); s.Err != nil || s.Failures > before.Failures {
					fmt.Println("error:", s.Err)
					os.Exit(1)
				}
				_, _ = os.Stdout.WriteString(id + "\n") // one write, unbuffered
			}
		}()
	}
	select {}
}

// A process that writes is killed a hundred times, at any moment. What it had been told is stored is there, and the chain is
// whole.
func TestCrash(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // it has no SIGKILL
	}
	path := tempPath(t)
	acknowledged := map[string]bool{}
	for run := range crashes {
		kill := 1 + rand.IntN(40) //nolint:gosec // a test
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), crashEnv+"="+path, crashRun+"="+strconv.Itoa(run))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 1; lines.Scan(); n++ {
			id := lines.Text()
			if strings.HasPrefix(id, "error") {
				t.Fatal(id)
			}
			acknowledged[id] = true
			if n == kill {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != -1 {
			t.Fatalf("the child ended with %v, want it to be killed", err)
		}
		if _, err := audit.Verify(path, audit.VerifyOptions{}); err != nil {
			t.Fatalf("after %d crashes: %v", run+1, err)
		}
	}
	r, err := audit.Verify(path, audit.VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	written := map[string]bool{}
	for _, name := range r.Files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.SplitSeq(string(b), "\n") {
			if _, after, ok := strings.Cut(line, `"request_id":"`); ok {
				id, _, _ := strings.Cut(after, `"`)
				written[id] = true
			}
		}
	}
	for id := range acknowledged {
		if !written[id] {
			t.Errorf("%s was acknowledged and is not there", id)
		}
	}
	t.Logf("%d acknowledged, %d written, %d files, %d torn lines repaired", len(acknowledged), r.Records, len(r.Files), r.Repairs)
}
