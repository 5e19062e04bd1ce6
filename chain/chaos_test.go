package chain

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sony/gobreaker/v2"
	"go.uber.org/goleak"
)

// TestChaos lets 64 goroutines call chains whose links do all the harm they can, while the links are reloaded, removed,
// replaced and put into scopes. The process lives, every call is observed exactly once, with the error that its caller
// got, every background job is accounted for, no goroutine is left, and when the harm ends every breaker closes again.
func TestChaos(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	d := 30 * time.Second
	if testing.Short() {
		d = 3 * time.Second
	}
	ctx, cancel := context.WithTimeout(bg, d)
	defer cancel()
	chains := []*chaos{
		newChaos("plain", Config[*payload]{Dispatcher: NewDispatcher(DispatcherConfig{Workers: 2, Queue: 64, Overflow: DropNewest})}),
		newChaos("full", Config[*payload]{
			Dispatcher: NewDispatcher(DispatcherConfig{Workers: 2, Queue: 16, Overflow: BlockWhenFull}),
			Policy:     Policy[*payload]{Rewrite: chaosPolicy},
			Tracer:     chaosTracer{},
		}),
	}
	var wg sync.WaitGroup
	for _, c := range chains {
		_, err := c.chain.Use(c.observers()...)
		must(t, err)
		must(t, c.chain.Reload(c.links("")...))
		for i := range 32 {
			wg.Go(func() { c.call(ctx, t, i) })
		}
		wg.Go(func() { c.change(ctx, t) })
	}
	wg.Wait()
	for _, c := range chains {
		c.left.Wait()
		c.calm.Store(true)
		c.recovers(t)
		must(t, c.chain.Close(bg))
		calls, outcomes := c.calls.Load(), c.outcomes.Load()
		s := c.chain.cfg.Dispatcher.Stats()
		t.Logf("%s: %d calls (%d ended by Goexit, %d through scopes), %d outcomes, %d changes; background: %+v", c.chain.Name(), calls,
			c.goexits.Load(), c.scoped.Load(), outcomes, c.changes.Load(), s)
		eq(t, "outcomes", outcomes, calls)
		eq(t, "background jobs done or dropped", s.Done+s.Dropped, s.Queued)
		eq(t, "background jobs left", s.Waiting+s.Running, 0)
		if calls == 0 || c.goexits.Load() == 0 || c.scoped.Load() == 0 || c.changes.Load() == 0 || s.Done == 0 {
			t.Errorf("%s: not much of a chaos", c.chain.Name())
		}
	}
}

// chaos is one chain and what happened to it.
type chaos struct {
	chain *Chain[*payload]
	bound Handler[*payload]
	calm  atomic.Bool
	left  sync.WaitGroup // goroutines that links left behind

	calls, outcomes, goexits, scoped, changes atomic.Int64
}

// chaosCall travels in a call's context.
type chaosCall struct {
	seen atomic.Int32
	err  error
}

type chaosKey struct{}

func newChaos(name string, cfg Config[*payload]) *chaos {
	c := &chaos{chain: New(name, cfg)}
	c.bound = c.chain.Then(c.wild)
	return c
}

func chaosPolicy(_ Position, old, proposed *payload) (*payload, []string) {
	switch rand.IntN(100) {
	case 0:
		panic("policy")
	case 1, 2:
		return old, []string{"text"}
	case 3:
		return nil, nil
	}
	return proposed, nil
}

type chaosTracer struct{}

func (chaosTracer) Sample(context.Context) bool {
	chaosPanic()
	return rand.IntN(4) == 0
}

func (chaosTracer) LinkStart(ctx context.Context, _ Traced) context.Context {
	chaosPanic()
	return ctx
}

func (chaosTracer) LinkEnd(context.Context, Traced, error) { chaosPanic() }

func chaosPanic() {
	if rand.IntN(200) == 0 {
		panic("tracer")
	}
}

