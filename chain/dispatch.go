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
// one holds nothing. Several chains may share one. Safe for concurrent use.
type Dispatcher struct {
	cfg DispatcherConfig

	mu      sync.Mutex
	queue   []func()
	workers int
	inline  int // jobs running on their caller's goroutine
	closed  bool
	change  chan struct{} // closed and replaced whenever room or rest may have come
	stats   DispatcherStats
}

// NewDispatcher makes a Dispatcher.
func NewDispatcher(cfg DispatcherConfig) *Dispatcher {
	if cfg.Workers <= 0 {
		cfg.Workers = DefaultWorkers
	}
	if cfg.Queue <= 0 {
		cfg.Queue = DefaultQueue
	}
	return &Dispatcher{cfg: cfg, change: make(chan struct{})}
}

type workerKey struct{ d *Dispatcher }

// Go hands in a job, which gets ctx without its cancellation but with its values. It reports whether the job was taken:
// false when it was dropped, by the overflow policy or because the dispatcher is closed. A panic in the job is swallowed.
func (d *Dispatcher) Go(ctx context.Context, job func(context.Context)) bool {
	done := ctx.Done()
	ctx = context.WithoutCancel(ctx)
	d.mu.Lock()
	d.stats.Queued++
	for !d.closed && len(d.queue) >= d.cfg.Queue {
		wait := d.cfg.Overflow == BlockWhenFull && ctx.Value(workerKey{d}) == nil // a worker waiting for its own queue waits for ever
		if wait {
			change := d.change
			d.mu.Unlock()
			select {
			case <-change:
			case <-done:
				wait = false
			}
			d.mu.Lock()
		}
		switch {
		case wait:
		case d.cfg.Overflow == DropNewest:
			d.stats.Dropped++
			d.mu.Unlock()
			return false
		default:
			d.inline++
			d.mu.Unlock()
			d.run(func() { job(ctx) }, &d.inline)
			return true
		}
	}
	defer d.mu.Unlock()
	if d.closed {
		d.stats.Dropped++
		return false
	}
	d.queue = append(d.queue, func() { job(context.WithValue(ctx, workerKey{d}, true)) })
	if d.workers < d.cfg.Workers {
		d.workers++
		go d.work()
	}
	return true
}

// work ends when the queue is empty. A job that calls Goexit ends its worker; the deferred part of run refills the place.
func (d *Dispatcher) work() {
	for {
		d.mu.Lock()
		if len(d.queue) == 0 {
			d.workers--
			d.signal()
			d.mu.Unlock()
			return
		}
		job := d.queue[0]
		d.queue[0] = nil
		d.queue = d.queue[1:]
		d.signal()
		d.mu.Unlock()
		if !d.run(job, nil) {
			return
		}
	}
}

// run reports whether its goroutine lives on: a false that nobody gets means Goexit.
func (d *Dispatcher) run(job func(), running *int) (alive bool) {
	returned := false
	defer func() {
		panicked := !returned && recover() != nil
		alive = returned || panicked
		d.mu.Lock()
		d.stats.Done++
		if running != nil {
			*running--
		} else if !alive {
			if len(d.queue) > 0 {
				go d.work()
			} else {
				d.workers--
			}
		}
		d.signal()
		d.mu.Unlock()
	}()
	job()
	returned = true
	return true
}

func (d *Dispatcher) signal() {
	close(d.change)
	d.change = make(chan struct{})
}

// Drain waits until nothing is queued or running, or ctx ends; then its error says how much was left.
func (d *Dispatcher) Drain(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.workers > 0 || d.inline > 0 || len(d.queue) > 0 {
		change := d.change
		d.mu.Unlock()
		select {
		case <-change:
			d.mu.Lock()
		case <-ctx.Done():
			d.mu.Lock()
			return fmt.Errorf("chain: drain: %d jobs waiting, %d running: %w", len(d.queue), d.workers+d.inline, context.Cause(ctx))
		}
	}
	return nil
}

// Close makes later jobs be dropped, and drains. It may be called again.
func (d *Dispatcher) Close(ctx context.Context) error {
	if ctx == nil {
		return errors.New("chain: close: nil context")
	}
	d.mu.Lock()
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
