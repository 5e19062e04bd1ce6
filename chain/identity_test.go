package chain

import (
	"context"
	"testing"
)

// value runs a payload of any type through every kind of link: untouched, then rewritten. same says that the engine can
// tell an untouched one.
func value[P any](t *testing.T, in, rewritten P, same bool) {
	t.Helper()
	keep := func(_ context.Context, p P) (P, error) { return p, nil }
	pass := func(next Handler[P]) Handler[P] {
		return func(ctx context.Context, p P) (P, error) { return next(ctx, p) }
	}
	c := New[P]("t")
	_, err := c.Use(Before("b", keep), After("a", keep), Around("in", pass), Around("open", pass, OnFailure(Ignore)), Around("out", pass, Outer()), Around("s", pass, InMode(Audit)),
		Before("audit", keep, InMode(Audit)), Before("con", keep, InMode(Concurrent)), Observe("o", func(context.Context, Outcome[P]) {}))
	must(t, err)
	h := c.Then(keep)
	for range 2 {
		_, err = h(bg, in)
		must(t, err)
	}
	for _, l := range c.Stats().Links {
		eq(t, "failures of "+l.Link, l.Failures, 0)
		if same {
			eq(t, "rewrites of "+l.Link, l.Rewrites+l.WouldRewrites, 0)
		}
	}
	_, err = c.Use(Before("rw", func(context.Context, P) (P, error) { return rewritten, nil }))
	must(t, err)
	_, err = h(bg, in)
	must(t, err)
	s, _ := c.Stats().Link("rw")
	eq(t, "rewrites", s.Rewrites, 1)

	_, err = c.Use(After("fail", func(_ context.Context, p P) (P, error) { return p, errOwn }))
	must(t, err)
	_, err = h(bg, in)
	blamed(t, err, "fail")
	must(t, c.Close(bg))
}

// refusesNil checks that a nil P is refused wherever one may come from.
func refusesNil[P any](t *testing.T, in P) {
	t.Helper()
	var none P
	same := func(_ context.Context, p P) (P, error) { return p, nil }
	gone := func(context.Context, P) (P, error) { return none, nil }
	_, err := New[P]("t").Then(same)(bg, none)
	is(t, err, ErrNilPayload)
	_, err = New[P]("t").Then(gone)(bg, in)
	is(t, err, ErrNilPayload)
	for _, l := range []Link[P]{
		Before("x", gone), After("x", gone), Around("x", func(Handler[P]) Handler[P] { return gone }), Before("x", gone, Timeout(1<<40)),
		Before("x", gone, InMode(Concurrent)),
	} {
		c := New[P]("t")
		_, err := c.Use(l)
		must(t, err)
		_, err = c.Then(same)(bg, in)
		is(t, err, ErrNilPayload)
		blamed(t, err, "x")
	}
}

type plain struct{ a int }

type withSlice struct{ s []int }

type withAny struct{ v any }

func TestPayloadsOfEveryKind(t *testing.T) {
	t.Run("pointer", func(t *testing.T) { value(t, &plain{}, &plain{}, true); refusesNil(t, &plain{}) })
	t.Run("int", func(t *testing.T) { value(t, 1, 2, true) })
	t.Run("string", func(t *testing.T) { value(t, "", "x", true) })
	t.Run("struct", func(t *testing.T) { value(t, plain{}, plain{a: 1}, true) })
	t.Run("struct that is not comparable", func(t *testing.T) { value(t, withSlice{}, withSlice{s: []int{1}}, false) })
	t.Run("struct with an interface", func(t *testing.T) { value(t, withAny{1}, withAny{2}, true) })
	t.Run("struct with an interface that holds a slice", func(t *testing.T) { value(t, withAny{[]int{1}}, withAny{[]int{1}}, false) })
	t.Run("array of interfaces", func(t *testing.T) { value(t, [2]any{1, nil}, [2]any{2, func() {}}, true) })
	t.Run("slice, also nil", func(t *testing.T) { value(t, nil, []int{1}, false) })
	t.Run("map", func(t *testing.T) {
		value(t, map[string]int{}, map[string]int{}, true)
		refusesNil(t, map[string]int{})
	})
	t.Run("channel", func(t *testing.T) { value(t, make(chan int), make(chan int), true); refusesNil(t, make(chan int)) })
	t.Run("function", func(t *testing.T) {
		value(t, func() int { return 1 }, func() int { return 2 }, true)
		refusesNil(t, func() {})
	})
	t.Run("interface", func(t *testing.T) {
		value[any](t, 1, "x", true)
		value[any](t, []int{1}, []int{1}, false)
		value[error](t, errOwn, errBackend, true)
		refusesNil[any](t, 1)
		refusesNil[error](t, errOwn)
	})
}
