package httpx_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/httpx"
	"github.com/maillon-go/maillon/middleware"
)

// serve answers one request with a real server, whose log is kept.
func serve(t *testing.T, h http.HandlerFunc, s httpx.Settings, body io.Reader, links ...chain.Link[*exchange]) (res *http.Response, text string, log *strings.Builder, err error) {
	t.Helper()
	log = &strings.Builder{}
	srv := httptest.NewUnstartedServer(httpx.NewHandler(h, through(t, links...), s))
	srv.Config.ErrorLog = newLog(log)
	srv.Start()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL, body)
	if err != nil {
		t.Fatal(err)
	}
	if res, err = srv.Client().Do(r); err == nil {
		var b []byte
		b, err = io.ReadAll(res.Body)
		_ = res.Body.Close()
		text = string(b)
	}
	srv.Close() // and waits for what writes to log
	return res, text, log, err
}

func hello(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("X-Handler", "yes")
	w.WriteHeader(http.StatusCreated)
	_, _ = fmt.Fprint(w, "hello")
}

func blocking(code string) chain.Handler[*exchange] {
	return func(context.Context, *exchange) (*exchange, error) {
		return nil, chain.Block("a reason for logs", chain.Code(code))
	}
}

func TestHandler(t *testing.T) {
	buffers := httpx.Settings{BufferResponses: 100}
	failing := func(fails int) http.HandlerFunc {
		n := 0
		return func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			if n++; n <= fails {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			_, _ = fmt.Fprint(w, n, string(b))
		}
	}
	rewrite := chain.After("rewrite", func(_ context.Context, e *exchange) (*exchange, error) {
		b, err := e.ResponseBody()
		if err != nil {
			return nil, err
		}
		return e.WithResponseBody([]byte(strings.ToUpper(string(b)))), nil
	})
	answer := chain.Around("answer", func(chain.Handler[*exchange]) chain.Handler[*exchange] {
		return func(_ context.Context, e *exchange) (*exchange, error) {
			return e.Answer(http.StatusTeapot, http.Header{"X-Link": {"yes"}}, []byte("short and stout")), nil
		}
	})
	broken := func(context.Context, *exchange) (*exchange, error) { return nil, errors.New("with a secret") }
	for _, tc := range []struct {
		name     string
		h        http.HandlerFunc
		settings httpx.Settings
		links    []chain.Link[*exchange]
		status   int // 0: the connection is aborted
		text     string
	}{
		{"no links", hello, httpx.Settings{}, nil, 201, "hello"},
		{"buffered", hello, buffers, nil, 201, "hello"},
		{"a handler that says nothing", func(http.ResponseWriter, *http.Request) {}, httpx.Settings{}, nil, 200, ""},
		{"a handler that says nothing, buffered", func(http.ResponseWriter, *http.Request) {}, buffers, nil, 200, ""},
		{"blocked before", hello, httpx.Settings{}, []chain.Link[*exchange]{chain.Before("b", blocking("no_entry"))}, 403, "Forbidden: no_entry\n"},
		{"blocked after", hello, httpx.Settings{}, []chain.Link[*exchange]{chain.After("b", blocking("no_exit"))}, 0, ""},
		{"blocked after, buffered", hello, buffers, []chain.Link[*exchange]{chain.After("b", blocking("no_exit"))}, 403, "Forbidden: no_exit\n"},
		{"a link that fails", hello, httpx.Settings{}, []chain.Link[*exchange]{chain.Before("b", broken)}, 500, "Internal Server Error\n"},
		{"a link that panics", hello, httpx.Settings{}, []chain.Link[*exchange]{chain.Before("b", func(context.Context, *exchange) (*exchange, error) { panic("x") })}, 500, "Internal Server Error\n"},
		{"rewritten", hello, buffers, []chain.Link[*exchange]{rewrite}, 201, "HELLO"},
		{"rewriting what has gone", hello, httpx.Settings{}, []chain.Link[*exchange]{chain.After("r", func(_ context.Context, e *exchange) (*exchange, error) { return e.Answer(200, nil, nil), nil })}, 0, ""},
		{"answered by a link", hello, httpx.Settings{}, []chain.Link[*exchange]{answer}, 418, "short and stout"},
		{"answered by a link, buffered", hello, buffers, []chain.Link[*exchange]{answer}, 418, "short and stout"},
		{"failure of the handler", failing(1), httpx.Settings{}, nil, 503, "1body"},
		{"retried", failing(2), httpx.Settings{BufferResponses: 100, BufferRequests: 100}, []chain.Link[*exchange]{retry(3)}, 200, "3body"},
		{"failed for good", failing(9), httpx.Settings{BufferResponses: 100, BufferRequests: 100}, []chain.Link[*exchange]{retry(3)}, 503, "3body"},
		{"retried without the body", failing(2), buffers, []chain.Link[*exchange]{retry(3)}, 503, "1body"},
		{"retried without the body, unbuffered", failing(2), httpx.Settings{}, []chain.Link[*exchange]{retry(3)}, 503, "1body"},
		{"retried unbuffered", failing(2), httpx.Settings{BufferRequests: 100}, []chain.Link[*exchange]{retry(3)}, 0, ""},
		{"a request that is too large", hello, httpx.Settings{BufferRequests: 3}, nil, 413, "Request Entity Too Large\n"},
		{"a response that is too large", hello, httpx.Settings{BufferResponses: 3}, nil, 500, "Internal Server Error\n"},
		{"a rate limit", hello, httpx.Settings{}, []chain.Link[*exchange]{chain.Before("l", func(context.Context, *exchange) (*exchange, error) {
			return nil, chain.Refuse(&middleware.RateLimitError{RetryAfter: 1500 * time.Millisecond})
		})}, 429, "Too Many Requests\n"},
		{"a full bulkhead", hello, httpx.Settings{}, []chain.Link[*exchange]{chain.Before("l", func(context.Context, *exchange) (*exchange, error) {
			return nil, chain.Refuse(middleware.ErrBulkheadFull)
		})}, 503, "Service Unavailable\n"},
		{"a deadline", hello, httpx.Settings{}, []chain.Link[*exchange]{chain.Before("l", func(context.Context, *exchange) (*exchange, error) {
			return nil, context.DeadlineExceeded
		})}, 504, "Gateway Timeout\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			res, text, _, err := serve(t, tc.h, tc.settings, strings.NewReader("body"), tc.links...)
			if tc.status == 0 {
				if err == nil {
					t.Fatalf("the client takes %d %q for complete", res.StatusCode, text)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != tc.status || text != tc.text {
				t.Errorf("got %d %q, want %d %q", res.StatusCode, text, tc.status, tc.text)
			}
			if tc.status == 201 && res.Header.Get("X-Handler") != "yes" || tc.status == 418 && (res.Header.Get("X-Link") != "yes" || res.Header.Get("X-Handler") != "") {
				t.Errorf("header: %v", res.Header)
			}
			if tc.status == 429 && res.Header.Get("Retry-After") != "2" {
				t.Errorf("Retry-After: %q", res.Header.Get("Retry-After"))
			}
		})
	}
}

func TestPanicOfTheHandlerGoesOn(t *testing.T) {
	_, _, log, err := serve(t, func(http.ResponseWriter, *http.Request) { panic("oh") }, httpx.Settings{}, nil, retry(1))
	if err == nil || !strings.Contains(log.String(), "oh") {
		t.Errorf("%v, log %q", err, log)
	}
	_, _, log, err = serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, httpx.Settings{}, nil, retry(1))
	if err == nil || log.String() != "" {
		t.Errorf("%v, log %q", err, log)
	}
}

