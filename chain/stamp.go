package chain

import (
	"sync/atomic"
	"unsafe"
)

// stamps are the violations that a link hands out again and again, with its name in them: one that comes for the second time in a row is
// copied for the last time. Of others nothing is kept, since they may say what a payload had.
type stamps struct {
	address atomic.Uintptr // of the last one, which is not kept alive by it
	copied  atomic.Pointer[Violation]
}

// stamp names the link in a violation, on a copy: a link may hand out one shared value, or one of a call nested in it.
func (pl *plan[P]) stamp(n *node[P], v *Violation, err error) *Violation {
	s := &n.g.stamps
	if w := s.copied.Load(); w != nil && sameError(w.cause, err) && w.says(v) {
		return w
	}
	w := *v
	w.Chain, w.Link, w.cause = pl.c.name, n.name, err
	if x, ok := err.(*Violation); ok { //nolint:errorlint // the value itself
		if address := uintptr(unsafe.Pointer(x)); s.address.Load() == address {
			s.copied.Store(&w)
		} else {
			s.address.Store(address)
		}
	}
	return &w
}

// says is whether two violations have the same fields, but for those that say where they come from. The one that was copied may have been
// changed since, by a link that uses it for other calls.
func (v *Violation) says(w *Violation) bool {
	return v.Code == w.Code && v.Reason == w.Reason && v.Description == w.Description && v.Severity == w.Severity &&
		word(v.Details) == word(w.Details)
}
