package chaintest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/chain/chaintest"
)

type Request struct{ Prompt string }

// A recorder shows the order in which links run.
func ExampleRecorder() {
	var r chaintest.Recorder[*Request]
	c := chain.New[*Request]("generation")
	_, err := c.Use(
		r.Observe("audit"),
		r.After("redact"),
		r.Around("cache"),
		r.Before("budget"),
		r.Around("span", chain.Outer()),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := c.Then(r.Handler("backend"))(context.Background(), &Request{}); err != nil {
		fmt.Println(err)
	}
	for _, e := range r.Events() {
		fmt.Println(e)
	}
	// Output:
	// span:enter
	// budget:before
	// cache:enter
	// backend:handled
	// cache:leave
	// redact:after
	// span:leave
	// audit:observe
}

// A fault shows what a failing link does to the call.
func ExampleFault() {
	c := chain.New[*Request]("generation")
	_, err := c.Use(
		chain.Before("metrics", chaintest.Hook[*Request](chaintest.Panic("no connection")), chain.OnFailure(chain.Ignore)),
		c.Intercept("retry", func(ctx context.Context, next func(context.Context) error) error {
			if next(ctx) == nil {
				return nil
			}
			return next(ctx)
		}),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	backend := chaintest.Hook[*Request](chaintest.First(1, chaintest.Error(errors.New("overloaded"))))
	out, err := c.Then(backend)(context.Background(), &Request{Prompt: "hello"})
	fmt.Println(out.Prompt, err)
	// Output: hello <nil>
}

// A Bill is a table; the numbers here are made up.
func ExampleBill() {
	fmt.Print(chaintest.Bill{
		Latency: 400 * time.Millisecond,
		Handler: chaintest.Cost{Name: "handler", Nanos: 1.2},
		Chain:   chaintest.Cost{Name: "chain", Nanos: 14.1},
		Links:   []chaintest.Cost{{Name: "budget", Nanos: 2.4}, {Name: "cache", Nanos: 120, Allocs: 1}},
		Total:   chaintest.Cost{Name: "total", Nanos: 137.7, Allocs: 1},
	})
	// Output:
	// link        ns/call  allocs/call      of 400ms
	// handler         1.2          0.0     0.00000 %
	// chain          14.1          0.0     0.00000 %
	// budget          2.4          0.0     0.00000 %
	// cache         120.0          1.0     0.00003 %
	// total         137.7          1.0     0.00003 %
}

// Price measures links; what it prints differs from machine to machine.
func ExamplePrice() {
	backend := func(_ context.Context, r *Request) (*Request, error) { return r, nil }
	bill, err := chaintest.Price(400*time.Millisecond, backend, &Request{},
		chain.Before("budget", func(_ context.Context, r *Request) (*Request, error) { return r, nil }),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(bill.Links), bill.Total.Share(bill.Latency) < 1)
	// Output: 1 true
}

// A package that offers a link runs the suite on it.
func ExampleRun() {
	_ = func(t *testing.T) { // TestConformance
		t.Helper() // not needed in a test function
		link := chain.Before("limit", func(_ context.Context, r *Request) (*Request, error) {
			if len(r.Prompt) > 1000 {
				return nil, chain.Block("the prompt is too long")
			}
			return r, nil
		})
		chaintest.Run(t, link, chaintest.MaxAllocs(0))
	}
}
