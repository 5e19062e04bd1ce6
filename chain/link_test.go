package chain

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sony/gobreaker/v2"
)

func TestRegistrationRefuses(t *testing.T) {
	for _, tc := range []struct {
		name  string
		links []Link[*payload]
		says  string
	}{
		{"behaviour 4: nil Before", []Link[*payload]{Before[*payload]("x", nil)}, "nil function"},
		{"behaviour 4: nil After", []Link[*payload]{After[*payload]("x", nil)}, "nil function"},
		{"behaviour 4: nil Around", []Link[*payload]{Around[*payload]("x", nil)}, "nil function"},
		{"behaviour 4: nil Interceptor", []Link[*payload]{Intercept[*payload]("x", nil)}, "nil function"},
		{"behaviour 4: nil Observe", []Link[*payload]{Observe[*payload]("x", nil)}, "nil function"},
		{"behaviour 4: nil OnError", []Link[*payload]{OnError[*payload]("x", nil)}, "nil function"},
		{"behaviour 4: zero Link", []Link[*payload]{{}}, "name"},
		{"behaviour 4: empty name", []Link[*payload]{Before("", nop)}, "name"},
		{"behaviour 4: name twice in one Use", []Link[*payload]{Before("x", nop), After("x", nop)}, `duplicate link name "x"`},
		{"behaviour 4: name of an earlier Use", []Link[*payload]{Before("old", nop)}, `duplicate link name "old"`},
		{"behaviour 4: unknown mode", []Link[*payload]{Before("x", nop, InMode(17))}, "unknown mode 17"},
		{"behaviour 4: unknown failure policy", []Link[*payload]{Before("x", nop, OnFailure(9))}, "unknown failure policy 9"},
		{"behaviour 4: negative timeout", []Link[*payload]{Before("x", nop, Timeout(-1))}, "negative timeout"},
		{"negative breaker timeout", []Link[*payload]{Before("x", nop, Breaker(gobreaker.Settings{Timeout: -1}))}, "negative duration"},
		{"negative breaker interval", []Link[*payload]{Before("x", nop, Breaker(gobreaker.Settings{Interval: -1}))}, "negative duration"},
		{"negative breaker bucket", []Link[*payload]{Before("x", nop, Breaker(gobreaker.Settings{BucketPeriod: -1}))}, "negative duration"},
		{"Around in Transform", []Link[*payload]{Around("x", passOn, InMode(Transform))}, "mode transform"},
		{"Around in Concurrent", []Link[*payload]{Around("x", passOn, InMode(Concurrent))}, "mode concurrent"},
		{"Around in FireAndForget", []Link[*payload]{Around("x", passOn, InMode(FireAndForget))}, "mode fire_and_forget"},
		{"Observe in Transform", []Link[*payload]{Observe("x", ignore, InMode(Transform))}, "mode transform"},
		{"Observe in Audit", []Link[*payload]{Observe("x", ignore, InMode(Audit))}, "mode audit"},
		{"OnError in Concurrent", []Link[*payload]{OnError("x", ignore, InMode(Concurrent))}, "mode concurrent"},
		{"hard timeout of an Around", []Link[*payload]{Around("x", passOn, Timeout(time.Second))}, "middleware.Timeout"},
		{"Outer on a hook", []Link[*payload]{Before("x", nop, Outer())}, "Outer is for Around"},
		{"Timed on a hook", []Link[*payload]{After("x", nop, Timed())}, "Timed is for observers"},
		{"Fail on an observer", []Link[*payload]{Observe("x", ignore, OnFailure(Fail))}, "cannot stop a call"},
		{"Fail in the background", []Link[*payload]{Before("x", nop, InMode(FireAndForget), OnFailure(Fail))}, "cannot stop a call"},
		{"Fail on a shadow", []Link[*payload]{Around("x", passOn, InMode(Audit), OnFailure(Fail))}, "cannot stop a call"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newChain(t, Before("old", nop))
			h := c.Then(nop)
			_, err := c.Use(append([]Link[*payload]{Before("first", add("!"))}, tc.links...)...)
			if err == nil || !strings.HasPrefix(err.Error(), "chain") || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("got error %v, want one that says %q", err, tc.says)
			}
			_, err = c.Scope(append([]Link[*payload]{Before("x2", nop)}, tc.links...)...)
			if err == nil && !strings.Contains(tc.name, "earlier Use") { // a scope has names of its own
				t.Error("Scope took it")
			}
			eq(t, "behaviour 29: links left behind", len(c.Explain().Links), 1)
			out, err := h(bg, &payload{})
			must(t, err)
			eq(t, "text", out.text, "")
		})
	}
}

