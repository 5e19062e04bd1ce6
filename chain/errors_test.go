package chain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestViolation(t *testing.T) {
	details := map[string]any{"limit": 10, "got": 12}
	full := Block("too long", Code("length"), Description("Please write less."), Details(details), InSeverity(SeverityWarning))
	details["limit"] = 99 // behaviour 2: what the block holds is its own
	c := newChain(t, Before("limit", fail(full)))
	_, err := c.Then(nop)(bg, &payload{})
	v := blockedBy(t, err, "limit")
	for _, part := range []struct{ what, got, want string }{
		{"chain", v.Chain, "t"},
		{"code", v.Code, "length"},
		{"reason", v.Reason, "too long"},
		{"description", v.Description, "Please write less."},
		{"details", fmt.Sprint(v.Details), "map[got:12 limit:10]"},
		{"severity", v.Severity.String(), "warning"},
		{"text", err.Error(), "t/limit: blocked [length] (warning): too long: Please write less.; got=12, limit=10"},
	} {
		eq(t, "behaviour 2: "+part.what, part.got, part.want)
	}

	// behaviour 2: the description defaults to the reason
	c = newChain(t, Before("x", block("just no")))
	_, err = c.Then(nop)(bg, &payload{})
	v = blockedBy(t, err, "x")
	eq(t, "description", v.Description, "just no")
	eq(t, "severity", v.Severity, SeverityError)
	eq(t, "text", err.Error(), "t/x: blocked (error): just no")
}

func TestViolationIsStampedOnACopy(t *testing.T) {
	shared := Block("no") // a link may hand out one value for ever
	var own *Violation
	if !errors.As(shared, &own) {
		t.Fatal("a block is no *Violation")
	}
	a, b := newChain(t, Before("a", fail(shared))), newChain(t, Before("b", fail(fmt.Errorf("wrapped: %w", shared))))
	_, errA := a.Then(nop)(bg, &payload{})
	_, errB := b.Then(nop)(bg, &payload{})
	blockedBy(t, errA, "a")
	blockedBy(t, errB, "b")
	is(t, errA, shared)
	is(t, errB, shared)
	eq(t, "link of the shared value", own.Link, "")
}

// Links that hand out the same value are each named, at the same time too.
func TestViolationSharedByLinks(t *testing.T) {
	shared := Block("no")
	var all sync.WaitGroup
	for _, name := range []string{"a", "b"} {
		c := newChain(t, Before(name, fail(shared)), Around("around", passOn, Outer()))
		scope, err := c.Scope()
		must(t, err)
		for _, call := range []Handler[*payload]{c.Then(nop), scope.Then(nop)} {
			all.Go(func() {
				for range 200 {
					_, err := call(bg, &payload{})
					blockedBy(t, err, name)
				}
			})
		}
	}
	all.Wait()
}

func TestNestedViolation(t *testing.T) {
	inner := New[*payload]("inner")
	_, err := inner.Use(Before("deep", block("no")))
	must(t, err)
	call := inner.Then(nop)

	t.Run("of the handler: stays whose it was", func(t *testing.T) {
		var r recorder
		c := newChain(t, Around("a", passOn), Observe("r", r.observe))
		_, err := c.Then(call)(bg, &payload{})
		eq(t, "chain", blockedBy(t, err, "deep").Chain, "inner")
		o := r.only(t)
		eq(t, "verdict", o.Verdict, Blocked)
		eq(t, "link", o.Link, "")
		healthyLinks(t, c, "a")
	})
	t.Run("returned by a hook: the hook's own block, with the inner one as its cause", func(t *testing.T) {
		c := newChain(t, Before("outer", call))
		_, err := c.Then(nop)(bg, &payload{})
		v := blockedBy(t, err, "outer")
		var cause *Violation
		if !errors.As(v.Unwrap(), &cause) || cause.Link != "deep" {
			t.Errorf("cause: %v", v.Unwrap())
		}
	})
}

