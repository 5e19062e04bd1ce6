package httpx_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.uber.org/goleak"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/httpx"
	"github.com/maillon-go/maillon/middleware"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type exchange = httpx.Exchange

// through is a chain with links.
func through(t *testing.T, links ...chain.Link[*exchange]) *chain.Chain[*exchange] {
	t.Helper()
	c := chain.New[*exchange]("http")
	if _, err := c.Use(links...); err != nil {
		t.Fatal(err)
	}
	return c
}

// server counts requests and answers by their number, from 1.
func server(t *testing.T, answer func(n int, w http.ResponseWriter, body string)) (string, *atomic.Int64) {
	t.Helper()
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("body: %v", err)
		}
		answer(int(n.Add(1)), w, string(body))
	}))
	t.Cleanup(s.Close)
	return s.URL, &n
}

// client sends through a chain, on connections of its own.
func client(t *testing.T, s httpx.Settings, links ...chain.Link[*exchange]) *http.Client {
	t.Helper()
	base := http.DefaultTransport.(*http.Transport).Clone()
	c := &http.Client{Transport: httpx.NewClient(through(t, links...), s).Transport(base)}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

func do(t *testing.T, c *http.Client, method, url string, body io.Reader) (status int, text string, err error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

func retry(n int) chain.Link[*exchange] {
	return chain.Intercept[*exchange]("retry", middleware.Retry(n, middleware.RetryBase(time.Nanosecond)))
}

// onlyReader hides what http.NewRequest makes a GetBody of.
type onlyReader struct{ io.Reader }

func TestRetryRewindsTheBody(t *testing.T) {
	for _, tc := range []struct {
		name     string
		body     func() io.Reader
		settings httpx.Settings
		want     error
		status   int
		text     string
		attempts int64
	}{
		{name: "none", body: func() io.Reader { return nil }, attempts: 3},
		{name: "with GetBody", body: func() io.Reader { return strings.NewReader("hello") }, attempts: 3},
		{name: "a stream", body: func() io.Reader { return onlyReader{strings.NewReader("hello")} }, status: 503, text: "answer 1", attempts: 1},
		{name: "a stream that is buffered", body: func() io.Reader { return onlyReader{strings.NewReader("hello")} }, settings: httpx.Settings{BufferRequests: 5}, attempts: 3},
		{name: "a stream that is too long", body: func() io.Reader { return onlyReader{strings.NewReader("hello!")} }, settings: httpx.Settings{BufferRequests: 5}, want: httpx.ErrTooLarge},
	} {
		t.Run(tc.name, func(t *testing.T) {
			body := tc.body()
			want := ""
			if body != nil {
				want = "hello"
			}
			url, n := server(t, func(n int, w http.ResponseWriter, body string) {
				if body != want {
					t.Errorf("attempt %d had the body %q", n, body)
				}
				if n < 3 {
					w.WriteHeader(http.StatusServiceUnavailable)
				}
				_, _ = fmt.Fprint(w, "answer ", n)
			})
			status, text, err := do(t, client(t, tc.settings, retry(3)), http.MethodPost, url, body)
			if !errors.Is(err, tc.want) {
				t.Fatalf("error %v, want %v", err, tc.want)
			}
			if tc.status == 0 {
				tc.status, tc.text = 200, "answer 3"
			}
			if tc.want == nil && (status != tc.status || text != tc.text) {
				t.Errorf("got %d %q, want %d %q", status, text, tc.status, tc.text)
			}
			if n.Load() != tc.attempts {
				t.Errorf("%d attempts, want %d", n.Load(), tc.attempts)
			}
		})
	}
}

// Where a body that is gone keeps a request from being repeated, the caller has the answer that there was, links see both, and
// no further attempt is waited for.
func TestRetryWithoutTheBodyKeepsTheAnswer(t *testing.T) {
	c := &closing{closed: map[string]int{}}
	var seen chain.Outcome[*exchange]
	notified := 0
	again := chain.Intercept[*exchange]("retry", middleware.Retry(5, middleware.RetryBase(time.Nanosecond),
		middleware.RetryNotify(func(context.Context, int, error, time.Duration) { notified++ })))
	ch := through(t, again, chain.Observe("see", func(_ context.Context, o chain.Outcome[*exchange]) { seen = o }))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost", onlyReader{strings.NewReader("hello")})
	if err != nil {
		t.Fatal(err)
	}
	res, err := httpx.NewClient(ch, httpx.Settings{}).Do(r, func(*http.Request) (*http.Response, error) { return c.response(503, "first"), nil })
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(res.Body); string(b) != "first" || err != nil || res.StatusCode != http.StatusServiceUnavailable || c.closed["first"] != 0 {
		t.Errorf("got %d %q, %v, closed %v", res.StatusCode, b, err, c.closed)
	}
	if status, ok := errors.AsType[*httpx.StatusError](seen.Err); !ok || status.Status != 503 || !errors.Is(seen.Err, httpx.ErrBodyUsed) {
		t.Errorf("the observer saw %v", seen.Err)
	}
	if notified != 1 {
		t.Errorf("%d further attempts, want 1", notified)
	}
	_ = res.Body.Close()
}

// A failure that nothing mends reaches the caller as a response, its body readable.
func TestFailureIsAResponse(t *testing.T) {
	url, n := server(t, func(_ int, w http.ResponseWriter, _ string) {
		w.Header().Set("Retry-After", "0.001")
		http.Error(w, "busy", http.StatusTooManyRequests)
	})
	var seen chain.Outcome[*exchange]
	status, text, err := do(t, client(t, httpx.Settings{}, retry(2), chain.Observe("see", func(_ context.Context, o chain.Outcome[*exchange]) { seen = o })),
		http.MethodGet, url, nil)
	if status != http.StatusTooManyRequests || text != "busy\n" || err != nil || n.Load() != 2 {
		t.Errorf("got %d %q %v after %d attempts", status, text, err, n.Load())
	}
	se, ok := errors.AsType[*httpx.StatusError](seen.Err)
	if !ok || se.Status != http.StatusTooManyRequests || se.RetryAfter != time.Millisecond || seen.Verdict != chain.Failed {
		t.Errorf("the observer saw %v, %v", seen.Verdict, seen.Err)
	}
	if ra, ok := errors.AsType[*backoff.RetryAfterError](seen.Err); !ok || ra.Duration != time.Millisecond {
		t.Errorf("no RetryAfterError in %v", seen.Err)
	}
}

// closing notes which bodies were closed.
type closing struct {
	mu     sync.Mutex
	closed map[string]int
}

type closingBody struct {
	io.Reader
	name string
	of   *closing
}

func (b *closingBody) Close() error {
	b.of.mu.Lock()
	defer b.of.mu.Unlock()
	b.of.closed[b.name]++
	return nil
}

func (c *closing) response(status int, name string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, ContentLength: -1, Body: &closingBody{strings.NewReader(name), name, c}}
}

func TestResponsesThatNobodyGetsAreClosed(t *testing.T) {
	type send = func(*http.Request) (*http.Response, error)
	block := chain.After("block", func(context.Context, *exchange) (*exchange, error) { return nil, chain.Block("no") })
	replace := chain.After("replace", func(_ context.Context, e *exchange) (*exchange, error) {
		return e.Answer(299, nil, []byte("mine")), nil
	})
	wrap := chain.After("wrap", func(_ context.Context, e *exchange) (*exchange, error) {
		r := *e.Response()
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(strings.NewReader("more "), r.Body), r.Body}
		return e.WithResponse(&r), nil
	})
	numbered := func(c *closing, statuses ...int) send {
		n := 0
		return func(*http.Request) (*http.Response, error) {
			n++
			return c.response(statuses[n-1], fmt.Sprint(n)), nil
		}
	}
	for _, tc := range []struct {
		name     string
		links    []chain.Link[*exchange]
		statuses []int
		want     string // of the body, "" for an error
		closed   string
	}{
		{"the first answer", nil, []int{200}, "1", ""},
		{"after a retry", []chain.Link[*exchange]{retry(3)}, []int{500, 500, 200}, "3", "1 2"},
		{"failures only", []chain.Link[*exchange]{retry(2)}, []int{500, 503}, "2", "1"},
		{"blocked on the way out", []chain.Link[*exchange]{block}, []int{200}, "", "1"},
		{"blocked after a retry", []chain.Link[*exchange]{retry(2), block}, []int{500, 200}, "", "1 2"},
		{"wrapped", []chain.Link[*exchange]{retry(2), wrap}, []int{500, 200}, "more 2", "1"},
		{"replaced, which leaves the old one to the link", []chain.Link[*exchange]{replace}, []int{200}, "mine", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := &closing{closed: map[string]int{}}
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://example.test/", nil)
			res, err := httpx.NewClient(through(t, tc.links...), httpx.Settings{}).Do(r, numbered(c, tc.statuses...))
			if (err != nil) != (tc.want == "") {
				t.Fatal(err)
			}
			closed := ""
			for i := range tc.statuses {
				if n := c.closed[fmt.Sprint(i+1)]; n > 0 {
					closed = strings.TrimSpace(closed + " " + fmt.Sprint(i+1))
				}
			}
			if closed != tc.closed {
				t.Errorf("closed were %q, want %q", closed, tc.closed)
			}
			if err != nil {
				return
			}
			if b, _ := io.ReadAll(res.Body); string(b) != tc.want {
				t.Errorf("body %q, want %q", b, tc.want)
			}
			_ = res.Body.Close()
		})
	}
}

