package ratelimit

import (
	"fmt"
	"time"

	"github.com/maillon-go/maillon/middleware"
)

// Error is that of a call that was refused. It is a *middleware.RateLimitError too, so that a middleware.Retry around the
// gate waits as long as it says.
type Error struct {
	Limit      string        // "requests" or "tokens"
	RetryAfter time.Duration // when a call like this one may go through; 0 if never, because it is larger than the burst
}

func (e *Error) Error() string {
	if e.RetryAfter <= 0 {
		return fmt.Sprintf("ratelimit: the call alone needs more %s than the burst allows", e.Limit)
	}
	return fmt.Sprintf("ratelimit: too many %s: try again in %v", e.Limit, e.RetryAfter.Round(time.Millisecond))
}

// Unwrap tells a Retry how long to wait.
func (e *Error) Unwrap() error { return &middleware.RateLimitError{RetryAfter: e.RetryAfter} }
