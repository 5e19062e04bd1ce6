package httpx

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/cenkalti/backoff/v5"
	"github.com/sony/gobreaker/v2"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/middleware"
)

// ErrWritten means that a request was to be handled again, or answered otherwise, after a part of the response had gone out.
// Set Settings.BufferResponses.
var ErrWritten = errors.New("httpx: a part of the response was sent before: set BufferResponses")

// NewHandler makes a handler whose requests go through a chain to h, whose later changes count, too.
//
// Without BufferResponses h writes to the client directly: After hooks and Arounds see its status and header, but only when
// they have gone out. A link that blocks or fails then has the connection aborted, so that no client takes the response for
// a complete one. With it, what links return is what is sent.
//
// A panic of h goes on, as a *chain.PanicError, and http.ErrAbortHandler as itself.
func NewHandler(h http.Handler, c *chain.Chain[*Exchange], s Settings) http.Handler {
	if s.Error == nil {
		s.Error = Error
	}
	return &handler{h, c.Then(handle), s}
}

type handler struct {
	next     http.Handler
	run      chain.Handler[*Exchange]
	settings Settings
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := &visit{next: h.next, settings: &h.settings, out: w}
	in := r
	if limit := h.settings.BufferRequests; limit > 0 && r.Body != nil && r.Body != http.NoBody {
		data, err := readAll(r.Body, limit)
		if err != nil {
			if errors.Is(err, ErrTooLarge) {
				err = fmt.Errorf("%w: %w", err, &http.MaxBytesError{Limit: limit})
			}
			h.settings.Error(w, r, err)
			return
		}
		in = new(http.Request)
		*in = *r
		in.Header = r.Header.Clone()
		setBody(in, data)
	}
	e, err := h.run(r.Context(), &Exchange{req: in, call: v})
	v.finish(r, e, err)
}

// finish sends what has not gone out yet.
func (v *visit) finish(r *http.Request, e *Exchange, err error) {
	res, err := finish(e, err)
	sent := v.end()
	if p, ok := errors.AsType[*chain.PanicError](err); ok {
		if _, link := errors.AsType[*chain.LinkError](err); !link {
			if v, ok := p.Value.(error); ok && errors.Is(v, http.ErrAbortHandler) {
				panic(http.ErrAbortHandler)
			}
			panic(p)
		}
	}
	switch {
	case err == nil && sent && v.wrote(res), err == nil && !sent && !v.buffers() && v.wrote(res):
		return // h did it all, or nothing at all, which is 200
	case sent && err != nil && r.Context().Err() != nil:
		return // nobody is there to take it for complete
	case sent:
		panic(http.ErrAbortHandler)
	case err != nil:
		v.settings.Error(v.out, r, err)
	default:
		send(v.out, res)
	}
}

// Error is how a Handler without Settings.Error answers: 403 for a block, 429 for a limit, with Retry-After, 413 for a request
// that is too large (*http.MaxBytesError), 503 for an open breaker, a full bulkhead and a client that is gone, 504 for a deadline, and 500 for
// anything else. The text has no more than a block's code.
func Error(w http.ResponseWriter, _ *http.Request, err error) {
	status, text := http.StatusInternalServerError, ""
	v, blocked := errors.AsType[*chain.Violation](err)
	again, limited := errors.AsType[*backoff.RetryAfterError](err)
	_, limit := errors.AsType[*middleware.RateLimitError](err)
	_, tooLarge := errors.AsType[*http.MaxBytesError](err)
	switch {
	case blocked:
		status, text = http.StatusForbidden, v.Code
	case limited || limit:
		status = http.StatusTooManyRequests
		if limited {
			w.Header().Set("Retry-After", strconv.Itoa(int(again.Duration.Seconds()+0.999)))
		}
	case tooLarge:
		status = http.StatusRequestEntityTooLarge
	case errors.Is(err, gobreaker.ErrOpenState), errors.Is(err, gobreaker.ErrTooManyRequests), errors.Is(err, middleware.ErrBulkheadFull),
		errors.Is(err, context.Canceled):
		status = http.StatusServiceUnavailable
	case errors.Is(err, context.DeadlineExceeded):
		status = http.StatusGatewayTimeout
	}
	if text != "" {
		text = ": " + text
	}
	http.Error(w, http.StatusText(status)+text, status)
}