func TestTypedNilViolationIsAFailure(t *testing.T) {
	var none *Violation
	c := newChain(t, Before("x", fail(none)))
	_, err := c.Then(nop)(bg, &payload{})
	blamed(t, err, "x")
	if err.Error() == "" || none.Unwrap() != nil {
		t.Error("a nil *Violation is unusable")
	}
}

func TestErrorPolicy(t *testing.T) {
	nilResult := func(context.Context, *payload) (*payload, error) { return nil, nil }
	beside := func(_ context.Context, p *payload) (*payload, error) { return p.with("beside"), errOwn }
	for _, tc := range []struct {
		name string
		hook Handler[*payload]
		want error
	}{
		{"behaviour 5: plain error", fail(errOwn), errOwn},
		{"behaviour 5: wrapped error", fail(fmt.Errorf("wrapped: %w", io.EOF)), io.EOF},
		{"behaviour 5: nil payload beside a nil error", nilResult, ErrNilPayload},
		{"behaviour 5: payload beside an error", beside, errOwn},
	} {
		for _, kind := range []string{"before", "after", "around"} {
			link := func(opts ...Option) Link[*payload] {
				switch kind {
				case "before":
					return Before("x", tc.hook, opts...)
				case "after":
					return After("x", tc.hook, opts...)
				}
				return Around("x", answer(tc.hook), opts...)
			}
			t.Run(tc.name+", "+kind+", closed", func(t *testing.T) {
				c := newChain(t, link())
				out, err := c.Then(nop)(bg, &payload{text: "in"})
				blamed(t, err, "x")
				is(t, err, tc.want)
				if out != nil {
					t.Errorf("payload beside the error: %v", out)
				}
				eq(t, "failures", guardOf(t, c, "x").failures.Load(), 1)
			})
			t.Run(tc.name+", "+kind+", open", func(t *testing.T) {
				c := newChain(t, link(OnFailure(Ignore)))
				in := &payload{text: "in"}
				out, err := c.Then(nop)(bg, in)
				must(t, err)
				eq(t, "payload", out, in)
				s, _ := c.Stats().Link("x")
				eq(t, "failures, ignored", [2]int64{s.Failures, s.Ignored}, [2]int64{1, 1})
			})
		}
	}
}

func TestErrorTexts(t *testing.T) {
	le := &LinkError{Chain: "c", Link: "l", Err: io.EOF}
	eq(t, "LinkError", le.Error(), "c/l: EOF")
	eq(t, "PanicError", (&PanicError{Value: io.EOF}).Error(), "panic: EOF")
	is(t, &PanicError{Value: io.EOF}, io.EOF)
	if (&PanicError{Value: "text"}).Unwrap() != nil {
		t.Error("a panic's text became an error")
	}
}

// hostile is an error all of whose methods panic.
type hostile struct{}

func (hostile) Error() string { panic("Error") }
func (hostile) Is(error) bool { panic("Is") }
func (hostile) As(any) bool   { panic("As") }
func (hostile) Unwrap() error { panic("Unwrap") }