func TestFailClosedIsAllowedWhereACallCanBeStopped(t *testing.T) {
	for _, m := range []Mode{Sequential, Transform, Audit, Concurrent} {
		t.Run(m.String(), func(t *testing.T) {
			c := newChain(t, Before("x", fail(errOwn), InMode(m), OnFailure(Fail)))
			_, err := c.Then(nop)(bg, &payload{})
			blamed(t, err, "x")
			is(t, err, errOwn)
		})
	}
}

func TestNilOptionsAreSkipped(t *testing.T) {
	c := newChain(t, Before("x", fail(Block("no", nil, Code("c"))), nil, Priority(3), nil))
	eq(t, "priority", c.Explain().Links[0].Priority, 3)
	_, err := c.Then(nop)(bg, &payload{})
	eq(t, "code", blockedBy(t, err, "x").Code, "c")
}

func TestLinkGivesItsFunction(t *testing.T) {
	// behaviour 3: a hook keeps working when it is called directly, without a chain
	out, err := Before("x", add("!")).Hook()(bg, &payload{text: "a"})
	must(t, err)
	eq(t, "hook", out.text, "a!")

	out, err = Around("x", passOn).Middleware()(add("?"))(bg, &payload{text: "a"})
	must(t, err)
	eq(t, "around", out.text, "a?")

	var r recorder
	Observe("x", r.observe).Observer()(bg, Outcome[*payload]{Link: "l"})
	eq(t, "observer", r.only(t).Link, "l")

	l := After("name", nop)
	eq(t, "name", l.Name(), "name")
	eq(t, "kind", l.Kind(), KindAfter)
	if l.Middleware() != nil || l.Observer() != nil || Around("x", passOn).Hook() != nil {
		t.Error("a link has a function that is not of its kind")
	}

	// and what it returns as a block is a *Violation then too
	_, err = Before("x", block("no")).Hook()(bg, &payload{})
	eq(t, "reason", blockedBy(t, err, "").Reason, "no")
}

func TestEnums(t *testing.T) {
	// the names are those of configuration files; every value survives the way there and back
	roundTrip(t, KindBefore, KindAround, KindAfter, KindObserve, KindOnError)
	roundTrip(t, Sequential, Transform, Audit, Concurrent, FireAndForget, Disabled)
	roundTrip(t, Fail, Ignore, Disable)
	roundTrip(t, Allowed, Blocked, Failed, Canceled)
	roundTrip(t, SeverityError, SeverityInfo, SeverityWarning, SeverityCritical)
	roundTrip(t, BlockWhenFull, DropNewest, RunInline)

	var m Mode
	err := m.UnmarshalText([]byte("sideways"))
	if err == nil || !strings.Contains(err.Error(), `unknown mode "sideways"`) || !strings.Contains(err.Error(), "concurrent") {
		t.Errorf("got error %v, want one that lists the modes", err)
	}
	eq(t, "unknown value", Mode(42).String(), "mode(42)")
	eq(t, "positions", In.String()+" "+Out.String()+" "+(In|Out).String()+" "+Position(0).String(), "in out in|out none")
}

