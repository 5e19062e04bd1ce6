package httpx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cenkalti/backoff/v5"
)

// trip is one request of a client, with all its attempts.
type trip struct {
	settings *Settings
	send     func(*http.Request) (*http.Response, error)
	caller   context.Context // its end ends the body of the response

	mu       sync.Mutex
	sent     bool // an attempt has begun
	ended    bool // the caller has its answer
	inFlight int
	open     []attempt // responses that somebody may still read
}

type attempt struct {
	res     *http.Response
	failure error // with which it reached links, a *StatusError, or nil
}

// do is one attempt.
func (t *trip) do(ctx context.Context, e *Exchange) (*Exchange, error) {
	r, err := t.begin(ctx, e.req)
	if err != nil {
		return nil, err
	}
	res, err := t.roundTrip(ctx, r)
	if err == nil && t.settings.BufferResponses > 0 && res.StatusCode != http.StatusSwitchingProtocols {
		res, err = buffered(res, t.settings.BufferResponses)
	}
	if err != nil {
		t.done(nil, nil)
		return nil, err
	}
	failure := t.settings.failure(res)
	t.done(res, failure)
	return e.WithResponse(res), failure
}

// begin is the request as it is sent next. Where that cannot be, what failed before stays the answer.
func (t *trip) begin(ctx context.Context, r *http.Request) (*http.Request, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, err := t.ready(ctx, r, !t.sent)
	t.sent = true
	if err != nil {
		for _, a := range slices.Backward(t.open) {
			if a.failure != nil {
				return nil, notAgain(err, a.failure)
			}
		}
		return nil, err
	}
	if t.inFlight == 0 {
		// What failed before is of no use to anybody once there is another attempt, and holds a connection.
		t.open = slices.DeleteFunc(t.open, func(a attempt) bool {
			if a.failure != nil {
				discard(a.res)
			}
			return a.failure != nil
		})
	}
	t.inFlight++
	return r, nil
}

// done ends an attempt that began.
func (t *trip) done(res *http.Response, failure error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.inFlight--
	switch {
	case res == nil:
	case t.ended:
		discard(res)
	default:
		t.open = append(t.open, attempt{res, failure})
	}
}

// end closes the responses that the caller does not get. A link may have put a body of its own around one of them.
func (t *trip) end(res *http.Response) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	wrapped := res != nil && !slices.ContainsFunc(t.open, func(a attempt) bool { return a.res == res || same(a.res, res) })
	for _, a := range t.open {
		if res != nil && (a.res == res || same(a.res, res)) || wrapped && a.failure == nil {
			continue
		}
		discard(a.res)
	}
	t.open = nil
}

// ready is the request with the link's context and a body that was not read yet.
func (t *trip) ready(ctx context.Context, r *http.Request, first bool) (*http.Request, error) {
	if ctx != r.Context() {
		r = r.WithContext(ctx)
	}
	if r.Body == nil || r.Body == http.NoBody {
		return r, nil
	}
	if body, ok := r.Body.(*onceBody); ok && body.take() || !ok && first {
		return r, nil
	}
	return rewound(r)
}

// notAgain is the failure of an attempt that could not begin, together with that of the one before, whose response the caller
// gets. No retry mends it.
func notAgain(err, before error) error {
	if before == nil || !errors.Is(err, ErrBodyUsed) {
		return err
	}
	return backoff.Permanent(fmt.Errorf("%w; the attempt before: %w", err, before))
}

// rewound is a request with its body from the start.
func rewound(r *http.Request) (*http.Request, error) {
	if r.GetBody == nil {
		return nil, ErrBodyUsed
	}
	body, err := r.GetBody()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBodyUsed, err)
	}
	again := new(http.Request)
	*again = *r
	again.Body = body
	return again, nil
}

// roundTrip sends r. Where a link gave it a context of its own, that ends nothing once the header is there: links end theirs
// when they return, but the caller has yet to read the body.
func (t *trip) roundTrip(ctx context.Context, r *http.Request) (*http.Response, error) {
	if ctx == t.caller || t.settings.BufferResponses > 0 {
		return t.send(r)
	}
	inner, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	detach := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	res, err := t.send(r.WithContext(inner))
	if err != nil {
		detach()
		if cause := context.Cause(inner); cause != nil && ctx.Err() != nil {
			err = withCause(err, ctx.Err())
		}
		cancel(nil)
		return nil, err
	}
	if !detach() { // the time was over just when the header came
		discard(res)
		return nil, ctx.Err()
	}
	follow := context.AfterFunc(t.caller, func() { cancel(context.Cause(t.caller)) })
	end := func() {
		follow()
		cancel(nil)
	}
	out := *res
	if out.Body == nil || out.Body == http.NoBody {
		end()
		return &out, nil
	}
	out.Body = bounded(res.Body, end)
	return &out, nil
}

// withCause makes errors.Is find why the context ended: a cancellation is all that a transport sees of a deadline.
func withCause(err, cause error) error {
	if errors.Is(err, cause) {
		return err
	}
	return &endedError{err, cause}
}

type endedError struct{ err, cause error }

func (e *endedError) Error() string   { return e.cause.Error() }
func (e *endedError) Unwrap() []error { return []error{e.cause, e.err} }

// endBody calls end when it is closed or read to its end.
type endBody struct {
	io.ReadCloser
	end func()
}

func (b *endBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.end()
	}
	return n, err
}

func (b *endBody) Close() error {
	defer b.end()
	return b.ReadCloser.Close()
}

// endConn is the body of a connection that switched protocols.
type endConn struct {
	endBody
	io.Writer
}

func bounded(body io.ReadCloser, end func()) io.ReadCloser {
	if w, ok := body.(io.Writer); ok {
		return &endConn{endBody{body, end}, w}
	}
	return &endBody{body, end}
}

// onceBody is the caller's body, which the first attempt gets. Whoever sends a request closes its body; where none is sent
// closeUnsent does.
type onceBody struct {
	io.ReadCloser
	taken atomic.Bool
}

func (b *onceBody) take() bool { return !b.taken.Swap(true) }

func (b *onceBody) closeUnsent() {
	if b != nil && b.take() {
		_ = b.Close()
	}
}

// buffered reads the body of a response into memory.
func buffered(res *http.Response, limit int64) (*http.Response, error) {
	data, err := readAll(res.Body, limit)
	if err != nil {
		return nil, err
	}
	out := *res
	out.Header = res.Header.Clone()
	return filled(&out, data), nil
}

// discard closes a response that nobody reads.
func discard(res *http.Response) {
	if res.Body != nil {
		_ = res.Body.Close()
	}
}

// same says whether two responses have one body, which may be of a type that cannot be compared.
func same(a, b *http.Response) bool {
	return a.Body != nil && b.Body != nil && reflect.TypeOf(a.Body).Comparable() && reflect.TypeOf(b.Body).Comparable() && a.Body == b.Body
}