// pause waits, but not for longer than the call, where the call can end.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// wild is a hook and a handler.
func (c *chaos) wild(ctx context.Context, p *payload) (*payload, error) {
	if c.calm.Load() {
		return p, nil
	}
	switch rand.IntN(60) {
	case 0, 1:
		panic("chaos")
	case 2:
		runtime.Goexit()
	case 3, 4:
		return nil, Block("chaos", Code("chaos"))
	case 5, 6:
		return p, errOwn
	case 7:
		return nil, nil //nolint:nilnil // a failure of the link
	case 8:
		pause(ctx, time.Millisecond)
	case 9:
		pause(bg, 5*time.Millisecond) // hangs, whatever its context says
	case 10, 11, 12:
		return p.with("rewritten"), nil
	case 13:
		var v *Violation
		return p, v // the typed-nil trap
	case 14:
		panic(fmt.Errorf("wrapped: %w", errOwn))
	}
	return p, nil
}

// wildAround does with next what it should not.
func (c *chaos) wildAround(next Handler[*payload]) Handler[*payload] {
	return func(ctx context.Context, p *payload) (*payload, error) {
		if q, err := c.wild(ctx, p); err != nil || q == nil {
			return q, err
		}
		if c.calm.Load() {
			return next(ctx, p)
		}
		switch rand.IntN(16) {
		case 0:
			return p, nil // answers itself
		case 1: // retries, the second time without the context
			_, _ = next(ctx, p)
			return next(bg, p)
		case 2: // hedges, and leaves the loser behind
			c.left.Go(func() { _, _ = next(ctx, p) })
		case 3: // calls next when everything is over
			c.left.Go(func() {
				pause(bg, time.Millisecond)
				_, _ = next(ctx, p)
			})
			return p, errOwn
		case 4:
			ctx = context.WithValue(ctx, chaosKey{}, ctx.Value(chaosKey{}))
		case 5:
			ctx = context.WithoutCancel(ctx)
		case 6:
			short, cancel := context.WithTimeout(ctx, time.Millisecond)
			defer cancel()
			ctx = short
		case 7:
			return next(ctx, nil)
		}
		r, err := next(ctx, p)
		if err == nil {
			return c.wild(ctx, r)
		}
		return r, err
	}
}

func (c *chaos) wildObserver(ctx context.Context, o Outcome[*payload]) {
	_, _ = c.wild(ctx, o.Payload)
}

// observers count; one of them stands behind others that fail.
func (c *chaos) observers() []Link[*payload] {
	return []Link[*payload]{
		Observe("count", func(ctx context.Context, o Outcome[*payload]) {
			c.outcomes.Add(1)
			call, ok := ctx.Value(chaosKey{}).(*chaosCall)
			if !ok || o.Payload == nil || (o.Err == nil) != (o.Verdict == Allowed) {
				panic(fmt.Sprintf("a strange outcome: %+v", o)) // counts as a failure of this link
			}
			call.err = o.Err
			call.seen.Add(1)
		}, Priority(60), Timed()),
	}
}

// links are of every kind and mode; their names begin with prefix.
func (c *chaos) links(prefix string) []Link[*payload] {
	st := Breaker(gobreaker.Settings{Timeout: 5 * time.Millisecond, MaxRequests: 2})
	rule := Breaker(gobreaker.Settings{Timeout: 5 * time.Millisecond, Interval: 20 * time.Millisecond, ReadyToTrip: func(n gobreaker.Counts) bool {
		return n.Requests > 10 && n.TotalFailures*2 > n.Requests
	}})
	var links []Link[*payload]
	name := func(kind string, i int) string { return fmt.Sprint(prefix, kind, i) }
	for i, o := range [][]Option{
		{},
		{OnFailure(Ignore)},
		{OnFailure(Disable)},
		{rule},
		{InMode(Audit)},
		{InMode(Transform)},
		{InMode(Transform), OnFailure(Fail)},
		{InMode(Concurrent)},
		{InMode(Concurrent), OnFailure(Ignore)},
		{InMode(Concurrent), Timeout(time.Millisecond)},
		{InMode(FireAndForget)},
		{InMode(FireAndForget), Timeout(time.Millisecond)},
		{Timeout(2 * time.Millisecond), OnFailure(Ignore)},
		{Counted()},
		{InMode(Disabled)},
	} {
		links = append(links, Before(name("before", i), c.wild, append([]Option{st}, o...)...))
		if i%2 == 0 {
			links = append(links, After(name("after", i), c.wild, append([]Option{st}, o...)...))
		}
	}
	for i, o := range [][]Option{{}, {OnFailure(Ignore)}, {OnFailure(Disable)}, {rule}, {InMode(Audit)}, {Outer()}, {Outer(), OnFailure(Ignore)}} {
		links = append(links, Around(name("around", i), c.wildAround, append([]Option{st}, o...)...))
	}
	for i, o := range [][]Option{{}, {InMode(FireAndForget)}, {Timeout(time.Millisecond)}} {
		links = append(links, Observe(name("observe", i), c.wildObserver, append([]Option{st}, o...)...),
			OnError(name("error", i), c.wildObserver, append([]Option{st}, o...)...))
	}
	return links
}

