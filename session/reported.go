package session

import (
	"reflect"
	"slices"
)

// maxReported is how many errors of one call are remembered as reported.
const maxReported = 32

// reported are errors that error_occurred has told of, the last ones.
type reported []error

// first says whether err, and all that it wraps, was not reported yet, and remembers it.
func (r *reported) first(err error) bool {
	if slices.ContainsFunc(*r, func(old error) bool { return leadsTo(err, old) }) {
		return false
	}
	if len(*r) == maxReported {
		*r = slices.Delete(*r, 0, 1)
	}
	*r = append(*r, err)
	return true
}

// leadsTo is errors.Is for errors that == cannot compare too. It asks no Is method, and an Unwrap that panics leads
// nowhere.
func leadsTo(err, target error) (found bool) {
	defer func() { _ = recover() }()
	for err != nil {
		if sameError(err, target) {
			return true
		}
		switch x := err.(type) { //nolint:errorlint // it goes down the tree itself
		case interface{ Unwrap() error }:
			err = x.Unwrap()
		case interface{ Unwrap() []error }:
			return slices.ContainsFunc(x.Unwrap(), func(e error) bool { return leadsTo(e, target) })
		default:
			return false
		}
	}
	return false
}

// sameError compares by content what == cannot.
func sameError(a, b error) bool {
	return same(a, b) || reflect.TypeOf(a) == reflect.TypeOf(b) && !reflect.ValueOf(a).Comparable() && reflect.DeepEqual(a, b)
}

// same is ==, and false where that would panic.
func same(a, b any) bool {
	return reflect.TypeOf(a) == reflect.TypeOf(b) && (a == nil || reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable() && a == b)
}
