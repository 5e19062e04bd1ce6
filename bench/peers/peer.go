package peers

import (
	"context"
	"errors"
	"fmt"

	"github.com/failsafe-go/failsafe-go/timeout"

	"github.com/maillon-go/maillon/bench"
	"github.com/maillon-go/maillon/chain"
)

// Step is one link of the work.
type Step func(ctx context.Context, p *bench.Payload) (*bench.Payload, error)

// Build puts steps around a backend, the first one outermost. The handler may be called concurrently unless the peer is Alone.
type Build func(steps []Step, backend bench.Handler) bench.Handler

// Grade says how well the steps are looked after.
type Grade string

// The grades.
const (
	Plain      Grade = "plain"
	Recovering Grade = "recovering"
	Guarded    Grade = "guarded"
)

// Grades are all of them.
var Grades = []Grade{Plain, Recovering, Guarded}

// Peer is a way to put steps around a call.
type Peer struct {
	Name    string // stable: part of the names in reports
	Module  string // whose version a report states; empty for the standard library
	Version string // of Module, which the set-up was written for
	With    string // another module that its guard comes from
	Does    string // what the price buys, and what not
	Builds  map[Grade]Build
	// Excluding is the guarded form for calls that end in an error which is nobody's fault: ErrBlocked of a step, ErrBackend,
	// a timeout.
	// Its breakers have been told not to count them, else they would open and there would be no call left to measure. Without
	// one the guarded form does that by itself.
	Excluding Build
	Ours      bool
	// Alone says that its handler must not be called concurrently.
	Alone bool
	// Observes says that its steps only look: they can neither rewrite nor block.
	Observes bool
}

// All are the peers, in the order of reports.
var All = []Peer{closures, hooks, arounds, compose, breakers, breakersAlone, failsafeGo, failsafeOne, smithy, goKit, aliceChain, connectGo, grpcGo, eino}

// ByName finds one.
func ByName(name string) (Peer, bool) {
	for _, p := range All {
		if p.Name == name {
			return p, true
		}
	}
	return Peer{}, false
}

// must is for what is right by construction.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// What steps and backends return in scenarios where calls end in an error. A block of this project's is an error like any other to
// the rest, and one value, so that nobody pays for making it.
var (
	ErrBlocked = chain.Block("not here", chain.Code("bench"))
	ErrBackend = errors.New("the backend is down")
)

// excluded says that an error is none of those that a breaker should count in these scenarios; a timeout is among them, so that
// there is a call to be cut off again.
func excluded(err error) bool {
	return errors.Is(err, ErrBlocked) || errors.Is(err, ErrBackend) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, timeout.ErrExceeded)
}

// errPanic is what a step's panic becomes.
var errPanic = errors.New("a step panicked")

// Contained runs a step whose panic is its error.
func Contained(s Step) Step {
	return func(ctx context.Context, p *bench.Payload) (out *bench.Payload, err error) {
		defer func() {
			if v := recover(); v != nil {
				out, err = nil, fmt.Errorf("%w: %v", errPanic, v)
			}
		}()
		return s(ctx, p)
	}
}

// over makes a Build of one that has no grades, for the steps as the grade wants them.
func over(b Build, each func(Step) Step) Build {
	return func(steps []Step, backend bench.Handler) bench.Handler {
		out := make([]Step, len(steps))
		for i, s := range steps {
			out[i] = each(s)
		}
		return b(out, backend)
	}
}
