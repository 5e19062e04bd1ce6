package chain

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/sony/gobreaker/v2"
)

var (
	bg         = context.Background()
	errBackend = errors.New("backend down")
	errOwn     = errors.New("the link's own failure")
)

// noContext is a caller's mistake.
var noContext context.Context

// payload is frozen: links return another one.
type payload struct {
	text string
	out  string
	n    int
}

func (p *payload) with(text string) *payload {
	q := *p
	q.text = text
	return &q
}

// Hooks, which are handlers too.

func nop(_ context.Context, p *payload) (*payload, error) { return p, nil }

func add(s string) Handler[*payload] {
	return func(_ context.Context, p *payload) (*payload, error) { return p.with(p.text + s), nil }
}

func fail(err error) Handler[*payload] {
	return func(context.Context, *payload) (*payload, error) { return nil, err }
}

func panics(context.Context, *payload) (*payload, error) { panic("boom") }

func goexits(context.Context, *payload) (*payload, error) { runtime.Goexit(); return nil, nil }

func block(reason string) Handler[*payload] { return fail(Block(reason)) }

// Middlewares.

func passOn(next Handler[*payload]) Handler[*payload] {
	return func(ctx context.Context, p *payload) (*payload, error) { return next(ctx, p) }
}

// answer is a Middleware that runs h and never calls next.
func answer(h Handler[*payload]) Middleware[*payload] {
	return func(Handler[*payload]) Handler[*payload] { return h }
}

// afterNext is a Middleware that calls next once, drops what it returned, and goes on with h.
func afterNext(h Handler[*payload]) Middleware[*payload] {
	return func(next Handler[*payload]) Handler[*payload] {
		return func(ctx context.Context, p *payload) (*payload, error) {
			_, _ = next(ctx, p)
			return h(ctx, p)
		}
	}
}

func ignore(context.Context, Outcome[*payload]) {}

// newChain makes a chain named "t" that is closed at the end of the test.
func newChain(t testing.TB, links ...Link[*payload]) *Chain[*payload] {
	t.Helper()
	return newChainWith(t, Config[*payload]{}, links...)
}

func newChainWith(t testing.TB, cfg Config[*payload], links ...Link[*payload]) *Chain[*payload] {
	t.Helper()
	c := New("t", cfg)
	_, err := c.Use(links...)
	must(t, err)
	t.Cleanup(func() { must(t, c.Close(bg)) })
	return c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eq[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// is checks that errors.Is holds.
func is(t testing.TB, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("got error %v, want %v", err, target)
	}
}

// blamed checks that err is a failure of the named link.
func blamed(t testing.TB, err error, link string) {
	t.Helper()
	var le *LinkError
	if !errors.As(err, &le) || le.Link != link {
		t.Errorf("got error %v, want a failure of link %s", err, link)
	}
}

// blockedBy checks that err is a violation of the named link.
func blockedBy(t testing.TB, err error, link string) Violation {
	t.Helper()
	var v *Violation
	if !errors.As(err, &v) || v.Link != link {
		t.Fatalf("got error %v, want a violation of link %s", err, link)
	}
	return *v
}

// guardOf is the guard of the named link, of the innermost scope that has one.
func guardOf[P any](t testing.TB, c *Chain[P], link string) *guard {
	t.Helper()
	var g *guard
	for _, n := range c.survey().order {
		if n.name == link {
			g = n.g
		}
	}
	if g == nil {
		t.Fatalf("no link %q", link)
	}
	return g
}

// healthyLinks checks that the named links are as if nothing had ever happened to them.
func healthyLinks[P any](t testing.TB, c *Chain[P], links ...string) {
	t.Helper()
	for _, name := range links {
		g := guardOf(t, c, name)
		if s, f, n := g.State(), g.flags.Load(), g.failures.Load(); s != gobreaker.StateClosed || f != 0 || n != 0 {
			t.Errorf("link %s: breaker %v, flags %b, %d failures", name, s, f, n)
		}
	}
}

// apartFrom runs f on a goroutine of its own, where a Goexit ends nothing else, and says whether f came back.
func apartFrom(f func()) (back bool) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
		back = true
	}()
	<-done
	return back
}

// recorder is an observer that keeps every outcome. Not for concurrent calls.
type recorder struct{ seen []Outcome[*payload] }

func (r *recorder) observe(_ context.Context, o Outcome[*payload]) { r.seen = append(r.seen, o) }

// only is the one outcome that was seen.
func (r *recorder) only(t testing.TB) Outcome[*payload] {
	t.Helper()
	if len(r.seen) != 1 {
		t.Fatalf("%d outcomes, want 1: %v", len(r.seen), r.seen)
	}
	return r.seen[0]
}

// numbered makes n Arounds a0, a1, ... of one Middleware.
func numbered(n int, mw Middleware[*payload], opts ...Option) (links []Link[*payload], names []string) {
	for i := range n {
		name := fmt.Sprint("a", i)
		links, names = append(links, Around(name, mw, opts...)), append(names, name)
	}
	return links, names
}

// steps records in which order links run. Safe for concurrent use.
type steps struct {
	mu   sync.Mutex
	list []string
}

func (s *steps) add(step string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, step)
}

func (s *steps) hook(name string) Handler[*payload] {
	return func(_ context.Context, p *payload) (*payload, error) {
		s.add(name)
		return p, nil
	}
}

func (s *steps) around(name string) Middleware[*payload] {
	return func(next Handler[*payload]) Handler[*payload] {
		return func(ctx context.Context, p *payload) (*payload, error) {
			s.add(name + ">")
			defer s.add("<" + name)
			return next(ctx, p)
		}
	}
}

func (s *steps) observer(name string) func(context.Context, Outcome[*payload]) {
	return func(context.Context, Outcome[*payload]) { s.add(name) }
}

// take is what was recorded since the last take.
func (s *steps) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.list = nil }()
	return strings.Join(s.list, " ")
}

// alwaysAsk are a breaker's settings with which every call of the link goes through the breaker.
var alwaysAsk = gobreaker.Settings{ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures > 5 }}
