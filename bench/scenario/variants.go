package scenario

import (
	"fmt"
	"slices"

	"github.com/maillon-go/maillon/bench"
	"github.com/maillon-go/maillon/bench/measure"
	"github.com/maillon-go/maillon/chain"
)

// growing are the numbers of links at which the price of one is compared.
var growing = []int{0, 1, 10, 32, 76, 128, 256}

// variants are the ways to put links around a handler that the bounds compare.
func variants() Scenario {
	s := Scenario{Name: "variants", Doc: "links that hand the payload on, in each of their forms"}
	for _, v := range bench.Variants {
		counts := bench.Links
		if slices.Contains([]string{"hooks", "around", "compose", "closures"}, v.Name) {
			counts = growing
		}
		for _, n := range counts {
			s.Cells = append(s.Cells, variant(v, n))
		}
	}
	return s
}

func request() Scenario {
	return Scenario{"request", bench.PerRequest.Doc, []Cell{variant(bench.PerRequest, 10)}}
}

func variant(v bench.Variant, n int) Cell {
	return Cell{Peer: v.Name, Links: n, Build: func() measure.Work { return measure.Work{Handler: v.Build(n)} }}
}

// disabled are links that are registered and switched off, beside ten hooks.
func disabled() Scenario {
	s := Scenario{Name: "disabled", Doc: "ten hooks, and links beside them that are registered in the mode Disabled"}
	for _, n := range []int{0, 16, 64, 256} {
		s.Cells = append(s.Cells, Cell{Peer: "hooks", Links: n, Build: func() measure.Work {
			links := make([]chain.Link[*bench.Payload], 0, 10+n)
			for i := range 10 {
				links = append(links, chain.Before(fmt.Sprint("step", i), pass))
			}
			for i := range n {
				links = append(links, chain.Before(fmt.Sprint("off", i), pass, chain.InMode(chain.Disabled)))
			}
			return measure.Work{Handler: chained(links...)}
		}})
	}
	return s
}
