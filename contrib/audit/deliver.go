package audit

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

const (
	maxBatch      = 256 // records
	maxBatchBytes = 8 << 20
	retryAfter    = time.Second // that a sink which failed is left alone
)

// Stats are counts since New, and what there is now.
type Stats struct {
	Written  uint64 // records that the sink has acknowledged
	Failures uint64 // of the sink, each of a batch
	Lost     uint64 // records given up because Settings.Buffer was full while the sink failed, or at Close
	Waiting  int    // records that wait for a sink that failed
	Err      error  // the sink's last error; nil once it works again
}

// delivery hands records to the sink. There is no goroutine: whoever has a record waits until it is written, and one of those
// who wait writes for all, so that many calls share one fsync.
type delivery struct {
	sink   Sink
	log    *zap.Logger // nil for that of the request
	buffer int         // bytes that wait at most while the sink fails

	mu      sync.Mutex
	waiting []*Record
	size    int    // of those waiting
	in      uint64 // records taken in
	out     uint64 // records written
	busy    bool
	round   chan struct{} // closed when the write under way is over
	lost    uint64        // not yet told by a record
	retry   time.Time
	stats   Stats
}

// put returns when the record is written, or waits for a sink that failed, or was given up.
func (d *delivery) put(ctx context.Context, r *Record) {
	d.mu.Lock()
	defer d.mu.Unlock()
	size := r.size()
	if d.stats.Err != nil && d.size+size > d.buffer {
		d.lost++
		d.stats.Lost++
	} else {
		d.waiting = append(d.waiting, r)
		d.size += size
		d.in++
	}
	for mine := d.in; d.out < mine; {
		if d.busy {
			d.wait()
			if d.stats.Err != nil {
				return
			}
			continue
		}
		if d.stats.Err != nil && time.Now().Before(d.retry) {
			return
		}
		if d.write(ctx) != nil {
			return
		}
	}
}

// wait lets go of the lock until the write under way is over.
func (d *delivery) wait() {
	round := d.round
	d.mu.Unlock()
	defer d.mu.Lock()
	<-round
}

// write hands over what has waited longest. It lets go of the lock meanwhile.
func (d *delivery) write(ctx context.Context) error {
	n, size := 1, d.waiting[0].size()
	for n < min(len(d.waiting), maxBatch) && size+d.waiting[n].size() <= maxBatchBytes {
		size += d.waiting[n].size()
		n++
	}
	batch := slices.Clone(d.waiting[:n])
	told := d.lost
	if told > 0 {
		first := *batch[0]
		first.Lost += told
		batch[0] = &first
	}
	d.busy, d.round = true, make(chan struct{})
	err := error(errGone)
	defer func() { // also when the sink calls Goexit
		d.busy = false
		close(d.round)
		d.done(ctx, n, told, err)
	}()
	err = d.hand(ctx, batch)
	return err
}

// errGone is what a sink ends in that does not return.
const errGone = constError("audit: the sink ended its goroutine")

type constError string

func (e constError) Error() string { return string(e) }

func (d *delivery) hand(ctx context.Context, batch []*Record) (err error) {
	d.mu.Unlock()
	defer d.mu.Lock()
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("audit: the sink panicked with a %T", v)
		}
	}()
	return d.sink.Write(ctx, batch)
}

func (d *delivery) done(ctx context.Context, n int, told uint64, err error) {
	was := d.stats.Err
	d.stats.Err = err
	log := d.log
	if log == nil {
		log = stages.From(ctx).Logger().Named(Kind)
	}
	if err != nil {
		d.stats.Failures++
		d.retry = time.Now().Add(retryAfter)
		if was == nil {
			log.Error("audit records cannot be written; they wait, and calls go on", zap.String("error", chain.DescribeError(err)))
		}
		return
	}
	for _, r := range d.waiting[:n] {
		d.size -= r.size()
	}
	clear(d.waiting[:n])
	d.waiting = d.waiting[n:]
	d.out += uint64(n)           //nolint:gosec // not negative
	d.stats.Written += uint64(n) //nolint:gosec // not negative
	d.lost -= told
	if was != nil {
		log.Warn("audit records are written again", zap.Uint64("lost", told), zap.Int("waiting", len(d.waiting)))
	}
}

// flush tries once more to write what waits, and gives up what still does.
func (d *delivery) flush(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.waiting) > 0 {
		if d.busy {
			d.wait()
			continue
		}
		if err := d.write(ctx); err != nil {
			n := len(d.waiting)
			d.stats.Lost += uint64(n) //nolint:gosec // not negative
			d.lost += uint64(n)       //nolint:gosec // not negative
			d.waiting, d.size, d.out, d.retry = nil, 0, d.in, time.Time{}
			return fmt.Errorf("audit: %d records are lost: %w", n, err)
		}
	}
	return nil
}

func (d *delivery) snapshot() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.stats
	s.Waiting = len(d.waiting)
	return s
}
