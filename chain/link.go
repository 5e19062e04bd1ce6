package chain

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/sony/gobreaker/v2"
)

// Link is one link of a chain, made by Before, Around, After, Observe, OnError or Intercept and registered by
// Chain.Use. It is immutable; the same value may be used in several chains, and given again in a reload it is the same
// link, the state in its middleware's closure included.
type Link[P any] struct {
	settings
	id      *byte // identity of an Around
	hook    Handler[P]
	around  Middleware[P]
	observe func(ctx context.Context, o Outcome[P])
	limit   func(pos Position, old, proposed P) (kept P, discarded []string)
	when    func(ctx context.Context, p P) bool // of an Around
	options []Option                            // of an Override
}

// With is the same link with further options on top of its own: the same state in its middleware's closure, and after a
// reload the same breaker where Chain.Reload keeps it.
func (l Link[P]) With(opts ...Option) Link[P] {
	if l.kind == KindOverride {
		l.options = append(slices.Clip(l.options), opts...)
		return l
	}
	l.settings = l.with(opts)
	return l
}

// with is a copy with further options.
func (s settings) with(opts []Option) settings {
	s.before, s.after, s.notes = slices.Clone(s.before), slices.Clone(s.after), slices.Clone(s.notes)
	for _, o := range opts {
		if o != nil {
			o.apply(&s)
		}
	}
	return s
}

// When is the same link for those calls only for which cond is true; the others go past it. It is asked with the payload
// as the link would get it, an observer's with that of the outcome, and it is part of the link: its panic is the link's.
// With several conditions all of them must be true. Nil changes nothing.
func (l Link[P]) When(cond func(ctx context.Context, p P) bool) Link[P] {
	if cond == nil {
		return l
	}
	switch hook, observe, first := l.hook, l.observe, l.when; {
	case hook != nil:
		l.hook = func(ctx context.Context, p P) (P, error) {
			if !cond(ctx, p) {
				return p, nil
			}
			return hook(ctx, p)
		}
	case observe != nil:
		l.observe = func(ctx context.Context, o Outcome[P]) {
			if cond(ctx, o.Payload) {
				observe(ctx, o)
			}
		}
	case first != nil:
		l.when = func(ctx context.Context, p P) bool { return first(ctx, p) && cond(ctx, p) }
	default:
		l.when = cond
	}
	return l
}

// Limit is the same link with a policy of its own: asked like Policy.Rewrite, after it and about what it lets stand, so
// that it can only take away. Of several limits the later one is asked about what the earlier ones kept. It is called
// concurrently. Nil changes nothing.
func (l Link[P]) Limit(f func(pos Position, old, proposed P) (kept P, discarded []string)) Link[P] {
	switch first := l.limit; {
	case f == nil:
	case first == nil:
		l.limit = f
	default:
		l.limit = func(pos Position, old, proposed P) (P, []string) {
			kept, discarded := first(pos, old, proposed)
			if reflect.ValueOf(&kept).Elem().IsZero() { // the engine reports it
				return kept, discarded
			}
			kept, more := f(pos, old, kept)
			return kept, append(slices.Clip(discarded), more...)
		}
	}
	return l
}

// Named is the same link with another name.
func (l Link[P]) Named(name string) Link[P] {
	l.name = name
	return l
}

// Name is the link's name.
func (l Link[P]) Name() string { return l.name }

// Kind is the link's kind.
func (l Link[P]) Kind() Kind { return l.kind }

// Middleware is the function of an Around, nil for other kinds; Hook and Observer are those of hooks and observers.
// They let a test kit call a link without a chain.
func (l Link[P]) Middleware() Middleware[P] { return l.around }

// Hook is the function of a Before or After, else nil.
func (l Link[P]) Hook() Handler[P] { return l.hook }

// Observer is the function of an Observe or OnError, else nil.
func (l Link[P]) Observer() func(context.Context, Outcome[P]) { return l.observe }

// Before is a hook on the way in: it sees the payload, rewrites it by returning another one, or stops the call by
// returning Block(...).
func Before[P any](name string, hook Handler[P], opts ...Option) Link[P] {
	return Link[P]{settings: newSettings(name, KindBefore, opts), hook: hook}
}

// After is a hook on the way out. It runs when what it wraps returned no error, also when an Inner Around answered
// instead of the handler.
func After[P any](name string, hook Handler[P], opts ...Option) Link[P] {
	return Link[P]{settings: newSettings(name, KindAfter, opts), hook: hook}
}

// Around has power over everything within its ring: it may answer without calling next, call it several times, rewrite
// on both sides. It is Inner, right around the handler and behind all hooks, unless registered with Outer.
func Around[P any](name string, mw Middleware[P], opts ...Option) Link[P] {
	return Link[P]{settings: newSettings(name, KindAround, opts), id: new(byte), around: mw}
}

// Intercept is an Around made of an Interceptor. Where a chain is at hand, Chain.Intercept needs no type argument.
func Intercept[P any](name string, i Interceptor, opts ...Option) Link[P] {
	var mw Middleware[P]
	if i != nil {
		mw = intercept[P](i)
	}
	l := Around(name, mw, opts...)
	l.blind = true
	return l
}

// Observe sees the final payload and the outcome of every call exactly once, whatever happened to it, after everything
// else. It can change nothing.
func Observe[P any](name string, f func(ctx context.Context, o Outcome[P]), opts ...Option) Link[P] {
	return Link[P]{settings: newSettings(name, KindObserve, opts), observe: f}
}

