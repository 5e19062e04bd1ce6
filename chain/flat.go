package chain

import (
	"context"
	"sync/atomic"
	"unsafe"
)

// flat is what the hot loop needs to know of a step.
type flat struct {
	fn   raw
	next *flat // the step after it in the same stretch
	g    *guard
	k    int  // its place in the plan
	slow bool // it is never part of a stretch
}

// raw is a Handler with a payload that is one pointer word, see identity.word. All of these have one calling convention,
// and without a type parameter the loop is about a fifth faster.
type raw = func(ctx context.Context, p unsafe.Pointer) (unsafe.Pointer, error)

func rawOf[P any](h Handler[P]) raw { return *(*raw)(unsafe.Pointer(&h)) }

// glide is the hot loop. It runs steps until one has to be looked at: it returned an error or another payload, or some
// link of the family has changed. whole says that there was none up to the end of the stretch. at is kept up to date, for
// the recover of the caller.
func glide(
	ctx context.Context, s *flat, p unsafe.Pointer, changes *atomic.Uint64, calm uint64, at **flat,
) (r unsafe.Pointer, whole bool, err error) {
	for {
		*at = s
		r, err := s.fn(ctx, p)
		if err != nil {
			return r, false, err
		}
		next := s.next
		if r != p || changes.Load() != calm {
			return r, false, nil
		}
		if next == nil {
			return r, true, nil
		}
		s = next
	}
}

// restless says that the link has something on record, or is off.
func (s *flat) restless() bool { return s.g != nil && s.g.flags.Load() != 0 }

// look is what a run does after a step when some link of the family has changed: a link that was armed meanwhile by
// another call hears of this one, and the stretch ends before a restless link.
func (s *flat) look() (next *flat) {
	if s.restless() {
		ticket{g: s.g}.report(healthy)
	}
	if s.next != nil && s.next.restless() {
		return nil
	}
	return s.next
}

// family is what a chain shares with its scopes: how often one of their snapshots was replaced, or one of their guards
// armed, disarmed, switched off or on. While that stands still, a plan that was up to date and had all its links at rest
// need not look at them one by one.
type family struct {
	_       [64]byte
	changes atomic.Uint64
	_       [56]byte
}
