package httpx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

var (
	// ErrBodyUsed means that a request was to be sent again whose body is gone: it has no GetBody. Set
	// Settings.BufferRequests. If the attempt before was answered, that answer is a *StatusError in the error that links see,
	// and what the caller gets.
	ErrBodyUsed = errors.New("httpx: the body of the request was sent before and cannot be read again: give the request a GetBody, or set BufferRequests")
	// ErrNotBuffered means that a body is a stream that a link must not read. Set Settings.BufferRequests or BufferResponses.
	ErrNotBuffered = errors.New("httpx: the body is not buffered: set BufferRequests or BufferResponses")
	// ErrTooLarge means that a body is longer than Settings allow it to be.
	ErrTooLarge = errors.New("httpx: the body is too large to be buffered")
)

// Exchange is a request and, behind the handler, its response. It is never changed: links return another one.
type Exchange struct {
	req  *http.Request
	res  *http.Response
	call call
}

// call is what an exchange and its copies share: it sends or serves a request, once more with each next.
type call interface {
	do(ctx context.Context, e *Exchange) (*Exchange, error)
}

// handle is the innermost handler of every chain.
func handle(ctx context.Context, e *Exchange) (*Exchange, error) {
	if e.call == nil || e.req == nil {
		return nil, errors.New("httpx: a link made an Exchange of its own: use the methods of the one it got")
	}
	return e.call.do(ctx, e)
}

// Request is the request. Clone it to change it. Its context is the caller's; a link has its own as an argument.
func (e *Exchange) Request() *http.Request { return e.req }

// Response is the response, nil as long as there is none. In a handler's chain it says what was written; its body is empty
// unless it is buffered.
func (e *Exchange) Response() *http.Response { return e.res }

// WithRequest is the exchange with another request.
func (e *Exchange) WithRequest(r *http.Request) *Exchange {
	out := *e
	out.req = r
	return &out
}

// WithResponse is the exchange with another response. Who replaces a response closes the body of the one it got, unless it
// goes on to use it.
func (e *Exchange) WithResponse(r *http.Response) *Exchange {
	out := *e
	out.res = r
	return &out
}

// Answer is the exchange with a response made here, by a cache or a fallback, say. The header may be nil.
func (e *Exchange) Answer(status int, header http.Header, body []byte) *Exchange {
	if header = header.Clone(); header == nil {
		header = http.Header{}
	}
	return e.WithResponse(filled(&http.Response{StatusCode: status, Header: header, Request: e.req}, body))
}

// RequestBody is the body of the request, which stays unread. A body that can be read but once is ErrNotBuffered.
func (e *Exchange) RequestBody() ([]byte, error) {
	switch r := e.req; {
	case r.Body == nil || r.Body == http.NoBody:
		return nil, nil
	case r.GetBody == nil:
		return nil, ErrNotBuffered
	}
	body, err := e.req.GetBody()
	if err != nil {
		return nil, fmt.Errorf("httpx: reading the body of the request: %w", err)
	}
	defer func() { _ = body.Close() }()
	data, err := io.ReadAll(body)
	if err != nil {
		return nil, fmt.Errorf("httpx: reading the body of the request: %w", err)
	}
	return data, nil
}

// WithRequestBody is the exchange with another body of the request.
func (e *Exchange) WithRequestBody(body []byte) *Exchange {
	r := e.req.Clone(e.req.Context())
	setBody(r, body)
	return e.WithRequest(r)
}

// ResponseBody is the body of the response, which stays unread. A body that is not buffered is ErrNotBuffered.
func (e *Exchange) ResponseBody() ([]byte, error) {
	if e.res == nil || e.res.Body == nil || e.res.Body == http.NoBody {
		return nil, nil
	}
	b, ok := e.res.Body.(*buffer)
	if !ok {
		return nil, ErrNotBuffered
	}
	return bytes.Clone(b.data), nil
}

// WithResponseBody is the exchange with another body of its response.
func (e *Exchange) WithResponseBody(body []byte) *Exchange {
	r := http.Response{StatusCode: http.StatusOK, Request: e.req}
	if e.res != nil {
		r = *e.res
	}
	if r.Header = r.Header.Clone(); r.Header == nil {
		r.Header = http.Header{}
	}
	return e.WithResponse(filled(&r, body))
}

// buffer is a body in memory.
type buffer struct {
	*bytes.Reader
	data []byte
}

func (*buffer) Close() error { return nil }

// filled gives r a body in memory, and what goes with it.
func filled(r *http.Response, body []byte) *http.Response {
	if r.Proto == "" {
		r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
	}
	r.Status = strconv.Itoa(r.StatusCode) + " " + http.StatusText(r.StatusCode)
	r.Body = &buffer{bytes.NewReader(body), body}
	if len(body) == 0 && r.Request != nil && r.Request.Method == http.MethodHead {
		return r // its length is that of a body which is not sent
	}
	r.ContentLength, r.TransferEncoding = int64(len(body)), nil
	if r.Header.Get("Content-Length") != "" {
		r.Header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	return r
}

// setBody gives a request that is the caller's own a body in memory.
func setBody(r *http.Request, body []byte) {
	r.ContentLength, r.TransferEncoding = int64(len(body)), nil
	if r.Header.Get("Content-Length") != "" {
		r.Header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	if len(body) == 0 {
		r.Body, r.GetBody = http.NoBody, func() (io.ReadCloser, error) { return http.NoBody, nil }
		return
	}
	r.GetBody = func() (io.ReadCloser, error) { return &buffer{bytes.NewReader(body), body}, nil }
	r.Body, _ = r.GetBody()
}

// readAll reads a body that may have so many bytes, and closes it.
func readAll(body io.ReadCloser, limit int64) ([]byte, error) {
	if body == nil || body == http.NoBody {
		return nil, nil
	}
	defer func() { _ = body.Close() }()
	data, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%w: it has more than %d bytes", ErrTooLarge, limit)
	}
	return data, nil
}