// A hedge: the answer that comes too late is closed, too.
func TestLateAnswerIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &closing{closed: map[string]int{}}
		hedge := chain.Around("hedge", func(next chain.Handler[*exchange]) chain.Handler[*exchange] {
			return func(ctx context.Context, e *exchange) (*exchange, error) {
				first := make(chan *exchange, 2)
				for range 2 {
					go func() {
						if out, err := next(ctx, e); err == nil {
							first <- out
						}
					}()
				}
				return <-first, nil
			}
		})
		var n atomic.Int64
		send := func(r *http.Request) (*http.Response, error) {
			i := n.Add(1)
			body, _ := io.ReadAll(r.Body)
			if string(body) != "question" {
				t.Errorf("attempt %d has the body %q", i, body)
			}
			time.Sleep(time.Duration(i) * time.Second)
			return c.response(200, fmt.Sprint(i)), nil
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://example.test/", strings.NewReader("question"))
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("question")), nil }
		res, err := httpx.NewClient(through(t, hedge), httpx.Settings{}).Do(r, send)
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := io.ReadAll(res.Body); string(b) != "1" {
			t.Errorf("body %q", b)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if c.closed["1"] != 0 || c.closed["2"] != 1 {
			t.Errorf("closed: %v", c.closed)
		}
	})
}

