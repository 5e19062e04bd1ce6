package ratelimit

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"
)

// What is limited.
const (
	requests = iota
	tokens
	limits // how many there are
)

var limitNames = [limits]string{"requests", "tokens"}

// amounts are how much of each.
type amounts [limits]int

// bucket is the limit of one key. Who has to wait stands in line for turn, and the first in line waits for the limiters.
type bucket struct {
	turn    *semaphore.Weighted // first come, first served
	changed chan struct{}       // the one whose turn it is looks again

	mu       sync.Mutex
	limiters [limits]*rate.Limiter // nil: no limit
	pending  amounts               // of those who wait
}

func newBucket(s Settings) *bucket {
	limiter := func(n, burst int) *rate.Limiter {
		if n == 0 {
			return nil
		}
		return rate.NewLimiter(rate.Limit(float64(n)/s.Window.Seconds()), burst)
	}
	return &bucket{
		turn: semaphore.NewWeighted(1), changed: make(chan struct{}, 1),
		limiters: [limits]*rate.Limiter{limiter(s.Requests, s.RequestBurst), limiter(s.Tokens, s.TokenBurst)},
	}
}

// take uses up n, at once or, if that is no longer than maxWait and before ctx's deadline, later. waited says that it was not
// at once.
func (b *bucket) take(ctx context.Context, n amounts, maxWait time.Duration) (waited bool, err error) {
	b.mu.Lock()
	begun := time.Now() // not earlier: a limiter must not go back in time
	until := begun.Add(maxWait)
	if d, ok := ctx.Deadline(); ok && d.Before(until) {
		until = d
	}
	after, err := b.delay(begun, n, b.pending)
	switch {
	case err != nil:
	case after.wait == 0:
		b.use(begun, n)
		b.mu.Unlock()
		return false, nil
	case begun.Add(after.wait).After(until):
		err = after.refusal()
	default:
		b.pending.add(n, 1)
	}
	b.mu.Unlock()
	if err != nil {
		return false, err
	}
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.pending.add(n, -1)
	}()
	if err := b.turn.Acquire(ctx, 1); err != nil {
		return true, gone(ctx)
	}
	defer b.turn.Release(1)
	return true, b.wait(ctx, n, until)
}

// wait is for the one whose turn it is.
func (b *bucket) wait(ctx context.Context, n amounts, until time.Time) error {
	for {
		b.mu.Lock()
		now := time.Now()
		after, err := b.delay(now, n, amounts{})
		switch {
		case err != nil:
		case after.wait == 0:
			b.use(now, n)
		case now.Add(after.wait).After(until): // others took more than they had said
			err = after.refusal()
		}
		b.mu.Unlock()
		if err != nil || after.wait == 0 {
			return err
		}
		timer := time.NewTimer(after.wait)
		select {
		case <-timer.C:
		case <-b.changed:
		case <-ctx.Done():
			timer.Stop()
			return gone(ctx)
		}
		timer.Stop()
	}
}

func gone(ctx context.Context) error { return fmt.Errorf("ratelimit: %w", context.Cause(ctx)) }

// turnIn is how long it takes until there is enough, and what there is too little of.
type turnIn struct {
	wait  time.Duration
	limit int
}

func (t turnIn) refusal() error { return &Error{Limit: limitNames[t.limit], RetryAfter: t.wait} }

// delay is for n behind those who wait already. b.mu is held.
func (b *bucket) delay(now time.Time, n, ahead amounts) (t turnIn, err error) {
	for i, l := range b.limiters {
		if l == nil || n[i] <= 0 {
			continue
		}
		if n[i] > l.Burst() {
			return t, turnIn{limit: i}.refusal()
		}
		if lack := float64(ahead[i]+n[i]) - l.TokensAt(now); lack > 0 {
			seconds := lack / float64(l.Limit())
			if wait := time.Duration(math.Ceil(min(seconds*1e9, math.MaxInt64/2))); wait > t.wait {
				t = turnIn{max(wait, time.Nanosecond), i}
			}
		}
	}
	return t, nil
}

// use takes n out, or puts back what is below 0. What is not there becomes a debt, so that later calls wait for it. b.mu is
// held.
func (b *bucket) use(now time.Time, n amounts) {
	for i, l := range b.limiters {
		if l == nil || n[i] == 0 {
			continue
		}
		burst := l.Burst()
		l.SetBurstAt(now, max(n[i], burst)) // no more than the burst can be taken out, or put in
		l.ReserveN(now, n[i])
		l.SetBurstAt(now, burst)
	}
}

// correct makes good what was taken too much, or too little.
func (b *bucket) correct(n amounts) {
	b.mu.Lock()
	b.use(time.Now(), n)
	b.mu.Unlock()
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

// used is what is not there of each burst.
func (b *bucket) used(now time.Time) (n amounts) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, l := range b.limiters {
		if l != nil {
			n[i] = int(math.Ceil(float64(l.Burst()) - l.TokensAt(now)))
		}
	}
	return n
}

// owe takes n out of a bucket that nobody has yet, but no more than there is.
func (b *bucket) owe(now time.Time, n amounts) {
	for i, l := range b.limiters {
		if l != nil {
			n[i] = min(n[i], l.Burst())
		}
	}
	b.use(now, n)
}

// idle says that the bucket is as good as a new one.
func (b *bucket) idle(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, l := range b.limiters {
		if l != nil && (b.pending[i] > 0 || l.TokensAt(now) < float64(l.Burst())) {
			return false
		}
	}
	return true
}

func (a *amounts) add(n amounts, sign int) {
	for i := range a {
		a[i] += sign * n[i]
	}
}
