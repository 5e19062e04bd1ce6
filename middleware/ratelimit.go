package middleware

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/time/rate"

	"github.com/maillon-go/maillon/chain"
)

// RateLimitError is the error of a call that a RateLimit did not let through. A Retry around it waits as long as it says.
type RateLimitError struct {
	RetryAfter time.Duration // when a call like this one may go through; 0 if never
}

func (e *RateLimitError) Error() string {
	if e.RetryAfter <= 0 {
		return "middleware: rate limit: no call may ever go through"
	}
	return fmt.Sprintf("middleware: rate limit: try again in %v", e.RetryAfter.Round(time.Millisecond))
}

// Unwrap tells a Retry how long to wait.
func (e *RateLimitError) Unwrap() error {
	if e.RetryAfter <= 0 {
		return backoff.Permanent(errNever)
	}
	return &backoff.RetryAfterError{Duration: e.RetryAfter}
}

var errNever = errors.New("the limit is zero")

// RateLimit lets calls through at the pace of l, a token bucket: at l.Limit() calls per second, with bursts of l.Burst().
// A call that comes too early waits for its turn, in order of arrival, unless its context would end before that: then it
// fails at once. With RateLimitReject it fails at once in any case. The error is a *RateLimitError, which says when to try
// again, and no failure of the link.
//
// The limiter may be shared by several chains, and its limit may be changed at run time. A nil l fails every call.
func RateLimit(l *rate.Limiter, opts ...RateLimitOption) chain.Interceptor {
	if l == nil {
		return refuse("RateLimit: nil limiter")
	}
	r := &rateLimit{limiter: l}
	for _, o := range opts {
		if o != nil {
			o.applyRateLimit(r)
		}
	}
	return r.intercept
}

// RateLimitOption sets something about a RateLimit.
type RateLimitOption interface{ applyRateLimit(*rateLimit) }

type rateLimitOption func(*rateLimit)

func (f rateLimitOption) applyRateLimit(r *rateLimit) { f(r) }

// RateLimitReject makes calls that come too early fail instead of wait.
func RateLimitReject() RateLimitOption {
	return rateLimitOption(func(r *rateLimit) { r.reject = true })
}

type rateLimit struct {
	limiter *rate.Limiter
	reject  bool
}

func (r *rateLimit) intercept(ctx context.Context, next func(context.Context) error) error {
	if err := r.wait(ctx); err != nil {
		return chain.Refuse(err) // no fault of this link
	}
	return next(ctx)
}

func (r *rateLimit) wait(ctx context.Context) error {
	if r.limiter.Allow() {
		return nil
	}
	turn := r.limiter.Reserve()
	d := turn.Delay()
	deadline, bounded := ctx.Deadline()
	switch {
	case !turn.OK() || d == rate.InfDuration:
		return &RateLimitError{}
	case r.reject && d > 0, bounded && time.Until(deadline) < d:
		turn.Cancel()
		return &RateLimitError{RetryAfter: d}
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		turn.Cancel()
		return fmt.Errorf("middleware: rate limit: %w", context.Cause(ctx))
	}
}