func TestHostileErrors(t *testing.T) {
	bad := error(hostile{})
	core, _ := observer.New(zap.DebugLevel)
	for _, tc := range []struct {
		name string
		link Link[*payload]
		ok   bool // the call succeeds
	}{
		{"hook", Before("x", fail(bad)), false},
		{"hook, open", Before("x", fail(bad), OnFailure(Ignore)), true},
		{"hook in Transform", Before("x", fail(bad), InMode(Transform)), true},
		{"hook, timed", Before("x", fail(bad), Timeout(1<<40)), false},
		{"concurrent hook", Before("x", fail(bad), InMode(Concurrent)), false},
		{"background hook", Before("x", fail(bad), InMode(FireAndForget)), true},
		{"panic with it", Before("x", func(context.Context, *payload) (*payload, error) { panic(bad) }), false},
		{"panic with it, open", Before("x", func(context.Context, *payload) (*payload, error) { panic(bad) }, OnFailure(Ignore)), true},
		{"After", After("x", fail(bad)), false},
		{"Around", Around("x", answer(fail(bad))), false},
		{"Around, open", Around("x", answer(fail(bad)), OnFailure(Ignore)), true},
		{"Around after next, open", Around("x", afterNext(fail(bad)), OnFailure(Ignore)), true},
		{"shadow", Around("x", answer(fail(bad)), InMode(Audit)), true},
		{"observer that panics with it", Observe("x", func(context.Context, Outcome[*payload]) { panic(bad) }), true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var r recorder
			c := newChainWith(t, Config[*payload]{Logger: zap.New(core)}, tc.link, Around("other", passOn), Observe("r", r.observe))
			h := c.Then(nop)
			for range 3 {
				_, err := h(bg, &payload{})
				eq(t, "succeeds", err == nil, tc.ok)
			}
			must(t, c.Drain(bg))
			eq(t, "outcomes", len(r.seen), 3)
			eq(t, "failures", guardOf(t, c, "x").failures.Load(), 3)
			healthyLinks(t, c, "other", "r")
		})
	}
	t.Run("handler", func(t *testing.T) {
		var r recorder
		c := newChainWith(t, Config[*payload]{Logger: zap.New(core)}, Before("b", nop), Around("a", passOn), Around("open", passOn, OnFailure(Ignore)),
			Around("s", passOn, InMode(Audit)), Observe("r", r.observe), OnError("e", ignore))
		ctx, cancel := context.WithCancelCause(bg)
		cancel(nil)
		h := c.Then(fail(bad))
		_, err := h(bg, &payload{})
		if err != bad { // identity: comparing asks no method
			t.Error("the handler's error was changed")
		}
		_, _ = h(ctx, &payload{})
		eq(t, "verdict", r.seen[0].Verdict, Failed)
		healthyLinks(t, c, "b", "a", "open", "s", "r", "e")
	})
	t.Run("as the cause of a cancellation", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(bg)
		cancel(bad)
		c := newChain(t, Before("b", nop))
		if _, err := c.Then(nop)(ctx, &payload{}); err == nil {
			t.Error("no error")
		}
	})
	t.Run("as a panic value of the tracer", func(t *testing.T) {
		c := newChainWith(t, Config[*payload]{Tracer: hostileTracer{}, Logger: zap.New(core)}, Before("b", nop), Around("a", passOn))
		_, err := c.Then(nop)(bg, &payload{})
		must(t, err)
	})
}

type hostileTracer struct{ Tracer }

func (hostileTracer) Sample(context.Context) bool                       { return true }
func (hostileTracer) LinkStart(context.Context, Traced) context.Context { panic(hostile{}) }
func (hostileTracer) LinkEnd(_ context.Context, _ Traced, _ error)      { panic(hostile{}) }

func TestHostileViolationDetails(t *testing.T) {
	c := newChain(t, Before("x", fail(Block("no", Details(map[string]any{"bad": hostile{}})))))
	_, err := c.Then(nop)(bg, &payload{})
	blockedBy(t, err, "x")
	if text := err.Error(); !strings.Contains(text, "no") {
		t.Error(text)
	}
}

// listError cannot be compared: == on two of them panics.
type listError []string

func (e listError) Error() string { return fmt.Sprint([]string(e)) }

func TestErrorsThatCannotBeCompared(t *testing.T) {
	c := newChain(t, Around("a", passOn), Around("open", passOn, OnFailure(Ignore)), Around("own", afterNext(fail(listError{"its own"})), OnFailure(Ignore)))
	_, err := c.Then(fail(listError{"backend"}))(bg, &payload{})
	var got listError
	if !errors.As(err, &got) || got[0] != "its own" {
		t.Errorf("got %v", err)
	}
	healthyLinks(t, c, "a", "open")
}
