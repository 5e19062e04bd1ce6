package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maillon-go/maillon/bench"
)

// pair is what the two sides of a ratio came to. The ratio is the median over the rounds, the times are medians too.
type pair struct {
	ratio           float64
	overNS, underNS float64 // per call; for a scaling the two speed-ups
}

// meter takes figures.
type meter interface {
	figure(w work, rounds int) (ns float64)
	allocs(w work) float64
	bytes(w work) float64 // allocated per call
	ratio(over, under work, rounds int) pair
	scaling(over, under work, rounds int) pair
	cpus() int
}

// sampleTime is how long one sample takes: short enough to alternate often, long enough for a collection of garbage to
// fall into most samples of a work that makes some.
const sampleTime = 8 * time.Millisecond

// stopwatch is the meter that measures.
type stopwatch struct {
	handlers map[work]bench.Handler
	calls    map[work]int // per sample
}

func newStopwatch() *stopwatch {
	return &stopwatch{handlers: map[work]bench.Handler{}, calls: map[work]int{}}
}

func (s *stopwatch) cpus() int { return min(runtime.NumCPU(), runtime.GOMAXPROCS(0)) }

// prepare builds a work and finds how many calls a sample takes.
func (s *stopwatch) prepare(w work) (h bench.Handler, calls int) {
	if h = s.handlers[w]; h != nil {
		return h, s.calls[w]
	}
	v, ok := bench.ByName(w.what)
	if !ok {
		panic(fmt.Sprintf("gate: no variant %q", w.what))
	}
	h = v.Build(w.links)
	for calls = 1000; ; calls *= 2 {
		if took := timed(h, calls); took >= sampleTime/8 {
			calls = max(1, int(float64(calls)*float64(sampleTime)/float64(took)))
			break
		}
	}
	s.handlers[w], s.calls[w] = h, calls
	return h, calls
}

// timed makes the calls and says how long they took.
func timed(h bench.Handler, calls int) time.Duration {
	ctx, p := context.Background(), new(bench.Payload)
	start := time.Now()
	for range calls {
		if _, err := h(ctx, p); err != nil {
			panic(err)
		}
	}
	return time.Since(start)
}

func perCall(h bench.Handler, calls int) float64 {
	return float64(timed(h, calls).Nanoseconds()) / float64(calls)
}

func (s *stopwatch) figure(w work, rounds int) float64 {
	h, calls := s.prepare(w)
	samples := make([]float64, rounds)
	for i := range samples {
		samples[i] = perCall(h, calls)
	}
	return median(samples)
}

func (s *stopwatch) allocs(w work) float64 {
	h, _ := s.prepare(w)
	ctx, p := context.Background(), new(bench.Payload)
	return testing.AllocsPerRun(1000, func() { _, _ = h(ctx, p) })
}

// bytes also counts what other goroutines allocate meanwhile: here there are none that do.
func (s *stopwatch) bytes(w work) float64 {
	h, calls := s.prepare(w)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	timed(h, calls)
	runtime.ReadMemStats(&after)
	return float64(after.TotalAlloc-before.TotalAlloc) / float64(calls)
}

func (s *stopwatch) ratio(over, under work, rounds int) pair {
	h1, calls1 := s.prepare(over)
	h2, calls2 := s.prepare(under)
	return alternate(rounds,
		func() float64 { return perCall(h1, calls1) },
		func() float64 { return perCall(h2, calls2) })
}

func (s *stopwatch) scaling(over, under work, rounds int) pair {
	h1, calls1 := s.prepare(over)
	h2, calls2 := s.prepare(under)
	return alternate(rounds,
		func() float64 { return speedUp(h1, calls1) },
		func() float64 { return speedUp(h2, calls2) })
}

// alternate samples both sides in each round, and each goes first in every other one.
func alternate(rounds int, over, under func() float64) pair {
	overs, unders, ratios := make([]float64, rounds), make([]float64, rounds), make([]float64, rounds)
	for i := range rounds {
		if i%2 == 0 {
			overs[i], unders[i] = over(), under()
		} else {
			unders[i], overs[i] = under(), over()
		}
		ratios[i] = overs[i] / unders[i]
	}
	return pair{ratio: median(ratios), overNS: median(overs), underNS: median(unders)}
}

// speedUp is how many times the calls of one goroutine two goroutines make in the same time: at best 2.
func speedUp(h bench.Handler, calls int) float64 {
	alone := perCall(h, calls)
	var ready atomic.Int32
	rates := make(chan float64)
	for range 2 {
		go func() {
			for ready.Add(1); ready.Load() < 2; { // both run before either starts
				runtime.Gosched()
			}
			rates <- 1 / perCall(h, calls)
		}()
	}
	return (<-rates + <-rates) * alone
}

func median(samples []float64) float64 {
	s := slices.Sorted(slices.Values(samples))
	n := len(s)
	if n%2 == 1 {
		return s[n/2]
	}
	return (s[n/2-1] + s[n/2]) / 2
}
