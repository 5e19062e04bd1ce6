package cache

import (
	"context"
	"math"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
)

// memory is the Store within this process. It starts no goroutine: an answer whose time is over leaves when it is asked for
// or room is needed.
type memory struct {
	answers *otter.Cache[string, *kept] // may be those of several, see Plugin.Succeed
	evicted *atomic.Int64
	ttl     time.Duration // the longest
}

type kept struct {
	Entry
	from time.Time
	ttl  time.Duration
}

// overhead is about what an answer takes beside its text, in bytes.
const overhead = 256

func newMemory(maxBytes int64, ttl time.Duration) (*memory, error) {
	m := &memory{evicted: &atomic.Int64{}, ttl: ttl}
	var err error
	m.answers, err = otter.New(&otter.Options[string, *kept]{
		MaximumWeight: uint64(maxBytes),
		Weigher:       weight,
		Executor:      func(f func()) { f() },
		OnAtomicDeletion: func(e otter.DeletionEvent[string, *kept]) {
			if e.WasEvicted() {
				m.evicted.Add(1)
			}
		},
	})
	return m, err
}

func weight(key string, k *kept) uint32 {
	return uint32(min(overhead+len(key)+len(k.Text)+len(k.Model), math.MaxUint32)) //nolint:gosec // bounded
}

func (m *memory) Get(_ context.Context, key string) (Entry, bool, error) {
	k, ok := m.answers.GetIfPresent(key)
	switch {
	case !ok:
		return Entry{}, false, nil
	case time.Since(k.from) >= min(k.ttl, m.ttl):
		m.answers.ComputeIfPresent(key, func(now *kept) (*kept, otter.ComputeOp) {
			if now == k { // not one that has come meanwhile
				return nil, otter.InvalidateOp
			}
			return nil, otter.CancelOp
		})
		return Entry{}, false, nil
	}
	return k.Entry, true, nil
}

func (m *memory) Put(_ context.Context, key string, e Entry, ttl time.Duration) error {
	m.answers.Set(key, &kept{e, time.Now(), ttl})
	return nil
}

func (m *memory) Delete(_ context.Context, key string) error {
	m.answers.Invalidate(key)
	return nil
}

// bytes is the room that the answers take, about.
func (m *memory) bytes() int64 { return int64(m.answers.WeightedSize()) } //nolint:gosec // bounded by MaxBytes
