// Command wrap guards two calls that exist already, a plain Go function and one through an http.Client, and shows what
// happens while a backend is down: the breaker around the backend opens, and no link's own breaker does.
//
//	go run ./examples/wrap
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
	"go.uber.org/zap"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/middleware"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, w io.Writer) error {
	if err := plainFunction(ctx, w); err != nil {
		return err
	}
	return httpCall(ctx, w)
}

// tide is the plain function: minutes from midnight to high water.
func tide(_ context.Context, day int) (int, error) { return (day*50 + 320) % 745, nil }

func plainFunction(ctx context.Context, w io.Writer) error {
	guarded, err := chain.Wrap("tide", tide).
		Use(chain.Before("range", func(_ context.Context, c *chain.Call[int, int]) (*chain.Call[int, int], error) {
			if c.Request() < 1 || c.Request() > 31 {
				return nil, chain.Block("there is no such day", chain.Code("range"))
			}
			return c, nil
		})).Func()
	if err != nil {
		return err
	}
	fmt.Fprintln(w, "A plain function, with a link that checks its argument:")
	for _, day := range []int{3, 42} {
		minutes, err := guarded(ctx, day)
		var v *chain.Violation
		switch {
		case errors.As(err, &v):
			fmt.Fprintf(w, "  day %2d: %v\n", day, v)
		case err != nil:
			return err
		default:
			fmt.Fprintf(w, "  day %2d: high water at %02d:%02d\n", day, minutes/60, minutes%60)
		}
	}
	return nil
}

// weather is a backend that is down for its first calls.
func weather(down int64) (*httptest.Server, *atomic.Int64) {
	var calls atomic.Int64
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) <= down {
			http.Error(w, "out of order", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "light breeze")
	})), &calls
}

// get is an ordinary call through an http.Client.
func get(client *http.Client) func(ctx context.Context, url string) (string, error) {
	return func(ctx context.Context, url string) (string, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return "", err
		}
		res, err := client.Do(req)
		if err != nil {
			return "", err
		}
		defer res.Body.Close() //nolint:errcheck // it was only read
		body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
		if err == nil && res.StatusCode != http.StatusOK {
			err = errors.New("weather: " + res.Status)
		}
		return string(body), err
	}
}

func httpCall(ctx context.Context, w io.Writer) error {
	server, reached := weather(6)
	defer server.Close()
	const open = 2 * time.Second // of the backend's breaker: longer than the calls in between may take
	wrapped := chain.Wrap("weather", get(server.Client())).
		Intercept("log", middleware.Log(zap.L(), middleware.LogName("weather"))).
		Intercept("timeout", middleware.Timeout(10*time.Second)).
		Intercept("retry", middleware.Retry(2, middleware.RetryBase(time.Millisecond))).
		Intercept("backend-breaker", middleware.Breaker(gobreaker.Settings{Name: "weather", Timeout: open, OnStateChange: func(_ string, from, to gobreaker.State) {
			fmt.Fprintf(w, "          the backend's breaker: %v -> %v\n", from, to)
		}}))
	call, err := wrapped.Func()
	if err != nil {
		return err
	}
	fmt.Fprintln(w, "\nAn HTTP call, behind a timeout, two attempts and a breaker, while the backend is down for 6 requests:")
	rejected := 0
	for i := range 20 {
		if i == 19 {
			fmt.Fprintf(w, "  ... %d more were rejected without a request; later:\n", rejected)
			select {
			case <-time.After(open + open/4):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		text, err := call(ctx, server.URL)
		switch {
		case middleware.Rejected(err):
			rejected++
		case err != nil:
			fmt.Fprintf(w, "  call %2d: failed: %v\n", i+1, err)
		default:
			fmt.Fprintf(w, "  call %2d: %s\n", i+1, text)
		}
	}
	fmt.Fprintf(w, "\nThe backend saw %d requests. The links, each with a breaker of its own:\n", reached.Load())
	for _, l := range wrapped.Chain().Stats().Links {
		fmt.Fprintf(w, "  %-16s breaker %s, opened %d times\n", l.Link, l.State, l.Trips)
	}
	return wrapped.Chain().Close(ctx)
}