// A timeout is for the header: the body streams on after the link has returned, as long as the caller wants.
func TestTimeoutEndsWithTheHeader(t *testing.T) {
	release := make(chan struct{})
	url, _ := server(t, func(_ int, w http.ResponseWriter, _ string) {
		_, _ = fmt.Fprint(w, "first ")
		_ = http.NewResponseController(w).Flush()
		<-release
		_, _ = fmt.Fprint(w, "second")
	})
	linkCtx := make(chan context.Context, 1)
	c := client(t, httpx.Settings{}, chain.Intercept[*exchange]("timeout", middleware.Timeout(time.Minute)),
		chain.Around("look", func(next chain.Handler[*exchange]) chain.Handler[*exchange] {
			return func(ctx context.Context, e *exchange) (*exchange, error) { linkCtx <- ctx; return next(ctx, e) }
		}))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if (<-linkCtx).Err() == nil {
		t.Fatal("the link's context goes on: the test shows nothing")
	}
	first := make([]byte, 6)
	if _, err := io.ReadFull(res.Body, first); err != nil || string(first) != "first " {
		t.Fatalf("%q %v", first, err)
	}
	close(release)
	if rest, err := io.ReadAll(res.Body); err != nil || string(rest) != "second" {
		t.Errorf("%q %v", rest, err)
	}
}

