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
	v, w := reflect.ValueOf(a), reflect.ValueOf(b)
	switch {
	case !v.IsValid() || !w.IsValid() || v.Type() != w.Type():
		return false
	case v.Comparable() && w.Comparable():
		return a == b //nolint:errorlint // the same one
	}
	return reflect.DeepEqual(a, b)
}
