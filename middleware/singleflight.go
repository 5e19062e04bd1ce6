package middleware

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"sync"

	"golang.org/x/sync/singleflight"

	"github.com/maillon-go/maillon/chain"
)

// Singleflight lets calls with the same key that come while one of them is running share its result, payload and error
// alike: a thousand identical questions at one time are one question to the backend. An empty key means that a call
// is shared with none. Nothing is kept once the shared call has returned; that is a cache's business.
//
// The shared call gets the values of the first caller's context, but not its cancellation: a caller whose context ends
// stops waiting, and the shared call is cancelled when nobody waits for it any more. A panic of what it wraps is an error
// for all who wait.
//
// What the callers share is one payload: with a payload that says who asked, such as those of a session, the key must hold
// all that tells callers apart. For calls of a model contrib/cache is the better one: it shares questions that come at one time as well, and
// knows tenants, streams and who pays. key is called concurrently; nil fails every call.
func Singleflight[P any](key func(ctx context.Context, p P) string) chain.Middleware[P] {
	return func(next chain.Handler[P]) chain.Handler[P] {
		f := &flights[P]{next: next, waiting: map[string]*flight{}}
		return func(ctx context.Context, p P) (P, error) {
			if key == nil {
				var zero P
				return zero, chain.Refuse(errors.New("middleware: Singleflight: nil key"))
			}
			k := key(ctx, p)
			if k == "" {
				return next(ctx, p)
			}
			return f.share(ctx, k, p)
		}
	}
}

// flights are the shared calls of one bound link.
type flights[P any] struct {
	next  chain.Handler[P]
	group singleflight.Group

	mu      sync.Mutex
	waiting map[string]*flight
	begun   uint64
}

// flight is a shared call that somebody waits for.
type flight struct {
	key    string // in the group, of this flight only: who has joined it never waits for another one
	ctx    context.Context
	cancel context.CancelFunc
	count  int
}

// share waits for the shared call of k, and begins it where there is none.
func (f *flights[P]) share(ctx context.Context, k string, p P) (out P, err error) {
	x := f.join(ctx, k)
	defer f.leave(k, x)
	select {
	case res := <-f.group.DoChan(x.key, func() (any, error) { return f.fly(k, x, p) }):
		out, _ = res.Val.(P)
		return out, res.Err
	case <-ctx.Done():
		return out, fmt.Errorf("middleware: waiting for a shared call: %w", context.Cause(ctx))
	}
}

func (f *flights[P]) join(ctx context.Context, k string) *flight {
	f.mu.Lock()
	defer f.mu.Unlock()
	x := f.waiting[k]
	if x == nil {
		f.begun++
		x = &flight{key: strconv.FormatUint(f.begun, 10)}
		x.ctx, x.cancel = context.WithCancel(context.WithoutCancel(ctx))
		f.waiting[k] = x
	}
	x.count++
	return x
}

// leave ends the waiting of one caller. A call that nobody waits for is cancelled, and the next caller begins another one.
func (f *flights[P]) leave(k string, x *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if x.count--; x.count == 0 {
		x.cancel()
		f.over(k, x)
	}
}

// over makes later callers begin a call of their own. mu is held.
func (f *flights[P]) over(k string, x *flight) {
	if f.waiting[k] == x {
		delete(f.waiting, k)
	}
}

// fly makes the call. The group would end the program over a panic and leave its callers waiting after a Goexit, so it
// sees neither.
func (f *flights[P]) fly(k string, x *flight, p P) (out P, err error) {
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.over(k, x)
	}()
	done := make(chan struct{})
	err = errUnfinished
	go func() {
		defer close(done)
		defer func() {
			if v := recover(); v != nil {
				err = &chain.PanicError{Value: v, Stack: debug.Stack()}
			}
		}()
		out, err = f.next(x.ctx, p)
	}()
	<-done
	return out, err
}
