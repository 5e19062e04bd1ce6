package chain

import (
	"reflect"
	"unsafe"
)

// identity tells whether two payloads are the same one. For pointers it is a comparison of one word, which the
// hot loop makes itself; comparing through an interface would cost more than the rest of a link.
type identity[P any] struct {
	word  bool              // P is one pointer word: a pointer, map, channel or function
	equal func(a, b P) bool // for other P
	isNil func(p P) bool
}

func identityOf[P any]() identity[P] {
	t := reflect.TypeFor[P]()
	never := func(P) bool { return false }
	switch t.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Chan, reflect.Func, reflect.UnsafePointer:
		return identity[P]{word: true, isNil: func(p P) bool { return word(p) == nil }}
	case reflect.Interface:
		return identity[P]{
			equal: equalIfComparable[P],
			isNil: func(p P) bool { return any(p) == nil },
		}
	}
	if t.Comparable() {
		return identity[P]{equal: comparer[P](t), isNil: never}
	}
	return identity[P]{equal: func(a, b P) bool { return false }, isNil: never}
}

// comparer compares values of a comparable type; one that holds an interface may still hold something that is not.
func comparer[P any](t reflect.Type) func(a, b P) bool {
	if holdsInterface(t) {
		return equalIfComparable[P]
	}
	return func(a, b P) bool { return any(a) == any(b) }
}

func equalIfComparable[P any](a, b P) bool {
	return reflect.ValueOf(&a).Elem().Comparable() && reflect.ValueOf(&b).Elem().Comparable() && any(a) == any(b)
}

func holdsInterface(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.Array:
		return holdsInterface(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if holdsInterface(t.Field(i).Type) {
				return true
			}
		}
	}
	return false
}

// word is the address in a payload that is one pointer word; identity.word says whether it is.
func word[P any](p P) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&p)) }

func (id *identity[P]) same(a, b P) bool {
	if id.word {
		return word(a) == word(b)
	}
	return id.equal(a, b)
}

// sameError says whether two errors are one value in one place. Unlike ==, it never panics, and never looks at what they hold.
func sameError(a, b error) bool {
	return *(*[2]unsafe.Pointer)(unsafe.Pointer(&a)) == *(*[2]unsafe.Pointer)(unsafe.Pointer(&b))
}