// What a handler writes without buffers goes out at once, and what it may ask of its writer is still there.
func TestHandlerStreams(t *testing.T) {
	release := make(chan struct{})
	var seen chain.Outcome[*exchange]
	srv := httptest.NewServer(httpx.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, "first ")
		w.(http.Flusher).Flush()
		<-release
		_, _ = io.Copy(w, strings.NewReader("second"))
	}), through(t, chain.Observe("see", func(_ context.Context, o chain.Outcome[*exchange]) { seen = o })), httpx.Settings{}))
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL, nil)
	res, err := srv.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 6)
	if _, err := io.ReadFull(res.Body, first); err != nil {
		t.Fatal(err)
	}
	close(release)
	rest, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	srv.Close()
	if string(first)+string(rest) != "first second" || err != nil {
		t.Errorf("%q %q %v", first, rest, err)
	}
	if out := seen.Payload.Response(); out.StatusCode != http.StatusOK || out.ContentLength != 12 {
		t.Errorf("observed: %d, %d bytes", out.StatusCode, out.ContentLength)
	}
}

func TestHandlerHijacks(t *testing.T) {
	srv := httptest.NewServer(httpx.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = fmt.Fprint(conn, "raw")
		_ = conn.Close()
	}), through(t), httpx.Settings{}))
	defer srv.Close()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if b, _ := io.ReadAll(bufio.NewReader(conn)); string(b) != "raw" {
		t.Errorf("got %q", b)
	}
}

