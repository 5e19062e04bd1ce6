package middleware_test

import (
	"context"
	"errors"
	"testing"

	"github.com/sony/gobreaker/v2"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/middleware"
)

// A breaker that is open turns calls away on purpose: the guard of its own link stays closed.
func TestAnOpenBreakerIsNoFaultOfItsLink(t *testing.T) {
	down := errors.New("backend down")
	w := chain.Wrap("weather", func(context.Context, string) (string, error) { return "", down }).
		Intercept("breaker", middleware.Breaker(gobreaker.Settings{Name: "weather"}))
	call, err := w.Func()
	if err != nil {
		t.Fatal(err)
	}
	rejected := 0
	for range 100 {
		_, err := call(t.Context(), "here")
		if middleware.Rejected(err) {
			rejected++
		} else if !errors.Is(err, down) {
			t.Fatal(err)
		}
	}
	link, _ := w.Chain().Stats().Link("breaker")
	if rejected != 94 || link.Breaker != gobreaker.StateClosed {
		t.Errorf("%d of 100 rejected, the link's own breaker is %s", rejected, link.State)
	}
}
