// Package clean remembers texts in which nothing was found, so that a conversation is not searched again with each turn, nor a prompt at
// each place that it passes.
package clean

import (
	"hash/maphash"
	"sync/atomic"
)

// size is how many texts are remembered at most. A new one takes the place of another.
const size = 4096

// Texts are hashes of texts, and no texts. Make some by New. Safe for concurrent use, without locks.
//
// That a text has the hash of another one by chance happens once in 2^64 times, and the seed is not known to who writes the text.
type Texts struct {
	seed  maphash.Seed
	slots [size]atomic.Uint64
}

// New remembers nothing so far.
func New() *Texts { return &Texts{seed: maphash.MakeSeed()} }

// Key stands for a text, and for what else it depends on that nothing was found.
func (t *Texts) Key(text string, depends ...string) uint64 {
	if len(depends) == 0 {
		return max(maphash.String(t.seed, text), 1) // 0 is an empty slot
	}
	var h maphash.Hash
	h.SetSeed(t.seed)
	for _, d := range depends {
		_, _ = h.WriteString(d)
		_ = h.WriteByte(0)
	}
	_, _ = h.WriteString(text)
	return max(h.Sum64(), 1)
}

// Has says whether a key was added, and no other one has taken its place.
func (t *Texts) Has(key uint64) bool { return t.slots[key%size].Load() == key }

// Add remembers a key.
func (t *Texts) Add(key uint64) { t.slots[key%size].Store(key) }
