package middleware

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/maillon-go/maillon/chain"
)

// TimeoutError is the failure of a call that a Timeout ended, and the cause (context.Cause) of the context that it
// ended. errors.Is finds context.DeadlineExceeded in it, and what the call itself returned.
type TimeoutError struct {
	After time.Duration // the limit that was exceeded
	Err   error         // what the call returned; nil in a context's cause
}

func (e *TimeoutError) Error() string {
	if e.Err == nil || e.Err == context.DeadlineExceeded { //nolint:errorlint // a wrapped one has something to add
		return fmt.Sprintf("middleware: timed out after %v", e.After)
	}
	return fmt.Sprintf("middleware: timed out after %v: %v", e.After, e.Err)
}

// Is makes a TimeoutError a context.DeadlineExceeded.
func (e *TimeoutError) Is(target error) bool { return target == context.DeadlineExceeded }

// Unwrap gives what the call returned.
func (e *TimeoutError) Unwrap() error { return e.Err }

// Timeout is true, as in net.Error.
func (e *TimeoutError) Timeout() bool { return true }

// Timeout ends the context of what it wraps after d. It is cooperative: it waits for what it wraps to return, so that no
// goroutine is left behind, and what ignores its context takes as long as it takes.
//
// An error that comes back after the time is over is returned inside a *TimeoutError, except a block, which stays as it
// is; a result that comes back late but without an error is good. The caller's own deadline or cancellation is not
// masked: when the caller's context is done the error is returned as it is. A d that is not positive fails every call.
func Timeout(d time.Duration) chain.Interceptor {
	if d <= 0 {
		return refuse("Timeout: the duration must be positive, got %v", d)
	}
	cause := &TimeoutError{After: d}
	return func(ctx context.Context, next func(context.Context) error) error {
		bounded, cancel := context.WithTimeoutCause(ctx, d, cause)
		defer cancel()
		err := next(bounded)
		if err == nil || ctx.Err() != nil || bounded.Err() == nil || errors.Is(err, cause) {
			return err
		}
		if _, blocked := violation(err); blocked {
			return err
		}
		return &TimeoutError{After: d, Err: err}
	}
}
