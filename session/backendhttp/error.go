package backendhttp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/maillon-go/maillon/session"
)

// KindOf is what a status of HTTP means: 401 and 403 are BackendAuth, 408 is BackendTimeout, 429 is BackendRateLimit, any
// other from 400 to 499 is BackendInvalidRequest, and from 500 up it is BackendServerError. What is below 400 is no error
// of the service: where it is not an answer either, it is BackendTransportError.
func KindOf(status int) session.BackendErrorKind {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return session.BackendAuth
	case status == http.StatusRequestTimeout:
		return session.BackendTimeout
	case status == http.StatusTooManyRequests:
		return session.BackendRateLimit
	case status >= 500:
		return session.BackendServerError
	case status >= 400:
		return session.BackendInvalidRequest
	}
	return session.BackendTransportError
}

// StatusError is the error of a response that is no answer, with the service's own words: see Clean. It leaves the body
// alone.
func StatusError(backend string, res *http.Response, message string) *session.BackendError {
	return &session.BackendError{
		Kind: KindOf(res.StatusCode), Backend: backend, Status: res.StatusCode, RetryAfter: RetryAfter(res.Header), Message: message,
	}
}

// TransportError is the error of a request that was made with ctx and got no response, or lost it half way. A deadline of
// ctx or of the client is BackendTimeout. A caller that gave up gets its own context.Canceled, not a BackendError. What
// already is a BackendError stays as it is.
func TransportError(ctx context.Context, backend string, err error) error {
	var known *session.BackendError
	var timeout net.Error
	switch {
	case errors.As(err, &known):
		return err
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("%s: %w", backend, context.Canceled)
	case ctx.Err() != nil:
		return &session.BackendError{Kind: session.BackendTimeout, Backend: backend, Err: ctx.Err()}
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return &session.BackendError{Kind: session.BackendTimeout, Backend: backend, Err: bare(err)}
	}
	return &session.BackendError{Kind: session.BackendTransportError, Backend: backend, Err: bare(err)}
}

// bare is err without the URL around it, which may hold a key.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// Refused is the error of a request that is not even made, since the backend cannot do what is asked: each is named.
func Refused(backend, what string) *session.BackendError {
	return &session.BackendError{Kind: session.BackendInvalidRequest, Backend: backend, Message: "not supported: " + what}
}

// RetryAfter is how long a service wants its clients to wait, by the headers Retry-After-Ms and Retry-After, in seconds or
// as a date; 0 where it does not say.
func RetryAfter(h http.Header) time.Duration {
	if ms, err := strconv.ParseFloat(h.Get("Retry-After-Ms"), 64); err == nil {
		return wait(ms, time.Millisecond)
	}
	v := h.Get("Retry-After")
	if s, err := strconv.ParseFloat(v, 64); err == nil {
		return wait(s, time.Second)
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}

// wait is n units, between none and a day.
func wait(n float64, unit time.Duration) time.Duration {
	const longest = 24 * time.Hour
	if !(n > 0) { // the negation catches NaN
		return 0
	}
	return time.Duration(min(n*float64(unit), float64(longest)))
}
