package httpx_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/httpx"
	"github.com/maillon-go/maillon/middleware"
)

func newLog(w io.Writer) *log.Logger { return log.New(w, "", 0) }

func ExampleClient() {
	attempts := 0
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if attempts++; attempts == 1 {
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintf(w, "hello, %s", r.Header.Get("X-User"))
	}))
	defer service.Close()

	c := chain.New[*httpx.Exchange]("service")
	_, err := c.Use(
		chain.Before("user", func(_ context.Context, e *httpx.Exchange) (*httpx.Exchange, error) {
			r := e.Request().Clone(e.Request().Context())
			r.Header.Set("X-User", "anna")
			return e.WithRequest(r), nil
		}),
		c.Intercept("retry", middleware.Retry(3, middleware.RetryBase(time.Millisecond))),
	)
	if err != nil {
		log.Fatal(err)
	}
	client := &http.Client{Transport: httpx.NewClient(c, httpx.Settings{}).Transport(nil)}
	defer client.CloseIdleConnections()
	res, err := client.Get(service.URL)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(res.Body)
	fmt.Println(res.StatusCode, string(body), "after", attempts, "attempts")
	// Output: 200 hello, anna after 2 attempts
}

func ExampleNewHandler() {
	c := chain.New[*httpx.Exchange]("inbound")
	_, err := c.Use(chain.Before("methods", func(_ context.Context, e *httpx.Exchange) (*httpx.Exchange, error) {
		if e.Request().Method == http.MethodDelete {
			return nil, chain.Block("nothing is deleted here", chain.Code("method"))
		}
		return e, nil
	}))
	if err != nil {
		log.Fatal(err)
	}
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "hello") })
	h := httpx.NewHandler(hello, c, httpx.Settings{})
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, "/", nil))
		fmt.Print(w.Code, " ", w.Body)
	}
	// Output:
	// 200 hello
	// 403 Forbidden: method
}