// A handler that changes its header too late changes nothing, buffered or not.
func TestHeaderIsFinalWithTheStatus(t *testing.T) {
	for _, s := range []httpx.Settings{{}, {BufferResponses: 10}} {
		res, _, _, err := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			h := w.Header()
			w.WriteHeader(http.StatusAccepted)
			h.Set("X-Late", "1")
			w.Header().Set("X-Later", "1")
			w.WriteHeader(http.StatusInternalServerError)
		}, s, nil)
		if err != nil || res.StatusCode != http.StatusAccepted || res.Header.Get("X-Late")+res.Header.Get("X-Later") != "" {
			t.Errorf("%v: %v %v", s, err, res)
		}
	}
}

// Trailers reach the client, and links, whether the response is buffered or not.
func TestTrailers(t *testing.T) {
	h := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum, X-Unset")
		w.Header().Set(http.TrailerPrefix+"x-early", "yes")
		_, _ = io.WriteString(w, "hello")
		w.(http.Flusher).Flush() // unbuffered, the server must not know the length
		w.Header().Set("X-Sum", "42")
		w.Header().Set(http.TrailerPrefix+"x-late", "yes")
		w.Header().Set("X-Lost", "not declared")
	}
	seen := http.Header{}
	link := chain.After("look", func(_ context.Context, e *exchange) (*exchange, error) {
		seen = e.Response().Trailer
		return e, nil
	})
	for name, s := range map[string]httpx.Settings{"direct": {}, "buffered": {BufferResponses: 100}} {
		t.Run(name, func(t *testing.T) {
			res, text, _, err := serve(t, h, s, nil, link)
			if err != nil || text != "hello" {
				t.Fatal(text, err)
			}
			if got := res.Trailer; got.Get("X-Sum") != "42" || got.Get("X-Late") != "yes" || len(got["X-Early"]) != 1 || got.Get("X-Unset") != "" || got.Get("X-Lost") != "" {
				t.Errorf("trailer %v", got)
			}
			if res.Header.Get("X-Sum") != "" || res.Header.Get("X-Late") != "" || res.Header.Get("X-Lost") != "" {
				t.Errorf("header %v", res.Header)
			}
			if name == "buffered" && (seen.Get("X-Sum") != "42" || seen.Get("X-Late") != "yes" || len(seen) != 3) {
				t.Errorf("the link saw %v", seen)
			}
		})
	}
	t.Run("of an answer", func(t *testing.T) { // as a service behind a link gives it: set when the body is read
		trailer := http.Header{"X-Sum": nil}
		answer := chain.Around("proxy", func(chain.Handler[*exchange]) chain.Handler[*exchange] {
			return func(_ context.Context, e *exchange) (*exchange, error) {
				return e.WithResponse(&http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Trailer: trailer, Body: &sumBody{strings.NewReader("hello"), trailer}}), nil
			}
		})
		res, text, _, err := serve(t, h, httpx.Settings{}, nil, answer)
		if err != nil || text != "hello" || res.Trailer.Get("X-Sum") != "43" {
			t.Errorf("%q %v %v", text, res.Trailer, err)
		}
	})
}

// sumBody sets a trailer at its end.
type sumBody struct {
	io.Reader
	trailer http.Header
}

func (b *sumBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		b.trailer.Set("X-Sum", "43")
	}
	return n, err
}

func (*sumBody) Close() error { return nil }