// call calls until ctx ends, now and then through a scope of its own or with a context that ends early.
func (c *chaos) call(ctx context.Context, t *testing.T, worker int) {
	t.Helper()
	for n := 0; ctx.Err() == nil; n++ {
		bound := c.bound
		if n%8 == worker%8 {
			scope, err := c.chain.Scope(c.links("own-")[rand.IntN(8):]...)
			if err != nil {
				t.Error(err)
				return
			}
			bound = scope.Then(c.wild)
			c.scoped.Add(1)
		}
		call := &chaosCall{}
		enough := time.Minute
		if n%16 == 0 {
			enough = time.Duration(rand.IntN(1000)) * time.Microsecond
		}
		cctx, cancel := context.WithTimeout(context.WithValue(bg, chaosKey{}, call), enough)
		c.calls.Add(1)
		var err error
		back := apartFrom(func() { _, err = bound(cctx, &payload{}) })
		cancel()
		if !back {
			c.goexits.Add(1)
		}
		if seen := call.seen.Load(); seen != 1 || back && err != call.err {
			t.Errorf("a call (came back: %v) with error %v was observed %d times, with error %v", back, err, seen, call.err)
			return
		}
	}
}

// change changes the links until ctx ends.
func (c *chaos) change(ctx context.Context, t *testing.T) {
	t.Helper()
	extra, err := c.chain.Use(Before("extra", c.wild))
	if err != nil {
		t.Error(err)
		return
	}
	for i := 0; ctx.Err() == nil; i++ {
		switch i % 6 {
		case 0:
			err = c.chain.Reload(c.links("")...)
		case 1:
			err = c.chain.Reload(c.links("")[i%7:]...)
		case 2:
			err = extra.Replace(Around("extra", c.wildAround, Outer()), Before("more", c.wild))
		case 3:
			extra.Remove()
		case 4:
			extra, err = c.chain.Use(Before("extra", c.wild, OnFailure(Ignore)), After("more", c.wild))
		case 5:
			c.chain.Enable("before2")
			c.chain.Enable("around2")
		}
		if err != nil {
			t.Error(err)
			return
		}
		c.changes.Add(1)
		pause(ctx, time.Millisecond)
	}
}

// recovers calls until every breaker is closed.
func (c *chaos) recovers(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(bg, 10*time.Second)
	defer cancel()
	for {
		c.calls.Add(1)
		_, err := c.bound(context.WithValue(bg, chaosKey{}, &chaosCall{}), &payload{})
		var stuck []string
		for _, l := range c.chain.Stats().Links {
			c.chain.Enable(l.Link)
			runs := l.Link[:2] != "er" && l.Link != "before14" && l.Link != "after14" // an OnError has nothing to do
			if l.State != "closed" && runs || l.Running > 0 {
				stuck = append(stuck, fmt.Sprintf("%s: %s, %d running", l.Link, l.State, l.Running))
			}
		}
		switch {
		case err == nil && len(stuck) == 0:
			return
		case ctx.Err() != nil:
			t.Errorf("%s: no rest: error %v, %v", c.chain.Name(), err, stuck)
			return
		}
		pause(ctx, time.Millisecond)
	}
}
