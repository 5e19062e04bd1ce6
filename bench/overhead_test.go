package bench

import (
	"context"
	"fmt"
	"testing"
)

func BenchmarkOverhead(b *testing.B) {
	each(b, func(b *testing.B, h Handler) {
		b.ReportAllocs()
		ctx, p := context.Background(), new(Payload)
		for b.Loop() {
			if _, err := h(ctx, p); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkParallel(b *testing.B) {
	each(b, func(b *testing.B, h Handler) {
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

func each(b *testing.B, run func(b *testing.B, h Handler)) {
	for _, v := range Variants {
		for _, n := range Links {
			h := v.Build(n)
			b.Run(fmt.Sprintf("%s/links=%d", v.Name, n), func(b *testing.B) { run(b, h) })
		}
	}
}

// TestVariants sees that every variant does the work that it is measured for.
func TestVariants(t *testing.T) {
	for _, v := range Variants {
		for _, n := range Links {
			t.Run(fmt.Sprintf("%s/links=%d", v.Name, n), func(t *testing.T) {
				h, in := v.Build(n), new(Payload)
				for range 3 {
					out, err := h(t.Context(), in)
					if err != nil {
						t.Fatal(err)
					}
					want := ""
					if v.Name == "rewrite" && n > 0 {
						want = "rewritten"
					}
					if out.Text() != want || (want == "") != (out == in) {
						t.Errorf("got %+v, the payload that went in: %v", out, out == in)
					}
				}
			})
		}
	}
}

func TestByName(t *testing.T) {
	for _, v := range Variants {
		if got, ok := ByName(v.Name); !ok || got.Doc != v.Doc {
			t.Errorf("ByName(%q) = %v, %v", v.Name, got.Doc, ok)
		}
	}
	if _, ok := ByName("nobody"); ok {
		t.Error("found a variant that is not there")
	}
}
