package cache

import "sync/atomic"

// Stats are counts since New.
type Stats struct {
	Hits        int64 // answers that were there
	Shared      int64 // answers of another call that was running
	Misses      int64 // calls that asked the backend and might have been answered
	Skipped     int64 // calls that are not cached: see the list in docs/plugins/cache.md
	Stores      int64 // answers that were kept
	Dropped     int64 // answers that were taken out, because the call that used them was blocked or failed
	SavedTokens int64 // that hits and shared answers would have taken
	Failures    int64 // of the store

	// Of the store in memory; 0 with another one.
	Evictions int64 // answers that had to make room
	Bytes     int64 // that the answers take, about
}

type counts struct {
	hits, shared, misses, skipped, stores, dropped, saved, failures atomic.Int64
}

// Stats is a snapshot.
func (p *Plugin) Stats() Stats {
	s := Stats{
		Hits: p.n.hits.Load(), Shared: p.n.shared.Load(), Misses: p.n.misses.Load(), Skipped: p.n.skipped.Load(),
		Stores: p.n.stores.Load(), Dropped: p.n.dropped.Load(), SavedTokens: p.n.saved.Load(), Failures: p.n.failures.Load(),
	}
	if m, ok := p.store.(*memory); ok {
		s.Evictions, s.Bytes = m.evicted.Load(), m.bytes()
	}
	return s
}
