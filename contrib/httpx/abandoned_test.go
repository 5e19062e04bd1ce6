package httpx_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/httpx"
)

// givesUp is a link that leaves the handler behind when it is told to, and then fails or answers.
func givesUp(when <-chan struct{}, answer bool) chain.Link[*exchange] {
	return chain.Around("gives_up", func(next chain.Handler[*exchange]) chain.Handler[*exchange] {
		return func(ctx context.Context, e *exchange) (*exchange, error) {
			go func() { _, _ = next(context.WithoutCancel(ctx), e) }()
			<-when
			if answer {
				return e.Answer(http.StatusTeapot, nil, []byte("short and stout")), nil
			}
			return nil, context.DeadlineExceeded
		}
	})
}

// A handler that was given up on while it waits can write nothing any more, neither to the client nor, when ServeHTTP is over, to what
// the server may use again.
func TestAbandonedHandler(t *testing.T) {
	for _, tc := range []struct {
		name   string
		answer bool
		status int
		text   string
	}{{"fails", false, 504, "Gateway Timeout\n"}, {"answers", true, 418, "short and stout"}} {
		t.Run(tc.name, func(t *testing.T) {
			when, served, result := make(chan struct{}), make(chan struct{}), make(chan error, 1)
			h := httpx.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("X-Handler", "before")
				close(when)
				for i := range 1000 { // while the answer is made
					w.Header().Set("X-Handler", fmt.Sprint(i))
				}
				<-served
				w.Header().Set("X-Handler", "after")
				w.WriteHeader(http.StatusCreated)
				_, err := fmt.Fprint(w, "too late")
				_, err2 := io.Copy(w, strings.NewReader("too late"))
				_, _, err3 := http.NewResponseController(w).Hijack()
				for _, err := range []error{err2, err3, http.NewResponseController(w).Flush()} {
					if !errors.Is(err, http.ErrHandlerTimeout) {
						t.Errorf("got %v", err)
					}
				}
				result <- err
			}), through(t, givesUp(when, tc.answer)), httpx.Settings{})
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
			close(served)
			if err := <-result; !errors.Is(err, http.ErrHandlerTimeout) {
				t.Errorf("the write gave %v", err)
			}
			if w.Code != tc.status || w.Body.String() != tc.text || w.Header().Get("X-Handler") != "" {
				t.Errorf("%d %q %v", w.Code, w.Body, w.Header())
			}
		})
	}
}

// A write to a client that takes nothing does not hold up the one who gives up: the connection is aborted.
func TestAbandonedInTheMiddleOfAWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(path, make([]byte, 32<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, write := range map[string]func(w http.ResponseWriter) error{
		"bytes": func(w http.ResponseWriter) error { _, err := w.Write(make([]byte, 32<<20)); return err },
		"a file": func(w http.ResponseWriter) error {
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			defer func() { _ = f.Close() }()
			_, err = io.Copy(w, f)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			when, result := make(chan struct{}), make(chan error, 1)
			srv := httptest.NewUnstartedServer(httpx.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_ = http.NewResponseController(w).Flush()
				result <- write(w)
			}), through(t, givesUp(when, false)), httpx.Settings{}))
			srv.Config.ErrorLog = newLog(&strings.Builder{})
			srv.Start()
			defer srv.Close()
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL, nil)
			res, err := srv.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = res.Body.Close() }()
			if _, err := io.ReadFull(res.Body, make([]byte, 1000)); err != nil { // the write has begun
				t.Fatal(err)
			}
			close(when)
			if err := <-result; err == nil {
				t.Error("all was written to a client that takes nothing")
			}
			if n, err := io.Copy(io.Discard, res.Body); err == nil || n == 32<<20-1000 {
				t.Errorf("the client takes %d bytes for complete", n)
			}
		})
	}
}

// A file goes out whole, in pieces, and as much of it as is asked for; trailers are sent.
func TestHandlerSendsFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	text := strings.Repeat("0123456789abcdef", 3<<16) // 3 MiB
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, limit := range []int64{0, 10, 2 << 20, 1 << 30} {
		res, got, _, err := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "X-Sum")
			f, err := os.Open(path)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = f.Close() }()
			var r io.Reader = f
			if limit > 0 {
				r = io.LimitReader(f, limit)
			}
			n, err := io.Copy(w, r)
			w.Header().Set("X-Sum", fmt.Sprint(n, err))
		}, httpx.Settings{}, nil)
		want := text
		if limit > 0 {
			want = text[:min(limit, int64(len(text)))]
		}
		if err != nil || got != want || res.Trailer.Get("X-Sum") != fmt.Sprint(len(want), " <nil>") {
			t.Errorf("limit %d: %d bytes, want %d, trailer %v: %v", limit, len(got), len(want), res.Trailer, err)
		}
	}
}
