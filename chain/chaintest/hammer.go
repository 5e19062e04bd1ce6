package chaintest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maillon-go/maillon/chain"
)

// How hard the hammer strikes.
const (
	hammerGoroutines = 64
	hammerCalls      = 200 // of each goroutine, at most
	hammerTime       = 200 * time.Millisecond
)

// fate is what happens to a call under the hammer.
type fate uint8

const (
	succeed  fate = iota
	fail          // next fails
	canceled      // before the call
	cut           // while next is blocked
	fates
)

// blow is one call under the hammer, known to next by its context.
type blow struct {
	fate  fate
	most  int64 // calls of next, before it is taken for a runaway
	nexts atomic.Int64
}

type blowKey struct{}

// struck is next under the hammer.
func struck[P any](ctx context.Context, p P) (zero P, _ error) {
	b, ok := ctx.Value(blowKey{}).(*blow)
	if !ok {
		return p, nil // the link detached its context
	}
	if b.nexts.Add(1) > b.most {
		runtime.Goexit()
	}
	switch b.fate {
	case fail:
		return zero, errBackend
	case cut:
		select {
		case <-ctx.Done():
		case <-time.After(hammerTime): // the link detached the cancellation only
		}
	case succeed, canceled, fates:
	}
	if err := ctx.Err(); err != nil {
		return zero, err
	}
	return p, nil
}

// hammer calls the link from many goroutines, all with the same payload, so that the race detector sees any write to it.
func (s *subject[P]) hammer() (bad list) {
	p := s.payload()
	before := snapshot(p)
	h := s.around(struck[P])
	ctx, stop := context.WithTimeoutCause(context.Background(), hammerTime, errCanceled)
	defer stop()

	var (
		mu    sync.Mutex
		first = map[string]bool{} // one complaint of each sort
	)
	complain := func(text string) {
		mu.Lock()
		defer mu.Unlock()
		if text != "" && !first[text] && len(first) < 5 {
			first[text] = true
			bad.add("%s", text)
		}
	}
	var running atomic.Int64
	running.Store(hammerGoroutines)
	finished := make(chan struct{})
	for i := range hammerGoroutines {
		go func() {
			defer func() {
				if running.Add(-1) == 0 {
					close(finished)
				}
			}()
			random := rand.New(rand.NewPCG(uint64(i), 0))
			for range hammerCalls {
				if ctx.Err() != nil || !s.strike(ctx, h, p, random, complain) {
					return
				}
			}
		}()
	}
	if _, ok := wait(finished, hammerTime+s.patience); !ok {
		mu.Lock()
		defer mu.Unlock()
		bad.add("%d of %d goroutines did not return within %v, though their contexts were cancelled", running.Load(), hammerGoroutines, s.patience)
		return append(list{}, bad...) // the others may still complain
	}
	if change := before.change(snapshot(p)); change != "" {
		bad.add("changed a payload in place that %d goroutines share: %s", hammerGoroutines, change)
	}
	return bad
}

// strike is one call. It reports whether its goroutine can go on.
func (s *subject[P]) strike(ctx context.Context, h chain.Handler[P], p P, random *rand.Rand, complain func(string)) bool {
	b := &blow{fate: fate(random.IntN(int(fates))), most: int64(s.maxNext) + runaway}
	ctx, cancel := context.WithCancel(context.WithValue(ctx, blowKey{}, b))
	defer cancel()
	switch b.fate {
	case canceled:
		cancel()
	case cut:
		defer time.AfterFunc(time.Duration(random.Int64N(int64(time.Millisecond))), cancel).Stop()
	case succeed, fail, fates:
	}
	r := result[P]{exited: true}
	func() {
		defer func() {
			if v := recover(); v != nil {
				r.exited, r.panicked = false, v
			}
			if r.exited {
				complain("called runtime.Goexit")
			}
		}()
		r.out, r.err = h(ctx, p)
		r.exited = false
	}()
	complain(r.fault())
	if n := b.nexts.Load(); n > int64(s.maxNext) {
		complain(fmt.Sprintf("called next %d times in one call, %d allowed (MaxNext)", n, s.maxNext))
	}
	return r.panicked == nil
}