// OnError is Observe narrowed to calls that failed other than by a violation.
func OnError[P any](name string, f func(ctx context.Context, o Outcome[P]), opts ...Option) Link[P] {
	return Link[P]{settings: newSettings(name, KindOnError, opts), observe: f}
}

// Override is not a link but changes the options of those of that name, in the chain that it is registered in and the
// scopes below, whether they are there already or come later; of several the outermost scope's has the last word, then
// the one registered last. It can set Priority, InMode, OnFailure, Timeout, RunsBefore, RunsAfter, Note and Mark. The link keeps
// its breaker and its counts. A name that is not there has no effect, and Explain says so; an option that does not fit the
// link is an error from Use, whichever of the two comes second.
func Override[P any](name string, opts ...Option) Link[P] {
	return Link[P]{settings: newSettings(name, KindOverride, nil), options: opts}
}

// settings is everything about a link but its function, and so carries no type parameter.
type settings struct {
	name          string
	kind          Kind
	mode          Mode
	priority      int
	outer         bool
	failure       Failure
	timeout       time.Duration
	before, after []string
	breaker       gobreaker.Settings
	tripAfter     uint32 // consecutive failures; 0: by the breaker's own settings
	timed         bool
	counted       bool
	notes         []string
	marks         map[string]int // not changed once it is there
	blind         bool           // an Interceptor
	candidateFor  string
	cases         int
	casePayloads  bool
	failureYields bool // Fail is for as long as the mode allows it
}

// check finds everything that is wrong with one link on its own.
func (l *Link[P]) check() error {
	s := &l.settings
	bad := s.wrong
	misfit := s.misfit()
	switch {
	case s.name == "":
		return errors.New("chain: a link needs a name")
	case strings.ContainsFunc(s.name, unicode.IsControl):
		return bad("a name has no control characters")
	case s.kind == KindOverride && len(l.options) == 0:
		return bad("an override without options")
	case s.kind == KindOverride:
		return nil
	case l.limit != nil && s.observes():
		return bad("Limit is for links that can rewrite")
	case l.hook == nil && l.around == nil && l.observe == nil:
		return bad("nil function")
	case s.mode > Disabled:
		return bad("unknown mode %d", s.mode)
	case s.failure > Disable:
		return bad("unknown failure policy %d", s.failure)
	case s.timeout < 0:
		return bad("negative timeout %v", s.timeout)
	case s.breaker.Timeout < 0 || s.breaker.Interval < 0 || s.breaker.BucketPeriod < 0:
		return bad("negative duration in the breaker's settings")
	case misfit != "":
		return bad("%s", misfit)
	case s.candidateFor == s.name && s.name != "":
		return bad("CandidateFor names the link itself")
	case s.failure == Fail && !s.failureYields && !s.canStop():
		return bad("OnFailure(Fail): %s", cannotStop)
	}
	return nil
}

func (s *settings) wrong(format string, a ...any) error {
	return fmt.Errorf("chain: %s link %q: %s", s.kind, s.name, fmt.Sprintf(format, a...))
}

// canStop says that the failure of such a link can fail a call.
func (s *settings) canStop() bool {
	return !s.observes() && s.mode != FireAndForget && (s.kind != KindAround || s.mode != Audit)
}

func (s *settings) observes() bool { return s.kind == KindObserve || s.kind == KindOnError }

// onFailure is the policy in force.
func (s *settings) onFailure() Failure {
	switch {
	case s.failureYielded():
		return Ignore
	case s.failure != failureByMode:
		return s.failure
	case s.observes(), s.mode != Sequential && s.mode != Concurrent:
		return Ignore
	}
	return Fail
}

func (s *settings) failureYielded() bool { return s.failure == Fail && s.failureYields && !s.canStop() }

// lazy says that the trip rule reads consecutive failures only, so that a healthy link need not ask its breaker.
func (s *settings) lazy() bool {
	return s.breaker.ReadyToTrip == nil && s.breaker.Interval == 0 && s.breaker.BucketPeriod == 0
}

// keepsState says that a link that replaces another one under the same name goes on with its breaker and counters.
func (s *settings) keepsState(o *settings) bool {
	return s.name == o.name && s.kind == o.kind && s.timeout == o.timeout && s.tripAfter == o.tripAfter &&
		s.lazy() == o.lazy() && s.breaker.MaxRequests == o.breaker.MaxRequests && s.breaker.Interval == o.breaker.Interval &&
		s.breaker.BucketPeriod == o.breaker.BucketPeriod && s.breaker.Timeout == o.breaker.Timeout
}

// ring is where a link runs: outer Arounds, the gate in, inner Arounds, the gate out, observers.
type ring uint8

const (
	ringOuter ring = iota
	ringIn
	ringInner
	ringOut
	ringObserve
)

var ringNames = []string{"outer", "in", "inner", "out", "observe"}

func (r ring) String() string { return enumName("ring", ringNames, r) }

func (s *settings) ring() ring {
	switch {
	case s.kind == KindAround && s.outer:
		return ringOuter
	case s.kind == KindAround:
		return ringInner
	case s.kind == KindBefore:
		return ringIn
	case s.kind == KindAfter:
		return ringOut
	}
	return ringObserve
}

// phase orders the hooks of a ring; Arounds and observers go by priority whatever their mode.
func (s *settings) phase() Mode {
	if s.kind == KindBefore || s.kind == KindAfter {
		return s.mode
	}
	return Sequential
}

// position is the side of the handler at which the link stops calls.
func (s *settings) position() Position {
	switch s.kind {
	case KindBefore:
		return In
	case KindAfter:
		return Out
	}
	return In | Out
}
