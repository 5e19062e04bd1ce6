package stages

import "slices"

// Growing collects items and gives Lists of those so far, which share their memory: for a runtime that tells after every
// step of all steps before. The zero value is empty; a copy grows on its own. Not safe for concurrent use, unlike its
// Lists.
type Growing[T any] struct {
	items []T
	self  *Growing[T] // another one in a copy
}

// Add adds items at the end. Lists that were given out stay as they are.
func (g *Growing[T]) Add(items ...T) {
	if g.self != g {
		g.items, g.self = slices.Clip(g.items), g
	}
	g.items = append(g.items, items...)
}

// List has the items so far.
func (g *Growing[T]) List() List[T] { return List[T]{slices.Clip(g.items)} }
