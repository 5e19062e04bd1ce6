package debug

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
)

// maxWaiting is how many lines wait for the writer at most.
const maxWaiting = 1024

// output writes lines in the background, on a goroutine that ends when there are none.
type output struct {
	w    io.Writer
	lost atomic.Int64

	mu      sync.Mutex
	waiting []string
	dropped int           // since the last line that was not
	idle    chan struct{} // closed when the goroutine ends; nil without one
}

// add never waits for the writer.
func (o *output) add(line string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.waiting) >= maxWaiting {
		o.dropped++
		o.lost.Add(1)
		return
	}
	if o.dropped > 0 {
		o.waiting = append(o.waiting, fmt.Sprintf("... %d lines were dropped, the writer is too slow\n", o.dropped))
		o.dropped = 0
	}
	o.waiting = append(o.waiting, line)
	if o.idle == nil {
		o.idle = make(chan struct{})
		go o.run(o.idle)
	}
}

func (o *output) run(idle chan struct{}) {
	defer close(idle)
	for {
		o.mu.Lock()
		lines := o.waiting
		o.waiting = nil
		if len(lines) == 0 {
			o.idle = nil
			o.mu.Unlock()
			return
		}
		o.mu.Unlock()
		for _, l := range lines {
			if o.write(l) != nil {
				o.lost.Add(1)
			}
		}
	}
}

var errWriter = errors.New("debug: the writer panicked")

func (o *output) write(line string) (err error) {
	defer func() {
		if recover() != nil {
			err = errWriter
		}
	}()
	_, err = io.WriteString(o.w, line)
	return err
}

func (o *output) drain(ctx context.Context) error {
	for {
		o.mu.Lock()
		idle := o.idle
		o.mu.Unlock()
		if idle == nil {
			return nil
		}
		select {
		case <-idle:
		case <-ctx.Done():
			return fmt.Errorf("debug: waiting for the writer: %w", context.Cause(ctx))
		}
	}
}
