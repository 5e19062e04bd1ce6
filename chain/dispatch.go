package chain

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Defaults of a Dispatcher.
const (
	DefaultWorkers = 4
	DefaultQueue   = 1024
)

// DispatcherConfig sizes a Dispatcher. Zero or negative numbers mean the defaults.
type DispatcherConfig struct {
	Workers  int // goroutines at most, default DefaultWorkers
	Queue    int // jobs waiting at most, default DefaultQueue
	Overflow Overflow
}

// Dispatcher runs background work on a bounded number of goroutines. They end when the queue is empty, so that an idle
// one holds nothing. Several chains may share one. The zero value has the defaults. Safe for concurrent use.
type Dispatcher struct {
	cfg DispatcherConfig

	mu      sync.Mutex
	queue   []job
	workers int
	epoch   uint64         // of jobs handed in now; a Drain begins a new one
	pending map[uint64]int // jobs that are not done, by epoch
	closed  bool
	change  chan struct{} // closed and replaced whenever room or rest may have come
	stats   DispatcherStats
}

// job belongs to the epoch in which it was handed in, or in which the job that handed it in was.
type job struct {
	run   func()
	epoch uint64
}

// NewDispatcher makes a Dispatcher.
func NewDispatcher(cfg DispatcherConfig) *Dispatcher {
	return &Dispatcher{cfg: cfg}
}

// Configure changes the numbers at run time. Jobs that wait already stay, also where the new queue is shorter, and workers
// that are too many end after their job.
func (d *Dispatcher) Configure(cfg DispatcherConfig) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cfg = cfg
	d.defaults()
	if d.change == nil {
		d.init()
	}
	for range min(d.cfg.Workers, len(d.queue)) - d.workers {
		d.workers++
		go d.work()
	}
	d.signal()
}

// Config is what is in force.
func (d *Dispatcher) Config() DispatcherConfig {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.init()
	return d.cfg
}

// init fills in the defaults. It is called under the lock.
func (d *Dispatcher) init() {
	if d.change != nil {
		return
	}
	d.defaults()
	d.pending, d.change = map[uint64]int{}, make(chan struct{})
}

func (d *Dispatcher) defaults() {
	if d.cfg.Workers <= 0 {
		d.cfg.Workers = DefaultWorkers
	}
	if d.cfg.Queue <= 0 {
		d.cfg.Queue = DefaultQueue
	}
	if d.cfg.Overflow > RunInline {
		d.cfg.Overflow = BlockWhenFull
	}
}

// workerKey marks the context of a job with its epoch.
type workerKey struct{ d *Dispatcher }

// Go hands in a job, which gets ctx without its cancellation but with its values. It reports whether the job was taken:
// false when it was dropped, by the overflow policy or because the dispatcher is closed. A panic in the job is swallowed.
func (d *Dispatcher) Go(ctx context.Context, f func(context.Context)) bool {
	if f == nil {
		return false
	}
	if ctx == nil {
		ctx = context.Background()
	}
	done := ctx.Done()
	ctx = context.WithoutCancel(ctx)
	epoch, isWorker := ctx.Value(workerKey{d}).(uint64)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.init()
	if !isWorker {
		epoch = d.epoch
	}
	j := job{func() { f(context.WithValue(ctx, workerKey{d}, epoch)) }, epoch}
	d.stats.Queued++
	for !d.closed && len(d.queue) >= d.cfg.Queue {
		wait := d.cfg.Overflow == BlockWhenFull && !isWorker // one that waited for its own queue would wait for ever
		if wait {
			wait = d.await(done)
		}
		switch {
		case wait:
		case d.cfg.Overflow == DropNewest:
			d.stats.Dropped++
			return false
		default:
			d.runInline(j)
			return true
		}
	}
	if d.closed {
		d.stats.Dropped++
		return false
	}
	d.pending[epoch]++
	d.queue = append(d.queue, j)
	if d.workers < d.cfg.Workers {
		d.workers++
		go d.work()
	}
	return true
}

// runInline lets go of the lock while the job runs on its caller's goroutine, which a Goexit in it ends.
func (d *Dispatcher) runInline(j job) {
	d.pending[j.epoch]++
	d.mu.Unlock()
	defer d.mu.Lock()
	d.run(j)
}

// await lets go of the lock until something changes. It reports false when done came first.
func (d *Dispatcher) await(done <-chan struct{}) bool {
	change := d.change
	d.mu.Unlock()
	defer d.mu.Lock()
	select {
	case <-change:
		return true
	case <-done:
		return false
	}
}

// work ends when the queue is empty. A job that calls Goexit ends its worker, and the worker sees to another one.
func (d *Dispatcher) work() {
	ended := false
	defer func() {
		if !ended {
			go d.work()
		}
	}()
	for {
		d.mu.Lock()
		if len(d.queue) == 0 || d.workers > d.cfg.Workers {
			d.workers--
			ended = true
			d.signal()
			d.mu.Unlock()
			return
		}
		j := d.queue[0]
		d.queue[0] = job{}
		d.queue = d.queue[1:]
		d.signal()
		d.mu.Unlock()
		d.run(j)
	}
}

func (d *Dispatcher) run(j job) {
	defer func() {
		_ = recover()
		d.mu.Lock()
		defer d.mu.Unlock()
		d.stats.Done++
		if d.pending[j.epoch]--; d.pending[j.epoch] == 0 {
			delete(d.pending, j.epoch)
		}
		d.signal()
	}()
	j.run()
}

func (d *Dispatcher) signal() {
	close(d.change)
	d.change = make(chan struct{})
}

// Drain waits until the jobs handed in so far, and those that they hand in in turn, are done, or ctx ends; then its error
// says how many were left. Jobs that others hand in meanwhile are not waited for. Called by a job, which it would wait
// for, it returns an error at once.
func (d *Dispatcher) Drain(ctx context.Context) error {
	switch {
	case ctx == nil:
		return errors.New("chain: drain: nil context")
	case ctx.Value(workerKey{d}) != nil:
		return errors.New("chain: drain: called by background work, which it would wait for")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.init()
	epoch := d.epoch
	d.epoch++
	for {
		left := 0
		for e, n := range d.pending {
			if e <= epoch {
				left += n
			}
		}
		if left == 0 && (d.workers == 0 || len(d.pending) > 0) { // where nothing is left at all, the workers end too
			return nil
		}
		if !d.await(ctx.Done()) {
			if left == 0 { // the workers are about to end
				return nil
			}
			return fmt.Errorf("chain: drain: %d background jobs are not done: %w", left, context.Cause(ctx))
		}
	}
}

// Close makes later jobs be dropped, also those of jobs that are still running, and drains. It may be called again.
func (d *Dispatcher) Close(ctx context.Context) error {
	if ctx == nil {
		return errors.New("chain: close: nil context")
	}
	d.mu.Lock()
	d.init()
	d.closed = true
	d.signal()
	d.mu.Unlock()
	return d.Drain(ctx)
}

// Stats is a snapshot of the counts.
func (d *Dispatcher) Stats() DispatcherStats {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.stats
	s.Waiting, s.Running = len(d.queue), d.workers
	return s
}
