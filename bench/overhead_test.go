package bench

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
)

// all yields every variant, and PerRequest, at every number of links, by the name of its benchmark.
func all() iter.Seq2[string, Handler] {
	return func(yield func(string, Handler) bool) {
		for _, v := range append(slices.Clip(Variants), PerRequest) {
			for _, n := range Links {
				if !yield(fmt.Sprintf("%s/links=%d", v.Name, n), v.Build(n)) {
					return
				}
			}
		}
	}
}

func BenchmarkOverhead(b *testing.B) {
	for name, h := range all() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			ctx, p := context.Background(), new(Payload)
			for b.Loop() {
				if _, err := h(ctx, p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkSession is what the runtime costs: an instruction beside a direct call of the same model.
func BenchmarkSession(b *testing.B) {
	run := func(name string, h Handler) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			ctx, p := context.Background(), new(Payload)
			for b.Loop() {
				if _, err := h(ctx, p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	run(Direct.Name, Direct.Build(0))
	for _, n := range HooksPerStage {
		run(fmt.Sprintf("%s/hooks=%d", Instruct.Name, n), Instruct.Build(n))
	}
}

func BenchmarkParallel(b *testing.B) {
	for name, h := range all() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				ctx, p := context.Background(), new(Payload)
				for pb.Next() {
					if _, err := h(ctx, p); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// TestVariants sees that every variant does the work that it is measured for.
func TestVariants(t *testing.T) {
	for name, h := range all() {
		t.Run(name, func(t *testing.T) {
			for range 3 {
				in := new(Payload)
				out, err := h(t.Context(), in)
				if err != nil {
					t.Fatal(err)
				}
				want := ""
				if strings.HasPrefix(name, "rewrite/") && name != "rewrite/links=0" {
					want = "rewritten"
				}
				if out.Text() != want || (want == "") != (out == in) {
					t.Errorf("got %+v, the payload that went in: %v", out, out == in)
				}
			}
		})
	}
}
