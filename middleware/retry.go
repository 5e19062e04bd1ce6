package middleware

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/maillon-go/maillon/chain"
)

type retry struct {
	attempts   int
	wait       backoff.ExponentialBackOff // copied for each call that fails
	maxElapsed time.Duration
	retriable  func(error) bool
	notify     func(context.Context, int, error, time.Duration)
}

// Retry calls what it wraps until it succeeds, at most attempts times in all, with exponential waits in between (500 ms,
// growing by half, up to a minute, each ±50 % at random). A call whose first attempt succeeds costs no allocation.
//
// Never retried are a block (*chain.Violation), a backoff.Permanent error and any error while the context is done; of
// the others RetryIf decides. A *backoff.RetryAfterError sets the next wait itself. A wait that would outlast the
// context's deadline is not begun.
//
// The error is the last attempt's, the identical value; only when the context ended during a wait is it a new one, in
// which errors.Is finds both the context's cause and the last attempt's error.
//
// Fewer than one attempt, or a negative duration, fails every call.
func Retry(attempts int, opts ...RetryOption) chain.Interceptor {
	r := &retry{attempts: attempts, wait: *backoff.NewExponentialBackOff(), retriable: RetryTransient}
	for _, o := range opts {
		if o != nil {
			o.applyRetry(r)
		}
	}
	if attempts < 1 {
		return refuse("Retry: at least one attempt is needed, got %d", attempts)
	}
	for _, d := range []time.Duration{r.wait.InitialInterval, r.wait.MaxInterval, r.maxElapsed} {
		if d < 0 {
			return refuse("Retry: negative duration %v", d)
		}
	}
	r.wait.InitialInterval = min(r.wait.InitialInterval, r.wait.MaxInterval)
	return r.intercept
}

func (r *retry) intercept(ctx context.Context, next func(context.Context) error) error {
	var start time.Time
	if r.maxElapsed > 0 {
		start = time.Now()
	}
	err := next(ctx)
	if err == nil || r.attempts == 1 || r.final(ctx, err) {
		return err
	}
	return r.again(ctx, next, err, start)
}

// final says that err must not be retried.
func (r *retry) final(ctx context.Context, err error) bool {
	_, permanent := errors.AsType[*backoff.PermanentError](err)
	return permanent || verdict(ctx, err) != chain.Failed || !r.retriable(err)
}

// again goes on after the first attempt, whose error is last.
func (r *retry) again(ctx context.Context, next func(context.Context) error, last error, start time.Time) error {
	left, ok := r.left(ctx, start)
	if !ok {
		return last
	}
	wait, attempt, waiting := r.wait, 0, false
	attemptOnce := func() (struct{}, error) {
		waiting = false
		if attempt++; attempt > 1 {
			last = next(ctx)
		}
		if last != nil && r.final(ctx, last) {
			return struct{}{}, backoff.Permanent(last)
		}
		return struct{}{}, last
	}
	_, err := backoff.Retry(ctx, attemptOnce, backoff.WithBackOff(&wait), backoff.WithMaxTries(uint(r.attempts)),
		backoff.WithMaxElapsedTime(left), backoff.WithNotify(func(err error, d time.Duration) {
			waiting = true
			if r.notify != nil {
				r.notify(ctx, attempt, err, d)
			}
		}))
	if err != nil && waiting {
		return fmt.Errorf("middleware: Retry: gave up waiting after attempt %d: %w; it had failed with: %w", attempt, context.Cause(ctx), last)
	}
	return last
}

// left is the time for further attempts, zero for no limit.
func (r *retry) left(ctx context.Context, start time.Time) (d time.Duration, ok bool) {
	if r.maxElapsed > 0 {
		if d = r.maxElapsed - time.Since(start); d <= 0 {
			return 0, false
		}
	}
	if deadline, bounded := ctx.Deadline(); bounded {
		untilDeadline := time.Until(deadline)
		if untilDeadline <= 0 {
			return 0, false
		}
		if d == 0 || untilDeadline < d {
			d = untilDeadline
		}
	}
	return d, true
}
