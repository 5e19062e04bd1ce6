package chaintest

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"sync/atomic"
	"time"

	"go.uber.org/goleak"

	"github.com/maillon-go/maillon/chain"
)

// subject is the link under test.
type subject[P any] struct {
	config
	link    chain.Link[P]
	payload func() P
	running goleak.Option // goroutines that ran before
}

func newSubject[P any](link chain.Link[P], cfg config) (*subject[P], error) {
	s := &subject[P]{config: cfg, link: link, running: goleak.IgnoreCurrent()}
	t := reflect.TypeFor[P]()
	switch f := cfg.payload.(type) {
	case func() P:
		s.payload = f
	case nil:
		switch t.Kind() {
		case reflect.Pointer:
			s.payload = func() P { return reflect.New(t.Elem()).Interface().(P) }
		case reflect.Interface, reflect.Map, reflect.Slice, reflect.Func, reflect.Chan:
			return nil, fmt.Errorf("chaintest: a %v has no useful zero value: say with chaintest.Payload what to send through link %q", t, link.Name())
		default:
			s.payload = func() (zero P) { return zero }
		}
	default:
		return nil, fmt.Errorf("chaintest: Payload is a %T, but link %q is for %v", cfg.payload, link.Name(), t)
	}
	if s.payload == nil {
		return nil, fmt.Errorf("chaintest: Payload of link %q is nil", link.Name())
	}
	if s.maxNext < 0 || s.patience <= 0 {
		return nil, fmt.Errorf("chaintest: link %q: MaxNext(%d) or Patience(%v) makes no sense", link.Name(), s.maxNext, s.patience)
	}
	return s, nil
}

// isAround says that the link can meddle with next.
func (s *subject[P]) isAround() bool { return s.link.Middleware() != nil }

// around binds the link to next as a chain would. Hooks and observers run before or after it.
func (s *subject[P]) around(next chain.Handler[P]) chain.Handler[P] {
	hook, observer := s.link.Hook(), s.link.Observer()
	switch {
	case s.isAround():
		return s.link.Middleware()(next)
	case observer != nil:
		return func(ctx context.Context, p P) (P, error) {
			out, err := next(ctx, p)
			seen := chain.Outcome[P]{Payload: p, Err: err, Answered: true}
			if err == nil {
				seen.Payload = out
			} else {
				seen.Verdict = chain.Failed
			}
			observer(context.WithoutCancel(ctx), seen)
			return out, err
		}
	case s.link.Kind() == chain.KindAfter:
		return func(ctx context.Context, p P) (P, error) {
			out, err := next(ctx, p)
			if err != nil {
				return out, err
			}
			return hook(ctx, out)
		}
	}
	return func(ctx context.Context, p P) (P, error) {
		p, err := hook(ctx, p)
		if err != nil || isNil(p) {
			return p, err
		}
		return next(ctx, p)
	}
}

// runaway is how many calls of next beyond MaxNext a link may make before its call is ended, so that a link that never stops does not hold up the suite.
const runaway = 100

// leashed is around, for one call.
func (s *subject[P]) leashed(next chain.Handler[P]) chain.Handler[P] {
	var calls atomic.Int64
	return s.around(func(ctx context.Context, p P) (P, error) {
		if calls.Add(1) > int64(s.maxNext)+runaway {
			runtime.Goexit()
		}
		return next(ctx, p)
	})
}

// result is how a call ended.
type result[P any] struct {
	out      P
	err      error
	panicked any  // the panic's value
	exited   bool // runtime.Goexit
	hung     bool // it has not ended
}

// fault says what is wrong with the result of a call whose next neither panics nor exits.
func (r result[P]) fault() string {
	switch {
	case r.panicked != nil:
		return fmt.Sprintf("panicked: %v", r.panicked)
	case r.exited:
		return "called runtime.Goexit"
	case r.hung:
		return "did not return"
	case r.err == nil && isNil(r.out):
		return "returned neither a payload nor an error"
	}
	return ""
}

// call runs h on a goroutine of its own.
func call[P any](ctx context.Context, h chain.Handler[P], p P) <-chan result[P] {
	done := make(chan result[P], 1)
	go func() {
		r := result[P]{exited: true}
		defer func() {
			if v := recover(); v != nil {
				r.exited, r.panicked = false, v
			}
			done <- r
		}()
		r.out, r.err = h(ctx, p)
		r.exited = false
	}()
	return done
}

// wait receives from ch, but not for longer than the patience.
func wait[T any](ch <-chan T, patience time.Duration) (v T, ok bool) {
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case v = <-ch:
		return v, true
	case <-t.C:
		return v, false
	}
}

// call runs the link around next, for at most the patience; then the context is cancelled, and the goroutine left alone.
func (s *subject[P]) call(ctx context.Context, p P, next chain.Handler[P]) result[P] {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, ok := wait(call(ctx, s.leashed(next), p), s.patience)
	r.hung = !ok
	return r
}

func echo[P any](_ context.Context, p P) (P, error) { return p, nil }

func isNil(v any) bool {
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Func, reflect.Chan, reflect.Interface:
		return r.IsNil()
	default:
		return false
	}
}
