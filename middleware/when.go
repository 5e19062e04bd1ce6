package middleware

import (
	"context"

	"github.com/maillon-go/maillon/chain"
)

// When applies i to the calls for whose context cond is true, and leaves the others alone. cond is asked once per call.
// A nil cond or i fails every call.
func When(cond func(ctx context.Context) bool, i chain.Interceptor) chain.Interceptor {
	switch {
	case cond == nil:
		return refuse("When: nil condition")
	case i == nil:
		return refuse("When: nil interceptor")
	}
	return func(ctx context.Context, next func(context.Context) error) error {
		if cond(ctx) {
			return i(ctx, next)
		}
		return next(ctx)
	}
}
