package bench

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/maillon-go/maillon/chain"
)

// A stack trace has one frame for a hook at most, and two for an Around beside that of its own function. CPU profiles keep the
// innermost 64 frames. Hooks are run by a loop: the backend behind them sees none of them.
func TestFramesPerLink(t *testing.T) {
	for _, tc := range []struct {
		name  string
		build func(links int, backend Handler) Handler
		own   float64 // frames of the links' functions
		most  float64 // of the engine
	}{
		{"hooks", func(n int, h Handler) Handler { return under(h, before(0, n)) }, 0, 1},
		{"arounds", func(n int, h Handler) Handler {
			var links []chain.Link[*Payload]
			for i := range n {
				links = append(links, chain.Around(fmt.Sprint("around", i), middleware))
			}
			return under(h, links)
		}, 1, 2},
		{"closures", func(n int, h Handler) Handler {
			for range n {
				h = middleware(h)
			}
			return h
		}, 1, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			depth := func(links int) float64 {
				frames := 0
				h := tc.build(links, func(_ context.Context, p *Payload) (*Payload, error) {
					frames = count()
					return p, nil
				})
				if _, err := h(t.Context(), new(Payload)); err != nil {
					t.Fatal(err)
				}
				return float64(frames)
			}
			const few, many = 10, 110
			if per := (depth(many)-depth(few))/(many-few) - tc.own; per > tc.most {
				t.Errorf("a link more has %v more frames of the engine in a stack trace, at most %v", per, tc.most)
			} else {
				t.Logf("a link more has %v more frames of the engine", per)
			}
		})
	}
}

// count is how many frames a stack trace of the caller has, inlined functions among them.
func count() (n int) {
	pcs := make([]uintptr, 4096)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for more := true; more; n++ {
		_, more = frames.Next()
	}
	return n
}

func under(h Handler, links []chain.Link[*Payload]) Handler {
	c := chain.New[*Payload]("bench")
	must(c.Use(links...))
	return c.Then(h)
}