func TestCallerEndsTheBody(t *testing.T) {
	release := make(chan struct{})
	url, _ := server(t, func(_ int, w http.ResponseWriter, _ string) {
		_, _ = fmt.Fprint(w, "first ")
		_ = http.NewResponseController(w).Flush()
		<-release
	})
	defer close(release)
	c := client(t, httpx.Settings{}, chain.Intercept[*exchange]("timeout", middleware.Timeout(time.Minute)))
	ctx, cancel := context.WithCancel(t.Context())
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	cancel()
	if _, err := io.ReadAll(res.Body); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the caller's cancellation", err)
	}
}

func TestTimeoutBeforeTheHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		send := func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://example.test/", nil)
		start := time.Now()
		_, err := httpx.NewClient(through(t, chain.Intercept[*exchange]("timeout", middleware.Timeout(time.Second))), httpx.Settings{}).Do(r, send)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestLinksRewriteBodies(t *testing.T) {
	url, _ := server(t, func(_ int, w http.ResponseWriter, body string) { _, _ = fmt.Fprintf(w, "%s has a secret", body) })
	upper := chain.Before("upper", func(_ context.Context, e *exchange) (*exchange, error) {
		b, err := e.RequestBody()
		if err != nil {
			return nil, err
		}
		return e.WithRequestBody([]byte(strings.ToUpper(string(b)))), nil
	})
	redact := chain.After("redact", func(_ context.Context, e *exchange) (*exchange, error) {
		b, err := e.ResponseBody()
		if err != nil {
			return nil, err
		}
		return e.WithResponseBody([]byte(strings.ReplaceAll(string(b), "secret", "[redacted]"))), nil
	})
	_, text, err := do(t, client(t, httpx.Settings{BufferResponses: 100}, upper, redact, retry(2)), http.MethodPost, url, strings.NewReader("who"))
	if text != "WHO has a [redacted]" || err != nil {
		t.Errorf("got %q, %v", text, err)
	}
	if _, _, err := do(t, client(t, httpx.Settings{}, redact), http.MethodGet, url, nil); !errors.Is(err, httpx.ErrNotBuffered) {
		t.Errorf("not buffered: %v", err)
	}
	if _, _, err := do(t, client(t, httpx.Settings{BufferResponses: 5}, redact), http.MethodGet, url, nil); !errors.Is(err, httpx.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
}

func TestShortCircuitAndBlock(t *testing.T) {
	url, n := server(t, func(int, http.ResponseWriter, string) {})
	cached := chain.Around("cache", func(chain.Handler[*exchange]) chain.Handler[*exchange] {
		return func(_ context.Context, e *exchange) (*exchange, error) {
			return e.Answer(200, nil, []byte("cached")), nil
		}
	})
	body := &closingBody{strings.NewReader("x"), "request", &closing{closed: map[string]int{}}}
	if status, text, err := do(t, client(t, httpx.Settings{}, cached), http.MethodPost, url, body); status != 200 || text != "cached" || err != nil {
		t.Errorf("got %d %q %v", status, text, err)
	}
	block := chain.Before("block", func(context.Context, *exchange) (*exchange, error) { return nil, chain.Block("no", chain.Code("no")) })
	_, _, err := do(t, client(t, httpx.Settings{}, block), http.MethodPost, url, body)
	if v, ok := errors.AsType[*chain.Violation](err); !ok || v.Code != "no" {
		t.Errorf("got %v", err)
	}
	if body.of.closed["request"] != 2 {
		t.Errorf("the body of a request that is not sent was closed %d times in 2 requests", body.of.closed["request"])
	}
	if n.Load() != 0 {
		t.Errorf("%d requests were sent", n.Load())
	}
}

func TestExchangeOfALinksOwn(t *testing.T) {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://example.test/", nil)
	for name, l := range map[string]chain.Link[*exchange]{
		"before": chain.Before("l", func(context.Context, *exchange) (*exchange, error) { return &exchange{}, nil }),
		"after":  chain.After("l", func(context.Context, *exchange) (*exchange, error) { return &exchange{}, nil }),
		"status": chain.Before("l", func(context.Context, *exchange) (*exchange, error) { return nil, &httpx.StatusError{Status: 503} }),
	} {
		c := &closing{closed: map[string]int{}}
		_, err := httpx.NewClient(through(t, l), httpx.Settings{}).Do(r, func(*http.Request) (*http.Response, error) { return c.response(200, "1"), nil })
		if err == nil || !strings.Contains(err.Error(), "httpx: a link ") && name != "status" || name == "after" && c.closed["1"] != 1 {
			t.Errorf("%s: %v, closed %v", name, err, c.closed)
		}
	}
}

// The caller's request is not touched, as the contract of http.RoundTripper has it.
func TestRequestStaysAsItIs(t *testing.T) {
	url, _ := server(t, func(int, http.ResponseWriter, string) {})
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, url, onlyReader{strings.NewReader("hello")})
	before, body := *r, r.Body
	res, err := client(t, httpx.Settings{BufferRequests: 100}, retry(2)).Transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if r.Body != body || r.GetBody != nil || r.ContentLength != before.ContentLength || len(r.Header) != 0 {
		t.Errorf("the request was changed: %+v", r)
	}
}

