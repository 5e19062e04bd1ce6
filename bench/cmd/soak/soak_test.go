package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/maillon-go/maillon/bench/report"
	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/audit"
)

// A short run keeps what a long one must keep.
func TestSoak(t *testing.T) {
	res, faults, err := soak(t.Context(), time.Millisecond, 8, io.Discard)
	if err != nil || len(faults) > 0 {
		t.Fatalf("%v, %v", faults, err)
	}
	if res.Calls < enough || res.Streams == 0 || res.Outcomes != res.Calls || res.P50 <= 0 || res.P999 < res.P50 || res.Goroutines[1] < 8 || res.HeapMost == 0 {
		t.Errorf("%+v", res)
	}
}

// Each promise that is not kept is named.
func TestWhatDoesNotHoldIsNamed(t *testing.T) {
	kept := func() (*load, report.Soak, audit.Stats) {
		l := new(load)
		for v := range l.called {
			l.called[v].Store(3)
			l.verdicts[v].Store(3)
		}
		l.audited.Store(9)
		return l, report.Soak{
			Queued: 5, Done: 4, Dropped: 1, Signed: 9, Records: 9, Allowed: 3, Blocked: 3, Failed: 3, Canceled: 3, OfCalls: [4]int64{3, 3, 3, 3},
			Trips: 1, Hits: 1, Misses: 1, HeapEarly: 100 << 20, HeapLate: 100 << 20, GoroutinesEarly: 9, GoroutinesLate: 9,
		}, audit.Stats{Failures: 1}
	}
	for _, tc := range []struct {
		name  string
		spoil func(l *load, r *report.Soak, s *audit.Stats)
		want  string
	}{
		{"all kept", func(*load, *report.Soak, *audit.Stats) {}, ""},
		{"an outcome too few", func(l *load, _ *report.Soak, _ *audit.Stats) { l.verdicts[chain.Blocked].Store(2) }, "observers saw 2 outcomes blocked, callers 3"},
		{"nobody gives up", func(l *load, _ *report.Soak, _ *audit.Stats) {
			l.verdicts[chain.Canceled].Store(0)
			l.called[chain.Canceled].Store(0)
		}, "no call was canceled"},
		{"a job is gone", func(_ *load, r *report.Soak, _ *audit.Stats) { r.Done-- }, "5 background jobs queued, 3 done, 1 dropped"},
		{"a record is gone", func(_ *load, r *report.Soak, _ *audit.Stats) { r.Records-- }, "9 audit records acknowledged, 8 on disk"},
		{"a record was given up", func(_ *load, _ *report.Soak, s *audit.Stats) { s.Lost = 1 }, "Lost:1"},
		{"a call is not in the file", func(_ *load, r *report.Soak, _ *audit.Stats) { r.OfCalls[chain.Failed] = 2 }, "[3 3 2 3] records of calls"},
		{"a record never came to the audit", func(l *load, _ *report.Soak, _ *audit.Stats) { l.audited.Store(10) }, "observers saw 10 outcomes that are to be on record, the audit's file has 9"},
		{"no breaker opened", func(_ *load, r *report.Soak, _ *audit.Stats) { r.Trips = 0 }, "never opened"},
		{"nothing was cached", func(_ *load, r *report.Soak, _ *audit.Stats) { r.Hits = 0 }, "0 hits, 1 misses"},
		{"the cache was never full", func(_ *load, r *report.Soak, _ *audit.Stats) { r.Calls = many + 1 }, "0 evictions"},
		{"a plugin keeps more and more", func(_ *load, r *report.Soak, _ *audit.Stats) { r.HeapLate *= 2 }, "with the plugins there, a heap of"},
		{"goroutines stay", func(_ *load, r *report.Soak, _ *audit.Stats) { r.GoroutinesLate++ }, "9 goroutines after a tenth of the time, 10"},
		{"the sink never failed", func(_ *load, _ *report.Soak, s *audit.Stats) { s.Failures = 0 }, "Failures:0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l, r, s := kept()
			tc.spoil(l, &r, &s)
			if got := strings.Join(l.holds(r, s), "; "); !strings.Contains(got, tc.want) || (tc.want == "") != (got == "") {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// Calls that do not end are not waited for, and one sees where they are.
func TestCallsThatHangEndTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		start := time.Now()
		err := within(patience, func() { <-release })
		if err == nil || !strings.Contains(err.Error(), t.Name()+".") || time.Since(start) != patience {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		if err := within(patience, func() {}); err != nil {
			t.Error(err)
		}
	})
}

// What is kept for the pages can be run again by others: nothing is run that could not.
func TestSaveWantsACommit(t *testing.T) {
	git := func(args ...string) {
		t.Helper()
		if out, err := exec.CommandContext(t.Context(), "git", append([]string{"-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false"}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	refused := func(t *testing.T) {
		t.Helper()
		var stdout, stderr bytes.Buffer
		if status := run(t.Context(), []string{"-save", "-duration", "1ms", "-root", t.TempDir()}, &stdout, &stderr); status != 2 || !strings.Contains(stderr.String(), "in no commit") {
			t.Errorf("status %d, %s", status, stderr.String())
		}
	}
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("GIT_CEILING_DIRECTORIES", filepath.Dir(dir))
	t.Run("outside of a checkout", refused)
	git("init", "-q")
	for _, text := range []string{"as it was", "changed"} {
		if err := os.WriteFile("a.go", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if text == "as it was" {
			git("add", ".")
			git("commit", "-q", "-m", "a")
		}
	}
	t.Run("with a change", refused)
}

func TestVerdictOf(t *testing.T) {
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tc := range []struct {
		ctx  context.Context
		err  error
		want chain.Verdict
	}{
		{t.Context(), nil, chain.Allowed},
		{t.Context(), errDown, chain.Failed},
		{t.Context(), errors.Join(chain.Block("no")), chain.Blocked},
		{over, context.Canceled, chain.Canceled},
	} {
		if got := verdictOf(tc.ctx, tc.err); got != tc.want {
			t.Errorf("%v: %v, want %v", tc.err, got, tc.want)
		}
	}
}

func TestRunRefusesArguments(t *testing.T) {
	for _, args := range [][]string{{"-nothing"}, {"more"}, {"-duration", "0s"}, {"-workers", "0"}} {
		var stdout, stderr bytes.Buffer
		if status := run(t.Context(), args, &stdout, &stderr); status != 2 || stderr.Len() == 0 || stdout.Len() != 0 {
			t.Errorf("run(%q): status %d, stdout %q, stderr %q", args, status, stdout.String(), stderr.String())
		}
	}
}
