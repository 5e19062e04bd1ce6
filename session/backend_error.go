package session

import (
	"fmt"
	"strings"
	"time"
)

// BackendErrorKind says what went wrong with a request to a model.
type BackendErrorKind string

// The kinds. A caller may retry after BackendRateLimit, BackendTimeout, BackendServerError and BackendTransportError.
const (
	BackendRateLimit      BackendErrorKind = "rate_limit"      // too many requests or tokens; see RetryAfter
	BackendTimeout        BackendErrorKind = "timeout"         // no answer in time
	BackendAuth           BackendErrorKind = "auth"            // no key, a wrong one, or one without the right
	BackendInvalidRequest BackendErrorKind = "invalid_request" // what was asked cannot be, such as an unknown model or option
	BackendContentPolicy  BackendErrorKind = "content_policy"  // the provider refuses the content
	BackendServerError    BackendErrorKind = "server_error"    // the service failed
	BackendTransportError BackendErrorKind = "transport_error" // no connection, or one that broke off, or an answer that is none
)

// BackendError is what a Backend returns where it knows what went wrong. Use errors.As to find it and errors.Is for what is
// behind it.
type BackendError struct {
	Kind       BackendErrorKind
	Backend    string        // the name of the backend
	Status     int           // of HTTP; 0 without one
	RetryAfter time.Duration // when to try again, as the service says; 0 where it does not say
	Message    string        // the service's own words, without what was asked
	Err        error         // the cause; may be nil
}

// Error has the kind and the service's own words.
func (e *BackendError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", e.Backend, e.Kind)
	if e.Status != 0 {
		fmt.Fprintf(&b, " (HTTP %d)", e.Status)
	}
	switch {
	case e.Message != "":
		b.WriteString(": " + e.Message)
	case e.Err != nil:
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap is the cause.
func (e *BackendError) Unwrap() error { return e.Err }

// Temporary says that the same request may succeed later.
func (e *BackendError) Temporary() bool {
	switch e.Kind {
	case BackendRateLimit, BackendTimeout, BackendServerError, BackendTransportError:
		return true
	}
	return false
}