func TestManyGoroutines(t *testing.T) {
	url, n := server(t, func(n int, w http.ResponseWriter, body string) {
		if n%3 == 0 {
			w.WriteHeader(http.StatusBadGateway)
		}
		_, _ = fmt.Fprint(w, body)
	})
	c := client(t, httpx.Settings{}, retry(20), chain.Intercept[*exchange]("timeout", middleware.Timeout(time.Minute)))
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			want := fmt.Sprint("body ", i)
			if status, text, err := do(t, c, http.MethodPost, url, strings.NewReader(want)); status != 200 || text != want || err != nil {
				t.Errorf("got %d %q %v", status, text, err)
			}
		})
	}
	wg.Wait()
	if n.Load() < 90 {
		t.Errorf("%d requests: no retries", n.Load())
	}
}

// An answer to HEAD keeps the length that it tells of, buffered or not, in a client and in a handler.
func TestHeadKeepsTheLength(t *testing.T) {
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1234")
		if r.Method != http.MethodHead {
			_, _ = io.WriteString(w, strings.Repeat("x", 1234))
		}
	})
	for _, limit := range []int64{0, 1 << 20} {
		s := httptest.NewServer(httpx.NewHandler(inner, through(t), httpx.Settings{BufferResponses: limit}))
		t.Cleanup(s.Close)
		c := client(t, httpx.Settings{BufferResponses: limit})
		for method, want := range map[string]int{http.MethodHead: 0, http.MethodGet: 1234} {
			req, err := http.NewRequestWithContext(t.Context(), method, s.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := c.Do(req)
			if err != nil {
				t.Fatalf("limit %d, %s: %v", limit, method, err)
			}
			body, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if err != nil || len(body) != want || res.Header.Get("Content-Length") != "1234" || res.ContentLength != 1234 {
				t.Errorf("limit %d, %s: %d bytes, length %d, header %q, %v", limit, method, len(body), res.ContentLength, res.Header.Get("Content-Length"), err)
			}
		}
	}
}
