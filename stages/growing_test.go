package stages

import (
	"slices"
	"testing"
)

func TestGrowing(t *testing.T) {
	var g Growing[int]
	if g.List().Len() != 0 {
		t.Error("it is not empty")
	}
	var lists []List[int]
	for i := range 20 {
		g.Add(i)
		lists = append(lists, g.List())
	}
	for _, tc := range []struct {
		name string
		harm func()
	}{
		{"a slice", func() { lists[10].Slice()[0] = 99 }},
		{"an Append", func() { lists[10].Append(99) }},
		{"an Append to the spare room", func() { _ = append(lists[10].items, 99) }},
		{"a copy that grows", func() {
			c := g
			c.Add(99)
			g.Add(20)
			if c.List().At(20) != 99 || g.List().At(20) != 20 {
				t.Errorf("%v and %v", c.List(), g.List())
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.harm()
			for i, l := range lists {
				if l.Len() != i+1 || !slices.IsSorted(l.items) || l.At(i) != i {
					t.Errorf("list %d is %v", i, l)
				}
			}
		})
	}
}
