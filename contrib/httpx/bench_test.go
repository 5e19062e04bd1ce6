package httpx_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/httpx"
)

// The price of a chain around a request, beside a transport that answers at once without one.
func BenchmarkContrib(b *testing.B) {
	res := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: &http.Request{}}
	send := func(*http.Request) (*http.Response, error) { return res, nil }
	pass := func(_ context.Context, e *exchange) (*exchange, error) { return e, nil }
	r := httptest.NewRequest(http.MethodGet, "http://example.test/", nil)
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	bench := func(name string, f func()) {
		b.Run("httpx/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}
	for name, links := range map[string][]chain.Link[*exchange]{"no links": nil, "two hooks": {chain.Before("a", pass), chain.After("b", pass)}} {
		c := chain.New[*exchange]("http")
		if _, err := c.Use(links...); err != nil {
			b.Fatal(err)
		}
		client, h, w := httpx.NewClient(c, httpx.Settings{}), httpx.NewHandler(handler, c, httpx.Settings{}), httptest.NewRecorder()
		bench("client, "+name, func() { _, _ = client.Do(r, send) })
		bench("handler, "+name, func() { h.ServeHTTP(w, r) })
	}
	w := httptest.NewRecorder()
	bench("handler without a chain", func() { handler.ServeHTTP(w, r) })
}
