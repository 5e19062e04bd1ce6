package httpx

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// visit is one request of a server, however often it is handled.
type visit struct {
	next     http.Handler
	settings *Settings
	out      http.ResponseWriter

	mu      sync.Mutex
	read    bool          // an attempt has had the body
	failure error         // of the last attempt that has ended, if its response was one
	direct  *directWriter // what the handler writes to when nothing is buffered
}

func (v *visit) buffers() bool { return v.settings.BufferResponses > 0 }

// do handles the request once.
func (v *visit) do(ctx context.Context, e *Exchange) (*Exchange, error) {
	r := e.req
	if ctx != r.Context() {
		r = r.WithContext(ctx)
	}
	r, err := v.ready(r)
	if err != nil {
		v.mu.Lock()
		defer v.mu.Unlock()
		return nil, notAgain(err, v.failure)
	}
	res := &http.Response{Request: e.req, Proto: r.Proto, ProtoMajor: r.ProtoMajor, ProtoMinor: r.ProtoMinor}
	if v.buffers() {
		w := &bufferWriter{header: v.out.Header().Clone(), limit: v.settings.BufferResponses}
		if w.header == nil {
			w.header = http.Header{}
		}
		v.next.ServeHTTP(w, r)
		w.WriteHeader(http.StatusOK)
		if w.err != nil {
			return nil, w.err
		}
		res.StatusCode, res.Header, res.Trailer = w.status, w.final, w.trailer()
		return v.done(e, filled(res, w.body.Bytes()))
	}
	w, err := v.begin()
	if err != nil {
		return nil, err
	}
	v.next.ServeHTTP(w, r)
	w.trailers()
	res.StatusCode, res.Header, res.ContentLength, res.Body = w.code(), w.Header().Clone(), w.n, http.NoBody
	v.mu.Lock()
	w.res = res
	v.mu.Unlock()
	return v.done(e, res)
}

// done is what an attempt has come to.
func (v *visit) done(e *Exchange, res *http.Response) (*Exchange, error) {
	failure := v.settings.failure(res)
	v.mu.Lock()
	v.failure = failure
	v.mu.Unlock()
	return e.WithResponse(res), failure
}

// ready is the request with a body that was not read yet.
func (v *visit) ready(r *http.Request) (*http.Request, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return r, nil
	}
	v.mu.Lock()
	again := v.read
	v.read = true
	v.mu.Unlock()
	if !again {
		return r, nil
	}
	return rewound(r)
}

// begin is the writer of an attempt that writes to the client directly.
func (v *visit) begin() (*directWriter, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.direct != nil {
		// An attempt that ended without a word has answered 200; one that still runs may write at any time.
		return nil, fmt.Errorf("%w: an unbuffered response has one attempt", ErrWritten)
	}
	v.direct = &directWriter{ResponseWriter: v.out, header: v.out.Header().Clone()}
	if v.direct.header == nil {
		v.direct.header = http.Header{}
	}
	return v.direct, nil
}

// end takes the writer away from a handler that a link has given up on, and says whether something has gone out.
func (v *visit) end() (sent bool) {
	v.mu.Lock()
	w := v.direct
	gone := w != nil && w.res == nil
	v.mu.Unlock()
	if w == nil {
		return false
	}
	if gone {
		w.end()
	}
	return w.sent()
}

// wrote says that res is what the handler wrote itself.
func (v *visit) wrote(res *http.Response) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.direct != nil && v.direct.res == res
}

// send writes a response.
func send(w http.ResponseWriter, res *http.Response) {
	header := w.Header()
	clear(header)
	maps.Copy(header, res.Header)
	declared := declaredTrailers(res.Header)
	for _, name := range slices.Sorted(maps.Keys(res.Trailer)) {
		if !slices.Contains(declared, name) {
			header["Trailer"] = append(slices.Clip(header["Trailer"]), name)
		}
	}
	status := res.StatusCode
	if status == 0 {
		status = http.StatusOK
	}
	w.WriteHeader(status)
	if res.Body == nil {
		return
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := io.Copy(w, res.Body); err != nil { // the client is gone, which its own context says
		return
	}
	maps.Copy(header, res.Trailer) // complete when the body is read
}

// declaredTrailers are the names that a header says will follow the body.
func declaredTrailers(h http.Header) (names []string) {
	for _, list := range h["Trailer"] {
		for name := range strings.SplitSeq(list, ",") {
			names = append(names, http.CanonicalHeaderKey(strings.TrimSpace(name)))
		}
	}
	return names
}

// bufferWriter keeps what a handler writes. Flush has no effect.
type bufferWriter struct {
	header http.Header
	final  http.Header // as it was when the status was written
	status int
	body   bytes.Buffer
	limit  int64
	err    error
}

func (w *bufferWriter) Header() http.Header { return w.header }

func (w *bufferWriter) Flush() {}

// trailer is what the handler, which has returned, has set of what it declared, or with http.TrailerPrefix.
func (w *bufferWriter) trailer() http.Header {
	out := http.Header{}
	for _, name := range declaredTrailers(w.final) {
		if values, ok := w.header[name]; ok {
			out[name] = slices.Clone(values)
		}
	}
	for name, values := range w.header {
		if name, ok := strings.CutPrefix(name, http.TrailerPrefix); ok {
			out[http.CanonicalHeaderKey(name)] = slices.Clone(values)
		}
	}
	maps.DeleteFunc(w.final, func(name string, _ []string) bool { return strings.HasPrefix(name, http.TrailerPrefix) })
	if len(out) == 0 {
		return nil
	}
	return out
}

func (w *bufferWriter) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status, w.final = status, w.header.Clone()
	}
}

func (w *bufferWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.err == nil && int64(w.body.Len()+len(p)) > w.limit {
		w.err = fmt.Errorf("%w: the response has more than %d bytes", ErrTooLarge, w.limit)
	}
	if w.err != nil {
		return 0, w.err
	}
	return w.body.Write(p)
}
