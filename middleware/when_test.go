package middleware_test

import (
	"context"
	"testing"
	"time"

	"github.com/maillon-go/maillon/chain/chaintest"
	"github.com/maillon-go/maillon/middleware"
)

func TestWhen(t *testing.T) {
	marked := func(ctx context.Context) bool { return ctx.Value(valueKey{}) != nil }
	when := middleware.When(marked, chaintest.Error(errBackend).Early)
	for _, tc := range []struct {
		name string
		ctx  context.Context
		want error
	}{
		{"does not hold", t.Context(), nil},
		{"holds", context.WithValue(t.Context(), valueKey{}, true), errBackend},
	} {
		t.Run(tc.name, func(t *testing.T) {
			called := false
			err := when(tc.ctx, func(ctx context.Context) error {
				called = true
				if ctx != tc.ctx {
					t.Error("next got another context")
				}
				return nil
			})
			if err != tc.want || called != (tc.want == nil) {
				t.Errorf("got %v, next called: %t", err, called)
			}
		})
	}
}

func TestWhenRefuses(t *testing.T) {
	refuses(t, middleware.When(nil, middleware.Timeout(1)), "middleware: When: nil condition")
	refuses(t, middleware.When(func(context.Context) bool { return false }, nil), "middleware: When: nil interceptor")
}

func TestWhenConforms(t *testing.T) {
	for name, holds := range map[string]bool{"holds": true, "does not hold": false} {
		t.Run(name, func(t *testing.T) {
			conforms(t, middleware.When(func(context.Context) bool { return holds }, middleware.Timeout(time.Minute)), chaintest.MaxAllocs(8))
		})
	}
}
