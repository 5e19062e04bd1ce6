package peers

import (
	"context"
	"errors"
	"fmt"

	"github.com/maillon-go/maillon/bench"
)

// Step is one link of the work.
type Step func(ctx context.Context, p *bench.Payload) (*bench.Payload, error)

// Build puts steps around a backend, the first one outermost. The handler may be called concurrently.
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
	Name   string // stable: part of the names in reports
	Module string // whose version a report states; empty for the standard library
	Does   string // what the price buys, and what not
	Builds map[Grade]Build
	Ours   bool
	// Observes says that its steps only look: they can neither rewrite nor block.
	Observes bool
}

// All are the peers, in the order of reports.
var All = []Peer{closures, hooks, arounds, compose, breakers, failsafeGo, smithy, goKit, aliceChain, connectGo, grpcGo, eino}

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

// errPanic is what a step's panic becomes.
var errPanic = errors.New("a step panicked")

// contained runs a step whose panic is its error.
func contained(s Step) Step {
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
