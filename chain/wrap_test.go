package chain

import (
	"context"
	"errors"
	"strings"
	"testing"
)

type call = Call[string, int]

func length(_ context.Context, s string) (int, error) { return len(s), nil }

func TestWrap(t *testing.T) {
	double := func(_ context.Context, c *call) (*call, error) { return c.WithRequest(c.Request() + c.Request()), nil }
	negate := func(_ context.Context, c *call) (*call, error) { return c.WithResponse(-c.Response()), nil }
	w := Wrap("length", length).Use(Before("double", double)).Use(After("negate", negate))
	f, err := w.Func()
	must(t, err)
	n, err := f(bg, "abc")
	must(t, err)
	eq(t, "result", n, -6)
	eq(t, "chain", w.Chain().Name(), "length")

	// links added later hold too
	_, err = w.Chain().Use(Around("cache", func(Handler[*call]) Handler[*call] {
		return func(_ context.Context, c *call) (*call, error) { return c.WithResponse(7), nil }
	}))
	must(t, err)
	n, err = f(bg, "abc")
	must(t, err)
	eq(t, "answered by an Around", n, -7)
	must(t, w.Chain().Close(bg))
	_, err = f(bg, "abc")
	is(t, err, ErrClosed)
}

func TestWrapErrors(t *testing.T) {
	partial, err := Wrap("partial", func(context.Context, string) (int, error) { return 3, errBackend }).Func()
	must(t, err)
	n, err := partial(bg, "")
	eq(t, "error", err, errBackend)
	eq(t, "partial response", n, 3)

	blocked, err := Wrap("blocked", length).Use(Before("x", func(context.Context, *call) (*call, error) { return nil, Block("no") })).Func()
	must(t, err)
	n, err = blocked(bg, "abc")
	blockedBy(t, err, "x")
	eq(t, "response of a block", n, 0)

	for name, tc := range map[string]struct {
		w    *Wrapper[string, int]
		says string
	}{
		"nil function":        {Wrap[string, int]("x", nil), "nil handler"},
		"no name":             {Wrap("", length), "needs a name"},
		"two Configs":         {Wrap("x", length, Config[*call]{}, Config[*call]{}), "at most one Config"},
		"bad link":            {Wrap("x", length).Use(Before[*call]("y", nil)), "nil function"},
		"nil Interceptor":     {Wrap("x", length).Intercept("y", nil), "nil function"},
		"the first one stays": {Wrap("x", length).Intercept("first", nil).Intercept("second", nil), "first"},
		"name twice":          {Wrap("x", length).Intercept("y", retryOnce).Intercept("y", retryOnce), "duplicate"},
	} {
		f, err := tc.w.Func()
		if f != nil || err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: got %v, want an error that says %q", name, err, tc.says)
		}
		if tc.w.Chain() == nil {
			t.Errorf("%s: no chain", name)
		}
	}
}

func retryOnce(ctx context.Context, next func(context.Context) error) error {
	if err := next(ctx); err == nil {
		return nil
	}
	return next(ctx)
}

func TestWrapIntercept(t *testing.T) {
	calls := 0
	f, err := Wrap("flaky", func(context.Context, string) (int, error) {
		if calls++; calls%2 == 1 {
			return 0, errors.New("try again")
		}
		return calls, nil
	}).Intercept("retry", retryOnce).Func()
	must(t, err)
	n, err := f(bg, "")
	must(t, err)
	eq(t, "result", n, 2)
}
