package httpx

import (
	"fmt"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/maillon-go/maillon/session/backendhttp"
)

// Settings are those of a Client or a Handler. The zero value leaves all bodies alone.
type Settings struct {
	// BufferRequests, in bytes, reads the body of each request into memory, so that it can be sent again and looked at. A
	// longer one is ErrTooLarge. 0 reads none.
	BufferRequests int64
	// BufferResponses, in bytes, does so for responses, streams included: they arrive whole or not at all. In a Handler
	// nothing is written to the client before the chain has passed the response. 0 reads none.
	BufferResponses int64
	// Fails says which responses are failures for links. Nil is Fails.
	Fails func(*http.Response) bool
	// Error answers requests of a Handler that did not come through its chain. Nil is Error.
	Error func(w http.ResponseWriter, r *http.Request, err error)
}

// Fails is how Settings without a Fails tell failures: 429 and 5xx, but for 501.
func Fails(r *http.Response) bool {
	return r.StatusCode == http.StatusTooManyRequests || r.StatusCode >= 500 && r.StatusCode != http.StatusNotImplemented
}

// failure is the *StatusError of a response, if it is one.
func (s *Settings) failure(r *http.Response) error {
	fails := s.Fails
	if fails == nil {
		fails = Fails
	}
	if r == nil || !fails(r) {
		return nil
	}
	return &StatusError{Status: r.StatusCode, RetryAfter: backendhttp.RetryAfter(r.Header), res: r}
}

// StatusError is a response that is a failure, as links see it. The caller gets the response itself.
type StatusError struct {
	Status     int           // of HTTP
	RetryAfter time.Duration // as the service says; 0 where it does not

	res *http.Response
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("httpx: status %d %s", e.Status, http.StatusText(e.Status))
}

// Unwrap is a *backoff.RetryAfterError where the service says when to try again: middleware.Retry waits as long.
func (e *StatusError) Unwrap() error {
	if e.RetryAfter <= 0 {
		return nil
	}
	return &backoff.RetryAfterError{Duration: e.RetryAfter}
}
