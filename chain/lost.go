package chain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"unsafe"
)

// lostNext is a next whose context does not lead to the call. Without a policy it gets a frame of its own, and the call has
// no memory of it. Where there is one, what it may change must be known: the payload has to be one that the link was given,
// and that leads back to the call.
func (b *bound[P]) lostNext(ctx context.Context, in *instance[P], p P) (P, error) {
	var zero P
	pl := in.last.Load()
	if pl == nil { // called by the factory itself
		return zero, fmt.Errorf("chain %s: next was called before the middleware was applied", b.c.name)
	}
	hp := &pl.hops[in.slot]
	switch {
	case hp.shadow:
		return pl.shadowNext(ctx, hp.n, p)
	case pl.c.id.isNil(p):
		return p, fmt.Errorf("next: %w", ErrNilPayload)
	case pl.filters(hp.n):
		if f := in.held.find(p, in.slot); f != nil {
			return f.pl.trackedNext(context.WithValue(ctx, b, f), f, in.slot, p)
		}
		return zero, fmt.Errorf("next: %w", errLostPayload)
	}
	b.lost.Add(1)
	r, err := hp.next(pl.newFrame(ctx, nil), p)
	if err != nil {
		hp.n.g.blame.nextFailed(err)
	}
	return r, err
}

var errLostPayload = errors.New("another payload, with a context that does not derive from the call's, cannot be checked against the policy; " +
	"context.WithoutCancel detaches a call and keeps what is needed")

// held are the payloads that an Around with a policy was given in the calls in flight, and the frames of those calls:
// several, where calls share a payload.
type held[P any] struct {
	mu     sync.Mutex
	frames map[unsafe.Pointer]sharing[P]
}

// sharing are the calls with one payload, nearly always a single one. They are kept until the last of them has ended,
// since what next returned to one of them may be on the record of another one; but no more than maxSharing that have.
type sharing[P any] struct {
	one  *frame[P]
	more []*frame[P]
	live int
}

const maxSharing = 64

func (h *held[P]) add(p P, f *frame[P]) {
	if !f.pl.c.id.word {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.frames == nil {
		h.frames = map[unsafe.Pointer]sharing[P]{}
	}
	s := h.frames[word(p)]
	if s.live++; s.one == nil {
		s.one = f
	} else {
		s.more = append(s.more, f)
	}
	h.frames[word(p)] = s
}

func (h *held[P]) remove(p P, f *frame[P]) {
	if !f.pl.c.id.word {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.frames[word(p)]
	if s.live--; s.live == 0 {
		delete(h.frames, word(p))
		return
	}
	if len(s.more) > maxSharing {
		s.more = slices.DeleteFunc(s.more, func(o *frame[P]) bool { return o == f })
	}
	h.frames[word(p)] = s
}

// find gives a call that p was given to, preferably one that has not called next yet.
func (h *held[P]) find(p P, slot int) *frame[P] {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.frames) == 0 { // for values, whose identity is no word, always
		return nil
	}
	s := h.frames[word(p)]
	if s.one != nil && s.one.state(slot).Load() != 0 {
		if i := slices.IndexFunc(s.more, func(f *frame[P]) bool { return f.state(slot).Load() == 0 }); i >= 0 {
			return s.more[i]
		}
	}
	return s.one
}

// returned says whether r is what next returned to another call that shares the payload p.
func (h *held[P]) returned(p P, slot int, r P) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.frames) == 0 {
		return false
	}
	s := h.frames[word(p)]
	return len(s.more) > 0 && (s.one.returned(slot, r) || slices.ContainsFunc(s.more, func(f *frame[P]) bool { return f.returned(slot, r) }))
}
