package middleware

import (
	"context"
	"errors"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/maillon-go/maillon/chain"
)

// RetryOption sets something about a Retry.
type RetryOption interface{ applyRetry(*retry) }

type retryOption func(*retry)

func (f retryOption) applyRetry(r *retry) { f(r) }

// RetryBase is the first wait, before jitter; each further one is half as long again. Default 500 ms. Zero never waits.
func RetryBase(d time.Duration) RetryOption {
	return retryOption(func(r *retry) { r.wait.InitialInterval = d })
}

// RetryMaxInterval caps the waits, before jitter. Default one minute.
func RetryMaxInterval(d time.Duration) RetryOption {
	return retryOption(func(r *retry) { r.wait.MaxInterval = d })
}

// RetryMaxElapsed stops retrying where the next wait would end later than d after the call began. Zero, the default,
// sets no limit.
func RetryMaxElapsed(d time.Duration) RetryOption {
	return retryOption(func(r *retry) { r.maxElapsed = d })
}

// RetryIf replaces the rule for which errors are retried, RetryTransient. It is not asked about errors that are never
// retried. Nil keeps the default.
func RetryIf(retriable func(error) bool) RetryOption {
	return retryOption(func(r *retry) {
		if retriable != nil {
			r.retriable = retriable
		}
	})
}

// RetryNotify calls f, inline, before each wait, with the number of the attempt that failed, counted from 1.
func RetryNotify(f func(ctx context.Context, attempt int, err error, wait time.Duration)) RetryOption {
	return retryOption(func(r *retry) { r.notify = f })
}

// RetryTransient is the default rule of Retry: everything is retried but a *chain.PanicError, which is a bug and no
// outage, and the rejection of an open breaker, which lasts longer than the waits of a retry.
func RetryTransient(err error) bool {
	_, panicked := errors.AsType[*chain.PanicError](err)
	return !panicked && !Rejected(err)
}

// Rejected says whether a circuit breaker refused the call: one made by Breaker, or the guard of a link.
func Rejected(err error) bool {
	return errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests)
}
