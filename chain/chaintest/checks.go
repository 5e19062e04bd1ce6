package chaintest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/maillon-go/maillon/chain"
)

const panicBackend = "chaintest: the backend panicked"

var (
	errBackend  = errors.New("chaintest: the backend failed")
	errCanceled = errors.New("chaintest: the caller gave up")
)

// list collects complaints.
type list []string

func (l *list) add(format string, a ...any) { *l = append(*l, fmt.Sprintf(format, a...)) }

func (s *subject[P]) usable() (bad list) {
	c := chain.New[P]("chaintest")
	if _, err := c.Use(s.link); err != nil {
		return list{fmt.Sprintf("a chain refuses it: %v", err)}
	}
	if err := c.Close(context.Background()); err != nil {
		bad.add("closing its chain: %v", err)
	}
	if s.isAround() && s.link.Middleware()(echo[P]) == nil {
		return list{"the middleware returned a nil handler"}
	}
	r := s.call(context.Background(), s.payload(), echo[P])
	if f := r.fault(); f != "" {
		bad.add("with a healthy next it %s", f)
	} else if r.err != nil {
		bad.add("with a healthy next it failed: %v; give a chaintest.Payload that it lets through", r.err)
	}
	return bad
}

func (s *subject[P]) nextCount() (bad list) {
	count := func(what string, cancelled bool, next chain.Handler[P]) {
		ctx, cancel := context.WithCancelCause(context.Background())
		defer cancel(nil)
		if cancelled {
			cancel(errCanceled)
		}
		var n atomic.Int64
		r := s.call(ctx, s.payload(), func(ctx context.Context, p P) (P, error) {
			n.Add(1)
			return next(ctx, p)
		})
		if r.hung {
			bad.add("did not return within %v from a call whose next %s", s.patience, what)
		}
		if n := n.Load(); n > int64(s.maxNext) {
			bad.add("next was called %d times in a call whose next %s; %d allowed (MaxNext)", n, what, s.maxNext)
		}
	}
	count("succeeds", false, echo[P])
	count("fails", false, failing[P])
	count("sees a cancelled context", true, func(ctx context.Context, p P) (P, error) { return p, ctx.Err() })
	return bad
}

func failing[P any](context.Context, P) (zero P, _ error) { return zero, errBackend }

type valueKey struct{}

// How soon a cancelled call must return, and how many may be late: on a busy machine a good link is late too, but not again
// and again, while one that sleeps is late every time.
const (
	prompt = 200 * time.Millisecond
	tries  = 3
)

func (s *subject[P]) context() (bad list) {
	s.promptly(&bad, "called with a cancelled context", s.cancelBefore)
	s.promptly(&bad, "when its call was cancelled while next was running", s.cancelDuringNext)
	s.promptly(&bad, "when its call was cancelled after next had failed", s.cancelAfterFailure)
	return bad
}

// promptly makes cancelled calls until one is not late. cancelled adds what else it finds wrong, and says how long the link
// took to return from the moment of the cancellation.
func (s *subject[P]) promptly(bad *list, when string, cancelled func(*list) time.Duration) {
	var took time.Duration
	for range tries {
		before := len(*bad)
		took = cancelled(bad)
		if took <= prompt || len(*bad) > before || s.link.Observer() != nil { // an observer's context is never cancelled
			return
		}
	}
	bad.add("%s it returned only after %v: a link that waits also waits for its context", when, took.Round(time.Millisecond))
}

// cancelBefore calls the link with a context that is done already. Only time is checked: whether to call next at all is
// the link's choice.
func (s *subject[P]) cancelBefore(bad *list) time.Duration {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errCanceled)
	start := time.Now()
	if f := s.call(ctx, s.payload(), echo[P]).fault(); f != "" {
		bad.add("called with a cancelled context it %s (within %v)", f, s.patience)
	}
	return time.Since(start)
}

