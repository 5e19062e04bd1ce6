package stages

import (
	"encoding/json"
	"iter"
	"slices"
)

// List is a slice that cannot be changed: the payloads and nouns of this package hand out Lists, so that no plugin can
// reach into another one's data. The zero value is empty. Copying a List is free, all methods but Slice, Append and Map
// are too. Safe for concurrent use.
type List[T any] struct{ items []T }

// ListOf makes a List of a copy of items.
func ListOf[T any](items ...T) List[T] {
	if len(items) == 0 {
		return List[T]{}
	}
	return List[T]{slices.Clone(items)}
}

// ListBy makes a List of n items, each by its index.
func ListBy[T any](n int, item func(i int) T) List[T] {
	if n <= 0 {
		return List[T]{}
	}
	items := make([]T, n)
	for i := range items {
		items[i] = item(i)
	}
	return List[T]{items}
}

// Len is the number of items.
func (l List[T]) Len() int { return len(l.items) }

// At is the item with index i, which panics like a slice's when there is none.
func (l List[T]) At(i int) T { return l.items[i] }

// All yields index and item, in order.
func (l List[T]) All() iter.Seq2[int, T] { return slices.All(l.items) }

// Slice is a copy as a plain slice.
func (l List[T]) Slice() []T { return slices.Clone(l.items) }

// Append gives a new List with more items at its end.
func (l List[T]) Append(items ...T) List[T] {
	if len(items) == 0 {
		return l
	}
	return List[T]{slices.Concat(l.items, items)}
}

// Map gives a new List of what f makes of each item.
func (l List[T]) Map(f func(T) T) List[T] {
	if len(l.items) == 0 {
		return l
	}
	out := make([]T, len(l.items))
	for i, x := range l.items {
		out[i] = f(x)
	}
	return List[T]{out}
}

// MarshalJSON gives an array, never null.
func (l List[T]) MarshalJSON() ([]byte, error) {
	if l.items == nil {
		return []byte("[]"), nil
	}
	return json.Marshal(l.items)
}

// UnmarshalJSON reads an array into l, and leaves alone what l held before and may share.
func (l *List[T]) UnmarshalJSON(b []byte) error {
	var items []T
	if err := json.Unmarshal(b, &items); err != nil {
		return err
	}
	l.items = items
	return nil
}

// sameList says that two Lists are one, without looking at their items.
func sameList[T any](a, b List[T]) bool {
	return len(a.items) == len(b.items) && (len(a.items) == 0 || &a.items[0] == &b.items[0])
}

// equalLists compares item by item, unless the Lists are one.
func equalLists[T any](same func(a, b T) bool) func(a, b List[T]) bool {
	return func(a, b List[T]) bool { return sameList(a, b) || slices.EqualFunc(a.items, b.items, same) }
}
