package chain

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestCompose(t *testing.T) {
	var s steps
	h := Compose(s.hook("handler"), s.around("a"), nil, s.around("b"))
	_, err := h(bg, &payload{})
	must(t, err)
	eq(t, "the first is outermost, nil ones are skipped", s.take(), "a> b> handler <b <a")

	_, err = Compose(nil, s.around("a"))(bg, &payload{})
	is(t, err, ErrNilHandler)
	out, err := Compose(add("x"))(bg, &payload{})
	must(t, err)
	eq(t, "none", out.text, "x")
}

func TestInterceptors(t *testing.T) {
	failFirst := func(n int) Handler[*payload] {
		calls := 0
		return func(_ context.Context, p *payload) (*payload, error) {
			if calls++; calls <= n {
				return nil, errBackend
			}
			return p.with("ok"), nil
		}
	}
	partial := func(_ context.Context, p *payload) (*payload, error) { return p.with("partial"), errBackend }
	for _, tc := range []struct {
		name    string
		i       Interceptor
		handler Handler[*payload]
		text    string
		err     error
		blamed  bool
	}{
		{"passes on", func(ctx context.Context, next func(context.Context) error) error { return next(ctx) }, failFirst(0), "ok", nil, false},
		{"passes the error on", func(ctx context.Context, next func(context.Context) error) error { return next(ctx) }, failFirst(9), "", errBackend, false},
		{"passes partial output on", func(ctx context.Context, next func(context.Context) error) error { return next(ctx) }, partial, "partial", errBackend, false},
		{"retries", func(ctx context.Context, next func(context.Context) error) error {
			for range 2 {
				if next(ctx) == nil {
					return nil
				}
			}
			return next(ctx)
		}, failFirst(2), "ok", nil, false},
		{"calls next again after it succeeded", func(ctx context.Context, next func(context.Context) error) error {
			_ = next(ctx)
			_ = next(ctx)
			return nil
		}, func() Handler[*payload] {
			n := 0
			return func(_ context.Context, p *payload) (*payload, error) {
				if n++; n == 2 {
					return nil, errBackend
				}
				return p.with("first"), nil
			}
		}(), "first", nil, false},
		{"hedges", func(ctx context.Context, next func(context.Context) error) error {
			errs := make(chan error, 2)
			for range 2 {
				go func() { errs <- next(ctx) }()
			}
			return errors.Join(<-errs, <-errs)
		}, nop, "", nil, false},
		{"drops the error", func(ctx context.Context, next func(context.Context) error) error { _ = next(ctx); return nil }, failFirst(9), "", errBackend, false},
		{"no next", func(context.Context, func(context.Context) error) error { return nil }, nop, "", ErrNilPayload, true},
		{"refuses", func(context.Context, func(context.Context) error) error { return errOwn }, nop, "", errOwn, true},
		{"fails after next", func(ctx context.Context, next func(context.Context) error) error { _ = next(ctx); return errOwn }, nop, "", errOwn, true},
		{"panics", func(context.Context, func(context.Context) error) error { panic(errOwn) }, nop, "", errOwn, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newChain(t)
			_, err := c.Use(c.Intercept("x", tc.i))
			must(t, err)
			out, err := c.Then(tc.handler)(bg, &payload{})
			if out != nil {
				eq(t, "text", out.text, tc.text)
			}
			if tc.err == nil {
				must(t, err)
			} else {
				is(t, err, tc.err)
			}
			var le *LinkError
			eq(t, "blamed", errors.As(err, &le), tc.blamed)
			eq(t, "failures", guardOf(t, c, "x").failures.Load() > 0, tc.blamed)
		})
	}
}

func TestOneInterceptorServesChainsOfAnyPayload(t *testing.T) {
	calls := 0
	count := func(ctx context.Context, next func(context.Context) error) error { calls++; return next(ctx) }
	a, b := New[*payload]("a"), New[int]("b")
	_, err := a.Use(Intercept[*payload]("count", count))
	must(t, err)
	_, err = b.Use(b.Intercept("count", count))
	must(t, err)
	_, err = a.Then(nop)(bg, &payload{})
	must(t, err)
	n, err := b.Then(func(_ context.Context, i int) (int, error) { return i + 1, nil })(bg, 1)
	must(t, err)
	eq(t, "result", n, 2)
	eq(t, "calls", calls, 2)
}

func TestInterceptorThatLeavesItsNextBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChain(t)
		_, err := c.Use(c.Intercept("timeout", func(ctx context.Context, next func(context.Context) error) error {
			done := make(chan error, 1)
			go func() { done <- next(ctx) }()
			select {
			case err := <-done:
				return err
			case <-time.After(time.Second):
				return errOwn
			}
		}))
		must(t, err)
		_, err = c.Then(func(_ context.Context, p *payload) (*payload, error) { time.Sleep(time.Hour); return p, nil })(bg, &payload{})
		is(t, err, errOwn)
		time.Sleep(2 * time.Hour)
	})
}
