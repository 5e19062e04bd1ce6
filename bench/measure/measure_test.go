package measure

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maillon-go/maillon/bench"
)

func TestMedian(t *testing.T) {
	for _, tc := range []struct {
		samples []float64
		want    float64
	}{
		{[]float64{3}, 3},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 1, 1000, 2}, 3},
	} {
		if got := Median(tc.samples); got != tc.want {
			t.Errorf("Median(%v) = %v, want %v", tc.samples, got, tc.want)
		}
	}
}

// A round that is noisy on both sides changes nothing, and each side goes first in some rounds.
func TestPair(t *testing.T) {
	const rounds = 64
	first := map[string]int{}
	taken := 0
	side := func(name string, ns float64) func() float64 {
		round := 0
		return func() float64 {
			if taken%2 == 0 {
				first[name]++
			}
			taken++
			round++
			if round%3 == 0 {
				return 50 * ns
			}
			return ns
		}
	}
	got := pair(rounds, side("a", 30), side("b", 10))
	if want := (Pair{Ratio: 3, Over: 30, Under: 10}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if taken != 2*rounds || first["a"] == 0 || first["b"] == 0 {
		t.Errorf("%d samples, first were %v", taken, first)
	}
}

// Runs that something else made longer, here all of the first calls and then some, do not leave a cell with few calls for ever.
func TestSamplerFindsItsCalls(t *testing.T) {
	const length, call = 4 * time.Millisecond, 10 * time.Microsecond
	calls := 0
	s := NewSampler(Work{Handler: func(_ context.Context, p *bench.Payload) (*bench.Payload, error) {
		took := call
		if calls++; calls < 40 || calls%1000 == 0 {
			took = 2 * time.Millisecond
		}
		for start := time.Now(); time.Since(start) < took; { //nolint:revive // busy, since that is what is measured
		}
		return p, nil
	}}, length)
	if want := int(length / call); s.Calls() < want/3 || s.Calls() > want*3 {
		t.Errorf("%d calls in a sample, want about %d", s.Calls(), want)
	}
	slow := NewSampler(Work{Handler: func(_ context.Context, p *bench.Payload) (*bench.Payload, error) {
		for start := time.Now(); time.Since(start) < length; { //nolint:revive // the same
		}
		return p, nil
	}}, length/4)
	if slow.Calls() != 1 {
		t.Errorf("%d calls in a sample that has room for none", slow.Calls())
	}
}

// A sample begins warm: some calls are made ahead of it, and do not count.
func TestSamplerWarmsUp(t *testing.T) {
	calls := 0
	s := NewSampler(Work{MaxCalls: 64, Handler: func(_ context.Context, p *bench.Payload) (*bench.Payload, error) { calls++; return p, nil }}, Long)
	calls = 0
	if s.NS(); calls != 64+64/warmUp {
		t.Errorf("%d calls, want %d and an eighth", calls, 64)
	}
}

// What belongs to a sample is done in its place: one Before, the calls, one After.
func TestSamplerDoesWhatBelongsToASample(t *testing.T) {
	var before, after, done int
	var calls atomic.Int64
	w := Work{
		Before: func() { before++ },
		After:  func() { after++ },
		Done: func() {
			if done++; done > after {
				t.Error("done before after")
			}
		},
		Handler:  func(_ context.Context, p *bench.Payload) (*bench.Payload, error) { calls.Add(1); return p, nil },
		MaxCalls: 50,
	}
	s := NewSampler(w, Long)
	if before != after || before == 0 {
		t.Fatalf("%d before, %d after", before, after)
	}
	for _, goroutines := range []int{0, 1, 3} {
		s.Goroutines = goroutines
		calls.Store(0)
		before, after, done = 0, 0, 0
		if ns := s.NS(); ns <= 0 {
			t.Errorf("%v ns", ns)
		}
		if want := int64(50 * max(1, goroutines)); calls.Load() != want || before != 1 || after != 1 || done != 1 {
			t.Errorf("%d goroutines: %d calls, want %d; %d before, %d after", goroutines, calls.Load(), want, before, after)
		}
	}
}

// A sample takes about as long as it should, however quick the work is.
func TestSamplerFindsTheNumberOfCalls(t *testing.T) {
	quick := NewSampler(Work{Handler: bench.Backend}, Short)
	slow := NewSampler(Work{Handler: func(_ context.Context, p *bench.Payload) (*bench.Payload, error) {
		for start := time.Now(); time.Since(start) < 100*time.Microsecond; {
			runtime.Gosched()
		}
		return p, nil
	}}, Short)
	if quick.calls < 1000 || slow.calls < 1 || slow.calls > 20 {
		t.Errorf("%d and %d calls in a sample of 1 ms", quick.calls, slow.calls)
	}
}

func TestSamplerCountsMemory(t *testing.T) {
	var keep []byte
	s := NewSampler(Work{Handler: func(_ context.Context, p *bench.Payload) (*bench.Payload, error) {
		keep = make([]byte, 128)
		return p, nil
	}}, Short)
	if allocs, bytes := s.Memory(); allocs != 1 || bytes < 128 || bytes > 200 || len(keep) == 0 {
		t.Errorf("%v allocations, %v bytes", allocs, bytes)
	}
	if allocs, bytes := NewSampler(Work{Handler: bench.Backend}, Short).Memory(); allocs != 0 || bytes > 8 {
		t.Errorf("nothing: %v allocations, %v bytes", allocs, bytes)
	}
}

// A call that does not end as it should is no measurement.
func TestSamplerRefusesAnotherEnd(t *testing.T) {
	oh, other := errors.New("oh"), errors.New("other")
	for _, tc := range []struct {
		name          string
		returns, want error
		panics        bool
	}{
		{"as it should", oh, oh, false},
		{"wrapped", errors.Join(oh), oh, false},
		{"another error", other, oh, true},
		{"no error", nil, oh, true},
		{"an error", oh, nil, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			defer func() {
				if got := recover() != nil; got != tc.panics {
					t.Errorf("panicked: %v", got)
				}
			}()
			NewSampler(Work{Fails: tc.want, Handler: func(context.Context, *bench.Payload) (*bench.Payload, error) { return nil, tc.returns }}, time.Microsecond)
		})
	}
}

func TestScaling(t *testing.T) {
	s := NewSampler(Work{Handler: bench.Backend}, Short)
	if p := Scaling(s, s, 3); p.Ratio <= 0 || p.Over <= 0 || p.Under <= 0 || s.Goroutines != 0 {
		t.Errorf("%+v, goroutines %d", p, s.Goroutines)
	}
}
