package chain

import (
	"context"
	"fmt"
	"testing"
	"unsafe"
)

// TestChangesReachEveryPlan: a call after a change, in whatever scope, runs with it, whoever was bound or called first.
func TestChangesReachEveryPlan(t *testing.T) {
	t.Parallel()
	root := New[*payload]("x")
	child, err := root.Scope()
	must(t, err)
	grandchild, err := child.Scope()
	must(t, err)
	scopes := []*Chain[*payload]{root, child, grandchild}
	var ran steps
	handlers := make([]Handler[*payload], len(scopes))
	for i, c := range scopes {
		handlers[i] = c.Then(nop)
	}
	want := make([]string, len(scopes))
	look := func(when string) {
		t.Helper()
		for i, h := range handlers {
			for range 2 { // the second time it is known to be up to date
				_, err := h(bg, &payload{})
				must(t, err)
				eq(t, fmt.Sprintf("%s: scope %d", when, i), ran.take(), want[i])
			}
		}
	}
	look("without links")
	for i, c := range scopes {
		name := fmt.Sprint("link", i)
		reg, err := c.Use(Before(name, ran.hook(name)))
		must(t, err)
		for j := i; j < len(want); j++ {
			want[j] = name
		}
		look("with " + name)
		reg.Remove()
		for j := i; j < len(want); j++ {
			want[j] = ""
		}
		look("after Remove of " + name)
	}
}

// TestStretches: a link that has something on record is guarded and the others are not, until it has recovered.
func TestStretches(t *testing.T) {
	t.Parallel()
	for at := range 4 {
		for _, kind := range []Kind{KindBefore, KindAfter} {
			t.Run(fmt.Sprintf("%s hook %d", kind, at), func(t *testing.T) {
				t.Parallel()
				var fail bool
				var ran int
				var links []Link[*payload]
				for i := range 4 {
					hook := func(_ context.Context, p *payload) (*payload, error) {
						ran++
						if i == at && fail {
							return nil, errOwn
						}
						return p, nil
					}
					link := Before[*payload]
					if kind == KindAfter {
						link = After[*payload]
					}
					links = append(links, link(fmt.Sprint("h", i), hook, OnFailure(Ignore)))
				}
				c := newChain(t, links...)
				h := c.Then(nop)
				call := func() {
					t.Helper()
					ran = 0
					_, err := h(bg, &payload{})
					must(t, err)
					eq(t, "hooks that ran", ran, 4)
				}
				g := guardOf(t, c, fmt.Sprint("h", at))
				calls := func() (asked []int64) {
					for i := range 4 {
						asked = append(asked, guardOf(t, c, fmt.Sprint("h", i)).calls.Load())
					}
					return asked
				}
				call()
				eq(t, "asked while at rest", fmt.Sprint(calls()), "[0 0 0 0]")
				fail = true
				call()
				eq(t, "armed", g.restless(), true)
				fail = false
				call()
				eq(t, "at rest again", g.restless(), false)
				asked := []int64{0, 0, 0, 0}
				asked[at] = 1
				eq(t, "asked once, of the one that had failed", fmt.Sprint(calls()), fmt.Sprint(asked))
				call()
				eq(t, "asked afterwards", fmt.Sprint(calls()), fmt.Sprint(asked))
			})
		}
	}
}

func (g *guard) restless() bool { return g.flags.Load() != 0 }

// TestEveryKindOfPayload: the hot loop calls handlers without their type; what is one pointer word must come through it
// unharmed, and so must what is not.
func TestEveryKindOfPayload(t *testing.T) {
	t.Parallel()
	t.Run("pointer", func(t *testing.T) { t.Parallel(); payloadKind(t, &payload{}, &payload{}) })
	t.Run("map", func(t *testing.T) {
		t.Parallel()
		payloadKind(t, map[string]int{"a": 1}, map[string]int{"b": 2})
	})
	t.Run("channel", func(t *testing.T) { t.Parallel(); payloadKind(t, make(chan int), make(chan int)) })
	t.Run("function", func(t *testing.T) {
		t.Parallel()
		payloadKind(t, func() int { return 1 }, func() int { return 2 })
	})
	t.Run("unsafe pointer", func(t *testing.T) {
		t.Parallel()
		payloadKind(t, unsafe.Pointer(new(int)), unsafe.Pointer(new(int)))
	})
	t.Run("int", func(t *testing.T) { t.Parallel(); payloadKind(t, 1, 2) })
	t.Run("byte", func(t *testing.T) { t.Parallel(); payloadKind(t, byte(1), byte(2)) })
	t.Run("string", func(t *testing.T) { t.Parallel(); payloadKind(t, "a", "b") })
	t.Run("slice", func(t *testing.T) { t.Parallel(); payloadKind(t, []int{1}, []int{2}) })
	t.Run("struct of a pointer", func(t *testing.T) {
		t.Parallel()
		payloadKind(t, struct{ p *int }{new(int)}, struct{ p *int }{new(int)})
	})
	t.Run("large struct", func(t *testing.T) { t.Parallel(); payloadKind(t, [32]int{1}, [32]int{2}) })
	t.Run("interface", func(t *testing.T) { t.Parallel(); payloadKind[any](t, 1, "b") })
}

func payloadKind[P any](t *testing.T, a, b P) {
	t.Helper()
	c := New[P]("x")
	_, err := c.Use(
		Before("same", func(_ context.Context, p P) (P, error) { return p, nil }),
		Before("rewrites", func(context.Context, P) (P, error) { return b, nil }),
		After("panics", func(context.Context, P) (P, error) { panic("oh") }, OnFailure(Ignore)),
		After("same after", func(_ context.Context, p P) (P, error) { return p, nil }),
	)
	must(t, err)
	h := c.Then(func(_ context.Context, p P) (P, error) { return p, nil })
	for range 3 {
		got, err := h(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		if x, y := fmt.Sprintf("%#v", got), fmt.Sprintf("%#v", b); x != y {
			t.Errorf("got %s, want %s", x, y)
		}
	}
	eq(t, "failures", guardOf(t, c, "panics").failures.Load(), 3)
}

// TestChangeDuringACall: a call that goes on, on its old plan, after a change does not make that plan pass for the current
// one.
func TestChangeDuringACall(t *testing.T) {
	t.Parallel()
	var ran steps
	c := newChain(t)
	_, err := c.Use(
		Before("changes", func(_ context.Context, p *payload) (*payload, error) {
			if p.n == 1 {
				_, err := c.Use(Before("new", ran.hook("new")))
				must(t, err)
			}
			return p, nil
		}),
		Before("apart", nop, InMode(Audit)), // ends the stretch
		After("last", nop),
	)
	must(t, err)
	h := c.Then(nop)
	for n := range 3 {
		_, err := h(bg, &payload{n: n})
		must(t, err)
	}
	eq(t, "calls with the new link", ran.take(), "new")
}
