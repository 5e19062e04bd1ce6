package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

// errDecided is why the rest of a step is cancelled.
var errDecided = errors.New("session: another attempt of the same step was enough")

// step makes the attempts of one step and chooses the answer among them. Its error ends the loop.
func (x *sampling) step(ctx context.Context, q question, attempts int) error {
	first := len(x.done.all)
	if attempts == 1 {
		if err := x.take(ctx, x.attempt(ctx, q)); err != nil {
			return err
		}
	} else if err := x.concurrently(ctx, q, attempts); err != nil {
		return err
	}
	if x.over || x.choose == nil {
		return nil
	}
	return x.vote(first)
}

// concurrently makes several attempts at once, on goroutines of their own, and takes them in as they end, on this one.
// It returns when all have ended.
func (x *sampling) concurrently(ctx context.Context, q question, attempts int) (err error) {
	inner, cancel := context.WithCancelCause(ctx)
	ends := make(chan tried, attempts) // nobody waits to send
	var g errgroup.Group
	defer func() { _ = g.Wait() }() // also when a hook calls Goexit
	defer cancel(errDecided)
	for range attempts {
		g.Go(func() error {
			t := tried{err: chain.ErrGoexit} // unless it returns
			defer func() { ends <- t }()
			if err := contain(func() error { t = x.attempt(inner, q); return nil }); err != nil {
				t = tried{err: err}
			}
			return nil
		})
	}
	for x.pending = attempts - 1; x.pending >= 0; x.pending-- {
		t := <-ends
		x.s.passOn(t.err)
		if t.err != nil && (x.over || err != nil) { // it was cancelled, or does not matter any more
			x.res.Usage = x.res.Usage.Add(t.usage)
			continue
		}
		if e := x.take(ctx, t); err == nil {
			err = e
		}
		if x.over || err != nil {
			cancel(errDecided)
		}
	}
	return err
}

// take puts an attempt on record, fires sampling_iteration, and sees whether the loop is over with it. Its error is that
// of the hook, or one of the attempt that ends the loop.
func (x *sampling) take(ctx context.Context, t tried) error {
	x.res.Usage = x.res.Usage.Add(t.usage)
	if t.err != nil {
		if x.ends(ctx, t.err) {
			return t.err
		}
		if x.failed++; x.failure == nil {
			x.failure = t.err
		}
		x.last = x.last || x.once() || len(t.ran) > 0 // what a tool does is not done twice because the backend failed
		x.hopeless = x.hopeless || hopeless(t.err)
	}
	x.done.add(t.try)
	x.res.Iterations++
	var err error
	if stages.Active(ctx, x.s.pipeline.Iteration) {
		_, err = x.s.call.iteration(ctx, stages.NewIteration(x.r.after(x.p.Meta()), stages.IterationFields{
			Number: x.res.Iterations, Attempt: t.Attempt, Remaining: x.pending + x.later, Elapsed: time.Since(x.begun),
		}))
	}
	switch {
	case err != nil && (!x.over || !blocked(err)):
		return x.stopped(err)
	case x.over: // it came too late to change anything
		return nil
	case x.choose == nil && t.Passed():
		x.succeed(len(x.done.all) - 1)
	}
	return nil
}

// ends says that the error of an attempt is that of the loop: a link blocked or failed, trying again would come to the same,
// something called Goexit, nobody waits for an answer any more, or the reader of a stream has a part of this one.
func (x *sampling) ends(ctx context.Context, err error) bool {
	_, linked := as[*chain.LinkError](err)
	_, final := as[*finalError](err)
	return linked || final || blocked(err) || leadsTo(err, chain.ErrGoexit) || leadsTo(err, ErrNoResult) || leadsTo(err, ErrHoldBack) ||
		ctx.Err() != nil || x.r.Err() != nil || x.r.sink.hasReleased()
}

// once says that a failing backend is asked no second time: there is nothing that an answer could fail, and nobody chose a loop.
func (x *sampling) once() bool {
	s, ok := x.strategy.(RejectionSampling)
	return ok && s.implied && x.p.LoopBudget() == x.budget && x.p.Requirements().Len() == 0
}

// finalError is an error of one attempt that another one would have too.
type finalError struct{ error }

func (e *finalError) Unwrap() error { return e.error }

// hopeless says that the same backend need not be asked again.
func hopeless(err error) bool {
	e, refused := as[*BackendError](err)
	_, panicked := as[*chain.PanicError](err)
	return refused && !e.Temporary() || panicked
}

// vote lets the strategy choose among the attempts since the first that passed.
func (x *sampling) vote(first int) error {
	var passed []stages.Attempt
	var at []int
	for i, t := range x.done.all[first:] {
		if t.Passed() {
			passed, at = append(passed, t.Attempt), append(at, first+i)
		}
	}
	if len(passed) == 0 {
		return nil
	}
	i := x.choose(passed)
	if i < 0 || i >= len(passed) {
		return fmt.Errorf("session: strategy %q chose %d of %d answers", x.strategy.Name(), i, len(passed))
	}
	x.succeed(at[i])
	return nil
}

func (x *sampling) succeed(final int) { x.over, x.res.Success, x.final = true, true, final }

// stopped ends a loop: a block is the reason why it failed, anything else its error.
func (x *sampling) stopped(err error) error {
	v, ok := as[*chain.Violation](err)
	if !ok {
		return err
	}
	x.over, x.res.FailureReason = true, v.Error()
	return nil
}

func blocked(err error) bool {
	_, ok := as[*chain.Violation](err)
	return ok
}