// cancelDuringNext cancels a call while next is blocked. A link that answers without next passes.
func (s *subject[P]) cancelDuringNext(bad *list) time.Duration {
	release, entered, reached := make(chan struct{}), make(chan any, 1), make(chan struct{}, 1)
	free := sync.OnceFunc(func() { close(release) })
	defer free()
	ctx, cancel := context.WithCancelCause(context.WithValue(context.Background(), valueKey{}, true))
	defer cancel(nil)
	done := call(ctx, s.leashed(func(ctx context.Context, _ P) (zero P, _ error) {
		offer(entered, ctx.Value(valueKey{}))
		select {
		case <-ctx.Done():
			offer(reached, struct{}{})
			return zero, context.Cause(ctx)
		case <-release:
			return zero, errBackend
		}
	}), s.payload())

	hung := time.NewTimer(s.patience)
	defer hung.Stop()
	select {
	case <-done:
		return 0
	case <-hung.C:
		bad.add("neither called next nor returned within %v", s.patience)
		return 0
	case value := <-entered:
		if value == nil {
			bad.add("the context that next got does not carry the values of the caller's")
		}
	}
	start := time.Now()
	cancel(errCanceled)
	if _, ok := wait(reached, s.patience); !ok {
		bad.add("the context that next got was not cancelled within %v after the caller's was", s.patience)
	}
	free()
	if _, ok := wait(done, s.patience); !ok {
		bad.add("did not return within %v after its call was cancelled and next had returned", s.patience)
	}
	return time.Since(start)
}

// cancelAfterFailure cancels a call a moment after next failed, when a retry waits for its next attempt.
func (s *subject[P]) cancelAfterFailure(bad *list) time.Duration {
	failed := make(chan struct{}, 1)
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	done := call(ctx, s.leashed(func(context.Context, P) (zero P, _ error) {
		offer(failed, struct{}{})
		return zero, errBackend
	}), s.payload())
	hung := time.NewTimer(s.patience)
	defer hung.Stop()
	select {
	case <-done: // it answers without next, or gives up at once
		return 0
	case <-hung.C:
	case <-failed:
		moment := time.NewTimer(5 * time.Millisecond)
		defer moment.Stop()
		<-moment.C
	}
	start := time.Now()
	cancel(errCanceled)
	if _, ok := wait(done, s.patience); !ok {
		bad.add("did not return within %v after its call was cancelled; next had failed before", s.patience)
	}
	return time.Since(start)
}

// offer sends v if there is room for it.
func offer[T any](ch chan<- T, v T) {
	select {
	case ch <- v:
	default:
	}
}

func (s *subject[P]) inPlace() (bad list) {
	in, result := s.payload(), s.payload()
	beforeIn, beforeResult := snapshot(in), snapshot(result)
	for what, next := range map[string]chain.Handler[P]{
		"succeeded": func(context.Context, P) (P, error) { return result, nil },
		"failed":    failing[P],
	} {
		s.call(context.Background(), in, next)
		if change := beforeIn.change(snapshot(in)); change != "" {
			bad.add("changed its payload in place in a call whose next %s: %s; a link returns a changed copy", what, change)
		}
		if change := beforeResult.change(snapshot(result)); change != "" {
			bad.add("changed next's result in place: %s; a link returns a changed copy", change)
		}
	}
	return bad
}

func (s *subject[P]) errors() (bad list) {
	asked := false
	r := s.call(context.Background(), s.payload(), func(context.Context, P) (zero P, _ error) {
		asked = true
		return zero, errBackend
	})
	switch f := r.fault(); {
	case f != "":
		bad.add("after a next that failed it %s", f)
	case asked && !errors.Is(r.err, errBackend):
		bad.add("next failed, but the caller got %v: wrap with %%w, or run with chaintest.Translates", r.err)
	}
	return bad
}

func (s *subject[P]) recovery() (bad list) {
	for what, next := range map[string]chain.Handler[P]{
		"panicked":              Hook[P](Panic(panicBackend)),
		"called runtime.Goexit": Hook[P](Goexit()),
	} {
		switch r := s.call(context.Background(), s.payload(), next); {
		case r.hung:
			bad.add("did not return within %v from a next that %s", s.patience, what)
		case r.panicked != nil && r.panicked != any(panicBackend):
			bad.add("when next %s, it panicked itself: %v", what, r.panicked)
		}
		if f := s.call(context.Background(), s.payload(), echo[P]).fault(); f != "" {
			bad.add("once next had %s, the following call %s (within %v): release locks with defer", what, f, s.patience)
		}
	}
	return bad
}

func (s *subject[P]) goroutines() (bad list) {
	if err := goleak.Find(s.running); err != nil {
		bad.add("left goroutines behind: %v", err)
	}
	return bad
}

func (s *subject[P]) allocs() (bad list) {
	h, ctx, p := s.around(echo[P]), context.Background(), s.payload()
	n := testing.AllocsPerRun(100, func() { _, _ = h(ctx, p) })
	if n > float64(s.maxAllocs) {
		bad.add("%v allocations per call, %d allowed (MaxAllocs)", n, s.maxAllocs)
	}
	return bad
}