type enum[E any] interface {
	*E
	UnmarshalText([]byte) error
}

func roundTrip[E interface {
	comparable
	MarshalText() ([]byte, error)
	String() string
}, PE enum[E]](t *testing.T, values ...E) {
	t.Helper()
	for _, v := range values {
		b, err := v.MarshalText()
		must(t, err)
		eq(t, "text", string(b), v.String())
		var got E
		must(t, PE(&got).UnmarshalText(b))
		eq(t, "value", got, v)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, says string
		c          *Chain[*payload]
	}{
		{"empty name", "needs a name", New[*payload]("")},
		{"two Configs", "at most one Config", New("t", Config[*payload]{}, Config[*payload]{})},
	} {
		t.Run(tc.name, func(t *testing.T) {
			check := func(what string, err error) {
				if err == nil || !strings.Contains(err.Error(), tc.says) {
					t.Errorf("%s: got error %v, want one that says %q", what, err, tc.says)
				}
			}
			_, err := tc.c.Use(Before("x", nop))
			check("Use", err)
			_, err = tc.c.Scope()
			check("Scope", err)
			check("Reload", tc.c.Reload(Before("x", nop)))
			_, err = tc.c.Then(nop)(bg, &payload{})
			check("call", err)
			_, err = tc.c.Then(nil)(bg, nil)
			check("call of nothing", err)
			must(t, tc.c.Close(bg))
			if tc.c.Active() {
				t.Error("active")
			}
		})
	}
}

func TestBadCalls(t *testing.T) {
	errCause := context.DeadlineExceeded
	canceled, cancel := context.WithCancelCause(bg)
	cancel(errOwn)
	expired, cancelExpired := context.WithDeadline(bg, time.Unix(0, 0))
	defer cancelExpired()
	for _, tc := range []struct {
		name string
		ctx  context.Context
		p    *payload
		want []error
		says string
	}{
		{"nil context", nil, &payload{}, nil, "nil context"},
		{"nil payload", bg, nil, []error{ErrNilPayload}, "nil payload"},
		{"canceled before, with a cause", canceled, &payload{}, []error{context.Canceled, errOwn}, errOwn.Error()},
		{"expired before", expired, &payload{}, []error{errCause}, "deadline"},
		{"nil context and payload", nil, nil, nil, "nil context"},
	} {
		for shape, links := range map[string][]Link[*payload]{
			"empty":    nil,
			"hooks":    {Before("b", nop)},
			"observed": {Before("b", nop)},
			"framed":   {Before("b", nop), Around("a", passOn), Around("o", passOn, Outer())},
		} {
			t.Run(tc.name+", "+shape, func(t *testing.T) {
				var r recorder
				if shape == "observed" || shape == "framed" {
					links = append(links, Observe("r", r.observe))
				}
				c := newChain(t, links...)
				called := false
				_, err := c.Then(func(_ context.Context, p *payload) (*payload, error) { called = true; return p, nil })(tc.ctx, tc.p)
				eq(t, "handler called", called, false)
				if err == nil || !strings.Contains(err.Error(), tc.says) || !strings.HasPrefix(err.Error(), "chain t: ") {
					t.Fatalf("got error %v, want one that says %q", err, tc.says)
				}
				for _, want := range tc.want {
					is(t, err, want)
				}
				eq(t, "outcomes", len(r.seen), map[bool]int{true: 1}[shape == "observed" || shape == "framed"])
				for _, o := range r.seen {
					eq(t, "observed", o.Err.Error(), err.Error())
					eq(t, "answered", o.Answered, false)
					eq(t, "canceled", o.Verdict == Canceled, tc.ctx != nil && tc.ctx.Err() != nil)
				}
			})
		}
	}
}

func TestNilHandler(t *testing.T) {
	c := newChain(t, Before("b", nop))
	_, err := c.Then(nil)(bg, &payload{})
	is(t, err, ErrNilHandler)
}
