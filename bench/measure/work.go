package measure

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/maillon-go/maillon/bench"
)

// Work is what is measured: one call of a handler, with what belongs to it.
type Work struct {
	Handler bench.Handler
	Fails   error // what every call returns, by errors.Is
	// Before is run ahead of each sample, Done behind it, and their time does not count; that of After does: work that a call put off.
	Before, After, Done func()
	MaxCalls            int // in a sample; zero: as many as its time allows
	Goroutines          int // that call at once; zero: one
}

// How long samples take: short ones end before the system gives the CPU to somebody else, so that on a busy machine most of them
// are whole. Long ones are for work that allocates, so that the collection of garbage falls into more of them.
const (
	Short = time.Millisecond
	Long  = 8 * time.Millisecond
)

// warmUp is the part of a sample's calls that are made ahead of it and do not count, so that caches are warm. There are none where
// calls leave work behind them.
const warmUp = 8

// Sampler takes samples of one Work. Not safe for concurrent use.
type Sampler struct {
	Work
	calls int // in a sample, of each goroutine
}

// NewSampler finds how many calls make a sample of that length. It takes the least of several runs, since what else the machine does
// makes a run longer: with too few calls a cell would measure cold caches for as long as the report lasts.
func NewSampler(w Work, length time.Duration) *Sampler {
	s := &Sampler{Work: w, calls: 1}
	s.run() // the first call builds what is built once
	for range 24 {
		took := max(1, min(s.run(), s.run(), s.run()))
		fits := took >= length*3/4 && took <= length*4/3 || s.calls == 1 && took > length
		s.calls = max(1, int(float64(s.calls)*min(8, float64(length)/float64(took))))
		if w.MaxCalls > 0 && s.calls >= w.MaxCalls {
			s.calls, fits = w.MaxCalls, true
		}
		if fits {
			break
		}
	}
	return s
}

// Calls is how many calls there are in a sample, of all goroutines together.
func (s *Sampler) Calls() int { return s.calls * max(1, s.Goroutines) }

// NS is one sample: nanoseconds per call. With several goroutines it is the time in which one call is done by one of them.
func (s *Sampler) NS() float64 {
	return float64(s.run().Nanoseconds()) / float64(s.Calls())
}

// Memory is what a call allocates: how often, rounded down as package testing does it, and how many bytes. What other
// goroutines allocate meanwhile counts too, so it is that of a work that runs in the background as well.
func (s *Sampler) Memory() (allocs, bytes float64) {
	var before, after runtime.MemStats
	if s.Before != nil {
		s.Before()
	}
	calls := s.calls
	if s.MaxCalls == 0 {
		calls = max(calls, 1000)
	}
	runtime.ReadMemStats(&before)
	s.loop(calls)
	if s.After != nil {
		s.After()
	}
	runtime.ReadMemStats(&after)
	if s.Done != nil {
		s.Done()
	}
	return float64((after.Mallocs - before.Mallocs) / uint64(calls)), float64((after.TotalAlloc - before.TotalAlloc) / uint64(calls))
}

func (s *Sampler) run() time.Duration {
	if s.Before != nil {
		s.Before()
	}
	if s.Done != nil {
		defer s.Done()
	}
	if s.After == nil {
		s.loop(s.calls / warmUp)
	}
	start := time.Now()
	if s.Goroutines > 1 {
		start = s.together()
	} else {
		s.loop(s.calls)
	}
	if s.After != nil {
		s.After()
	}
	return time.Since(start)
}

// loop makes the calls.
func (s *Sampler) loop(calls int) {
	h, fails := s.Handler, s.Fails
	ctx, p := context.Background(), new(bench.Payload)
	for range calls {
		if _, err := h(ctx, p); err != fails && !errors.Is(err, fails) { //nolint:errorlint // first the quick way
			panic(fmt.Sprintf("measure: a call returned %v, not %v", err, fails))
		}
	}
}

// together makes them on several goroutines, which begin when all of them are there, and returns when that was.
func (s *Sampler) together() time.Time {
	var ready, done sync.WaitGroup
	begin := make(chan struct{})
	for range s.Goroutines {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-begin
			s.loop(s.calls)
		})
	}
	ready.Wait()
	start := time.Now()
	close(begin)
	done.Wait()
	return start
}
