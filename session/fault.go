package session

import (
	"context"
	"errors"
	"runtime/debug"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

// failure is what is known about an error.
func failure(err error, kind stages.FaultKind) stages.Failure {
	f := stages.Failure{Err: err, Kind: kind, Recoverable: kind == stages.FaultBackend || kind == stages.FaultTool}
	if p, ok := as[*chain.PanicError](err); ok {
		f.Recoverable, f.Stack = false, string(p.Stack)
	}
	return f
}

// whereGeneration is where a request to the backend fails.
const whereGeneration = "generation"

// fault reports an error by error_occurred, unless it is a block or the caller's own cancellation: once, but each request to
// the backend that fails, also where they all fail with one and the same error value.
func (s *Session) fault(ctx context.Context, r *request, m stages.Meta, f stages.FaultFields) {
	_, blocked := as[*chain.Violation](f.Failure.Err)
	_, panicked := as[*chain.PanicError](f.Failure.Err)
	if blocked || errors.Is(ctx.Err(), context.Canceled) && !panicked || !r.firstFault(f.Failure.Err) && f.Where != whereGeneration {
		return
	}
	// Nothing but observers sit in this chain, and what goes wrong in them goes nowhere.
	_, _ = s.call.fault(context.WithoutCancel(ctx), stages.NewFault(r.after(m), f))
}

// as is errors.As, where an As or Unwrap that panics finds nothing.
func as[E error](err error) (found E, ok bool) {
	defer func() { _ = recover() }()
	ok = errors.As(err, &found)
	return found, ok
}

// contain runs f and turns a panic into an error, unless the pipeline lets it through.
func (s *Session) contain(f func() error) error {
	err := contain(f)
	s.passOn(err)
	return err
}

// passOn panics again with what contain has caught, where the pipeline lets it through.
func (s *Session) passOn(err error) {
	if p, ok := err.(*chain.PanicError); ok && s.pipeline.PassesPanic(p.Value) { //nolint:errorlint // contain's own
		panic(p.Value)
	}
}

// contain runs f and turns a panic into an error.
func contain(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &chain.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return f()
}
