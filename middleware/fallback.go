package middleware

import (
	"context"
	"errors"
	"fmt"

	"github.com/maillon-go/maillon/chain"
)

// Fallback answers by h when what it wraps fails: another model, a stale value, an apology. h gets the payload that the
// link was given. A block (*chain.Violation) and an error that comes back while the context is done are returned as they
// are; of the others FallbackIf decides, by default all count. When h fails too, errors.Is finds both errors.
//
// As an Inner link, the default, it sits behind the hooks: what h answers passes the After hooks like any other answer.
// A nil h fails every call. Unlike an interceptor it has a type parameter, which h determines.
func Fallback[P any](h chain.Handler[P], opts ...FallbackOption) chain.Middleware[P] {
	f := fallback{counts: func(error) bool { return true }}
	for _, o := range opts {
		if o != nil {
			o.applyFallback(&f)
		}
	}
	return func(next chain.Handler[P]) chain.Handler[P] {
		return func(ctx context.Context, p P) (P, error) {
			if h == nil {
				var zero P
				return zero, chain.Refuse(errors.New("middleware: Fallback: nil handler"))
			}
			r, err := next(ctx, p)
			if err == nil || verdict(ctx, err) != chain.Failed || !f.counts(err) {
				return r, err
			}
			out, second := h(ctx, p)
			if second != nil {
				return out, fmt.Errorf("middleware: Fallback: %w; it was asked because of: %w", second, err)
			}
			return out, nil
		}
	}
}

// FallbackOption sets something about a Fallback.
type FallbackOption interface{ applyFallback(*fallback) }

type fallbackOption func(*fallback)

func (f fallbackOption) applyFallback(x *fallback) { f(x) }

// FallbackIf limits a Fallback to the errors for which counts is true. Nil changes nothing.
func FallbackIf(counts func(error) bool) FallbackOption {
	return fallbackOption(func(f *fallback) {
		if counts != nil {
			f.counts = counts
		}
	})
}

type fallback struct{ counts func(error) bool }
