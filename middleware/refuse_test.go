package middleware_test

import (
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/chain/chaintest"
	"github.com/maillon-go/maillon/middleware"
)

// However often a misconfigured middleware is called, the caller learns what is wrong.
func TestRefusingIsNotHiddenByTheGuard(t *testing.T) {
	c := chain.New[*payload]("c")
	if _, err := c.Use(c.Intercept("tap", middleware.Tap(nil))); err != nil {
		t.Fatal(err)
	}
	call := c.Then(chaintest.Hook[*payload](chaintest.Error(nil)))
	for range 20 {
		if _, err := call(t.Context(), &payload{}); err == nil || err.Error() != "c/tap: middleware: Tap: nil function" {
			t.Fatalf("got %v", err)
		}
	}
}
