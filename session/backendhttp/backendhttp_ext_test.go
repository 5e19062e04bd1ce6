package backendhttp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"

	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/session/backendhttp"
	"github.com/maillon-go/maillon/stages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestKindOf(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]session.BackendErrorKind{
		304: session.BackendTransportError, 400: session.BackendInvalidRequest, 401: session.BackendAuth, 403: session.BackendAuth,
		404: session.BackendInvalidRequest, 408: session.BackendTimeout, 413: session.BackendInvalidRequest, 422: session.BackendInvalidRequest,
		429: session.BackendRateLimit, 500: session.BackendServerError, 503: session.BackendServerError, 529: session.BackendServerError,
	} {
		if got := backendhttp.KindOf(status); got != want {
			t.Errorf("%d: got %s, want %s", status, got, want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, tc := range []struct {
			name, key, value string
			want             time.Duration
		}{
			{"nothing", "X", "1", 0},
			{"seconds", "Retry-After", "7", 7 * time.Second},
			{"fractions", "Retry-After", "0.5", 500 * time.Millisecond},
			{"milliseconds", "Retry-After-Ms", "20", 20 * time.Millisecond},
			{"a date", "Retry-After", time.Now().Add(time.Minute).UTC().Format(http.TimeFormat), time.Minute},
			{"a date that is over", "Retry-After", time.Now().Add(-time.Minute).UTC().Format(http.TimeFormat), 0},
			{"negative", "Retry-After", "-1", 0},
			{"no number", "Retry-After", "NaN", 0},
			{"for ever", "Retry-After", "1e300", 24 * time.Hour},
			{"words", "Retry-After", "soon", 0},
		} {
			if got := backendhttp.RetryAfter(http.Header{tc.key: {tc.value}}); got != tc.want {
				t.Errorf("%s: got %v, want %v", tc.name, got, tc.want)
			}
		}
	})
}

func TestTransportError(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	late, done := context.WithTimeout(t.Context(), 0)
	defer done()
	known := &session.BackendError{Kind: session.BackendAuth}
	for _, tc := range []struct {
		name string
		ctx  context.Context
		err  error
		kind session.BackendErrorKind // "" for no BackendError
		is   error
	}{
		{"broken off", t.Context(), &url.Error{Op: "Post", URL: "http://host/?key=secret", Err: broken}, session.BackendTransportError, broken},
		{"cancelled", cancelled, broken, "", context.Canceled},
		{"too late", late, broken, session.BackendTimeout, context.DeadlineExceeded},
		{"the client's timeout", t.Context(), &url.Error{Err: &net.DNSError{IsTimeout: true}}, session.BackendTimeout, nil},
		{"another deadline", t.Context(), fmt.Errorf("x: %w", context.DeadlineExceeded), session.BackendTimeout, context.DeadlineExceeded},
		{"known", t.Context(), known, session.BackendAuth, known},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := backendhttp.TransportError(tc.ctx, "acme", tc.err)
			var e *session.BackendError
			if errors.As(got, &e) != (tc.kind != "") || e != nil && e.Kind != tc.kind || tc.is != nil && !errors.Is(got, tc.is) {
				t.Errorf("got %v", got)
			}
			if strings.Contains(got.Error(), "secret") {
				t.Errorf("the URL is told: %v", got)
			}
		})
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	g := stages.NewGeneration(stages.Meta{}, stages.GenerationFields{Messages: stages.ListOf(
		stages.Message{Text: "the tide is a secret"}, stages.Message{Text: "no"}, stages.Message{},
	)})
	for _, tc := range []struct{ name, message, want string }{
		{"plain", "no such model", "no such model"},
		{"several lines", "a\n\tb\r\n", "a b"},
		{"what was asked", "invalid: the tide is a secret!", "invalid: …!"},
		{"a key", "wrong key sk-1, sk-1", "wrong key …, …"},
		{"bytes that are no text", "a\xffb", "a…b"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := backendhttp.Clean(tc.message, g, "", "sk-1"); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
	if got := backendhttp.Clean(strings.Repeat("é", 400), nil); len(got) > 300 || len(got) < 290 || !utf8.ValidString(got) || !strings.HasSuffix(got, "é…") {
		t.Errorf("got %d bytes: %q", len(got), got)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// endless gives n bytes.
type endless struct{ left int64 }

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), e.left)
	e.left -= n
	return int(n), nil
}

func TestTransportEndsLongResponses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		n    int64
		want error
	}{
		{"just as long as may be", backendhttp.MaxAnswer, nil},
		{"a byte more", backendhttp.MaxAnswer + 1, backendhttp.ErrTooLong},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := backendhttp.Transport(roundTrip(func(*http.Request) (*http.Response, error) {
				return &http.Response{Body: io.NopCloser(&endless{tc.n})}, nil
			}))
			res, err := c.RoundTrip(&http.Request{})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = res.Body.Close() }()
			n, err := io.Copy(io.Discard, res.Body)
			if n != backendhttp.MaxAnswer || !errors.Is(err, tc.want) {
				t.Errorf("read %d bytes, %v", n, err)
			}
		})
	}
}

func ExampleStatusError() {
	res := &http.Response{StatusCode: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"20"}}}
	err := backendhttp.StatusError("acme", res, backendhttp.Clean("too many requests for the key sk-1", nil, "sk-1"))
	fmt.Println(err)
	fmt.Println(err.Temporary(), err.RetryAfter)
	// Output:
	// acme: rate_limit (HTTP 429): too many requests for the key …
	// true 20s
}
