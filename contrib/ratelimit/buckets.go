package ratelimit

import (
	"container/list"
	"sync"
	"time"
)

// buckets are those of all keys, no more than there may be.
type buckets struct {
	set Settings

	mu    sync.Mutex
	by    map[string]*list.Element
	order list.List // of *keyed, the one that was used last in front
}

type keyed struct {
	key string
	*bucket
}

// sweep is how many buckets are looked at in passing, to see whether they are needed any more.
const sweep = 2

func (bs *buckets) of(key string) *bucket {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	if e := bs.by[key]; e != nil {
		bs.order.MoveToFront(e)
		return e.Value.(*keyed).bucket
	}
	now := time.Now()
	for range sweep {
		last := bs.order.Back()
		if last == nil || bs.order.Len() < bs.set.MaxKeys && !last.Value.(*keyed).idle(now) {
			break
		}
		delete(bs.by, bs.order.Remove(last).(*keyed).key)
	}
	k := &keyed{key, newBucket(bs.set)}
	bs.by[key] = bs.order.PushFront(k)
	return k.bucket
}

// succeed makes buckets out of which is taken what was taken out of the old ones.
func (bs *buckets) succeed(old *buckets) {
	old.mu.Lock()
	defer old.mu.Unlock()
	bs.mu.Lock()
	defer bs.mu.Unlock()
	now := time.Now()
	for e := old.order.Front(); e != nil && bs.order.Len() < bs.set.MaxKeys; e = e.Next() {
		was := e.Value.(*keyed)
		k := &keyed{was.key, newBucket(bs.set)}
		k.owe(now, was.used(now))
		bs.by[k.key] = bs.order.PushBack(k)
	}
}

func (bs *buckets) len() int {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	return len(bs.by)
}
