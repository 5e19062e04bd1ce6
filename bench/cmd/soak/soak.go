package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/maillon-go/maillon/bench/report"
	"github.com/maillon-go/maillon/bench/stack"
	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/audit"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// load is one set of plugins under load.
type load struct {
	plugins  stack.Stack
	pipeline *stages.Pipeline
	file     *audit.File
	verdicts [4]atomic.Int64 // that observers saw, by chain.Verdict
	called   [4]atomic.Int64 // as callers saw them
	audited  atomic.Int64    // outcomes of all stages that are to be on record, as observers saw them
	streams  atomic.Int64
	faults   faults
	over     atomic.Bool
	peak     peak
}

// soak runs the load for a while and says what it came to and what does not hold.
func soak(ctx context.Context, d time.Duration, workers int, progress io.Writer) (res report.Soak, faults []string, err error) {
	dir, err := os.MkdirTemp("", "soak")
	if err != nil {
		return res, nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	// What is made once in a process is made before the measurement.
	if _, _, err := once(ctx, filepath.Join(dir, "warm.jsonl"), min(d, time.Second), workers, io.Discard); err != nil {
		return res, nil, err
	}
	heap, goroutines := settled()
	res, faults, err = once(ctx, filepath.Join(dir, "audit.jsonl"), d, workers, progress)
	if err != nil {
		return res, nil, err
	}
	res.HeapBefore, res.Goroutines[0] = heap, goroutines
	res.HeapAfter, res.Goroutines[2] = settled()
	if res.Goroutines[2] > goroutines {
		faults = append(faults, fmt.Sprintf("%d goroutines before, %d after", goroutines, res.Goroutines[2]))
	}
	if allowed := heap + heap/4 + slack; res.HeapAfter > allowed {
		faults = append(faults, fmt.Sprintf("a heap of %d bytes before, %d after", heap, res.HeapAfter))
	}
	return res, faults, nil
}

// phase is a stretch of the load, all of whose sessions are closed when it ends.
func (l *load) phase(ctx context.Context, d time.Duration, workers int, all *hdrhistogram.Histogram) (took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	start := time.Now()
	atLeast := sum(&l.called) + enough/2
	hists := make([]*hdrhistogram.Histogram, workers)
	var running sync.WaitGroup
	for i := range hists {
		hists[i] = hdrhistogram.New(1, int64(time.Minute), 3)
		running.Go(func() { l.work(ctx, uint64(start.UnixNano())+uint64(i), atLeast, hists[i]) })
	}
	l.peak.look() // in a short run all is over before the next look
	if err := within(d+patience, running.Wait); err != nil {
		return 0, fmt.Errorf("calls still run %v after the time was over: %w", patience, err)
	}
	took = time.Since(start)
	for _, h := range hists {
		all.Merge(h)
	}
	return took, nil
}

// within waits no longer than d. Its error has the stacks of all goroutines.
func within(d time.Duration, wait func()) error {
	ended := make(chan struct{})
	go func() { defer close(ended); wait() }()
	select {
	case <-ended:
		return nil
	case <-time.After(d):
		stacks := make([]byte, 1<<20)
		return fmt.Errorf("these are the goroutines:\n%s", stacks[:runtime.Stack(stacks, true)])
	}
}

// patience is how long calls may take to end when the time is over.
const patience = 2 * time.Minute

// recordsOfCalls counts the records of components in the audit's file, by verdict: one for each call, whatever became of it.
func recordsOfCalls(path string) (n [4]int64, err error) {
	files, err := filepath.Glob(path + "*") // rotated ones, too
	if err != nil {
		return n, err
	}
	for _, name := range files {
		if ext := filepath.Ext(name); ext == ".head" || ext == ".lock" {
			continue
		}
		err := eachLine(name, func(line []byte) error {
			if !bytes.Contains(line, []byte(`"chain":"component"`)) {
				return nil
			}
			var r struct {
				Record struct {
					Verdict chain.Verdict `json:"verdict"`
				} `json:"record"`
			}
			if err := json.Unmarshal(line, &r); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			n[r.Record.Verdict]++
			return nil
		})
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func eachLine(name string, do func(line []byte) error) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it is read only
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		if err := do(lines.Bytes()); err != nil {
			return err
		}
	}
	return lines.Err()
}

// kept is what the plugins may come to keep after the first tenth: the cache's 4 MB and what they take to manage.
const kept = 12 << 20

// slack is what the heap may have grown by for reasons of the runtime's own.
const slack = 2 << 20

// once is a load from its first call to its last.
func once(ctx context.Context, path string, d time.Duration, workers int, progress io.Writer) (res report.Soak, faults []string, err error) {
	l, err := newLoad(context.WithoutCancel(ctx), path)
	if err != nil {
		return res, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	all := hdrhistogram.New(1, int64(time.Minute), 3)
	var watching sync.WaitGroup
	watching.Go(func() { l.peak.watch(ctx, progress, time.Now(), d, &l.called) })
	// In between, when all sessions are closed and the plugins are as they are, is the moment with which the end is compared.
	took, err := l.phase(ctx, d/10, workers, all)
	early, earlyGoroutines := settled()
	if err == nil {
		var more time.Duration
		more, err = l.phase(ctx, d-d/10, workers, all)
		took += more
	}
	late, lateGoroutines := settled()
	cancel()
	watching.Wait()
	if err != nil {
		return res, nil, err
	}
	if err := l.close(context.WithoutCancel(ctx)); err != nil {
		return res, nil, err
	}
	written := l.plugins.Audit.Stats()
	fmt.Fprintln(progress, "reading the audit back, which takes some minutes after a long run")
	verified, err := audit.Verify(path, audit.VerifyOptions{})
	if err != nil {
		return res, nil, err
	}
	if res.OfCalls, err = recordsOfCalls(path); err != nil {
		return res, nil, err
	}
	jobs := l.pipeline.Dispatcher().Stats()
	trips, _ := l.pipeline.Generation.Stats().Link(failsOpen)
	cached := l.plugins.Cache.Stats()
	res = report.Soak{
		OfCalls: res.OfCalls, Trips: trips.Trips, Hits: cached.Hits + cached.Shared, Misses: cached.Misses, Evictions: cached.Evictions,
		HeapEarly: early, HeapLate: late, GoroutinesEarly: earlyGoroutines, GoroutinesLate: lateGoroutines,
		Duration: took.Round(time.Second), Calls: sum(&l.called), Streams: l.streams.Load(), PerSecond: float64(sum(&l.called)) / took.Seconds(),
		P50: quantile(all, 50), P99: quantile(all, 99), P999: quantile(all, 99.9), Most: time.Duration(all.Max()).Round(10 * time.Microsecond),
		Allowed: l.verdicts[chain.Allowed].Load(), Blocked: l.verdicts[chain.Blocked].Load(), Failed: l.verdicts[chain.Failed].Load(), Canceled: l.verdicts[chain.Canceled].Load(),
		Outcomes: sum(&l.verdicts), Queued: jobs.Queued, Done: jobs.Done, Dropped: jobs.Dropped,
		HeapMost: l.peak.heap, Goroutines: [3]int{1: l.peak.goroutines},
		Records: int64(verified.Records), Signed: int64(written.Written),
	}
	return res, l.holds(res, written), nil
}

// holds says what does not.
func (l *load) holds(res report.Soak, written audit.Stats) (faults []string) {
	fault := func(format string, a ...any) { faults = append(faults, fmt.Sprintf(format, a...)) }
	for v := chain.Allowed; v <= chain.Canceled; v++ {
		if seen, got := l.verdicts[v].Load(), l.called[v].Load(); seen != got {
			fault("observers saw %d outcomes %v, callers %d", seen, v, got)
		}
		if l.called[v].Load() == 0 {
			fault("no call was %v: the load lacks something", v)
		}
	}
	if res.OfCalls != [4]int64{res.Allowed, res.Blocked, res.Failed, res.Canceled} {
		fault("the audit's file has %v records of calls that were allowed, blocked, failed, canceled; observers saw %d, %d, %d, %d", res.OfCalls, res.Allowed, res.Blocked, res.Failed, res.Canceled)
	}
	if n := l.audited.Load(); n != res.Records {
		fault("observers saw %d outcomes that are to be on record, the audit's file has %d records", n, res.Records)
	}
	if res.Trips == 0 {
		fault("the breaker of %q never opened", failsOpen)
	}
	if res.Hits == 0 || res.Misses == 0 || res.Evictions == 0 && res.Calls > many {
		fault("the cache had %d hits, %d misses, %d evictions: the load lacks something", res.Hits, res.Misses, res.Evictions)
	}
	if res.HeapLate > res.HeapEarly+res.HeapEarly/4+kept {
		fault("with the plugins there, a heap of %d bytes after a tenth of the time, %d at the end", res.HeapEarly, res.HeapLate)
	}
	if res.GoroutinesLate > res.GoroutinesEarly {
		fault("with the plugins there, %d goroutines after a tenth of the time, %d at the end", res.GoroutinesEarly, res.GoroutinesLate)
	}
	if res.Queued != res.Done+res.Dropped || res.Queued == 0 {
		fault("%d background jobs queued, %d done, %d dropped", res.Queued, res.Done, res.Dropped)
	}
	if res.Signed != res.Records || written.Lost != 0 || written.Waiting != 0 || written.Failures == 0 {
		fault("%d audit records acknowledged, %d on disk: %+v", res.Signed, res.Records, written)
	}
	return faults
}

func (l *load) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	l.over.Store(true)
	return errors.Join(l.pipeline.Close(ctx), l.file.Close())
}

func sum(counts *[4]atomic.Int64) (n int64) {
	for i := range counts {
		n += counts[i].Load()
	}
	return n
}

func quantile(h *hdrhistogram.Histogram, q float64) time.Duration {
	return time.Duration(h.ValueAtPercentile(q)).Round(10 * time.Microsecond)
}

// settled is the heap and the goroutines once what is over has ended.
func settled() (heap uint64, goroutines int) {
	var m runtime.MemStats
	for range 100 {
		runtime.GC()
		runtime.ReadMemStats(&m)
		n := runtime.NumGoroutine()
		if heap == m.HeapAlloc && goroutines == n {
			break
		}
		heap, goroutines = m.HeapAlloc, n
		time.Sleep(50 * time.Millisecond)
	}
	return heap, goroutines
}

// peak is the most that there was at a time.
type peak struct {
	mu         sync.Mutex
	heap       uint64
	goroutines int
}

// look takes note of how much there is now.
func (p *peak) look() {
	p.mu.Lock()
	defer p.mu.Unlock()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	p.heap, p.goroutines = max(p.heap, m.HeapAlloc), max(p.goroutines, runtime.NumGoroutine())
}

func (p *peak) watch(ctx context.Context, progress io.Writer, start time.Time, d time.Duration, calls *[4]atomic.Int64) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		p.look()
		select {
		case <-ctx.Done():
			fmt.Fprintln(progress)
			return
		case <-tick.C:
			fmt.Fprintf(progress, "\r\033[K%v of %v, %d calls", time.Since(start).Round(time.Second), d, sum(calls))
		}
	}
}

var _ session.Streamer = backend{}
