package chain

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/sony/gobreaker/v2"
)

func TestExplain(t *testing.T) {
	c := newChain(t,
		Around("span", passOn, Outer()), Before("limit", nop, Priority(10), Timeout(2*time.Second)), Before("audit", nop, InMode(Audit)),
		Around("try", passOn, InMode(Audit), Outer()), Around("cache", passOn, OnFailure(Ignore)), After("redact", nop, RunsAfter("nobody")),
		Observe("log", ignore, InMode(FireAndForget)), Before("off", nop, InMode(Disabled)), Before("asks", nop, Breaker(alwaysAsk)),
	)
	s, err := c.Scope(After("mine", fail(errOwn), TripAfter(1)))
	must(t, err)
	_, _ = s.Then(nop)(bg, &payload{})
	want := strings.TrimLeft(`
chain t
  #   ring     link            kind     mode             prio  on failure  timeout  breaker  notes
  1   outer    process/span    around   sequential       50    fail        -        closed   can skip the hooks
  2   outer    process/try     around   audit            50    ignore      -        closed   shadow
  3   in       process/limit   before   sequential       10    fail        2s       closed
  4   in       process/asks    before   sequential       50    fail        -        closed   always asks its breaker
  5   in       process/audit   before   audit            50    ignore      -        closed
  6   in       process/off     before   disabled         50    ignore      -        closed
  7   inner    process/cache   around   sequential       50    ignore      -        closed
  8   out      process/redact  after    sequential       50    fail        -        closed
  9   out      session/mine    after    sequential       50    fail        -        open
  10  observe  process/log     observe  fire_and_forget  50    ignore      -        closed
  note: "redact" is ordered against "nobody", which is not there: no effect
`, "\n")
	plan := s.Explain()
	eq(t, "behaviour 43: text", plan.String(), want)

	b, err := plan.JSON()
	must(t, err)
	var back Plan
	must(t, json.Unmarshal(b, &back))
	eq(t, "behaviour 43: JSON agrees", back.String(), want)

	diagram := plan.Mermaid()
	at := 0
	for _, l := range plan.Links { // in the order of the text
		if l.Mode == Disabled {
			eq(t, "behaviour 43: a link that does not run is in the diagram", strings.Contains(diagram, "/"+l.Name), false)
			continue
		}
		i := strings.Index(diagram[at:], "process/"+l.Name)
		if j := strings.Index(diagram[at:], "session/"+l.Name); i < 0 {
			i = j
		}
		if i < 0 {
			t.Errorf("behaviour 43: the diagram has no %s, or not in order:\n%s", l.Name, diagram)
			continue
		}
		at += i
	}
	eq(t, "empty", New[*payload]("e").Explain().String(), "chain e: no links\n")
	eq(t, "empty diagram", strings.Contains(New[*payload]("e").Explain().Mermaid(), "caller --> handler"), true)
}

func TestMermaidEscapes(t *testing.T) {
	c := newChain(t, Before("a\"<b>&c", nop))
	if got := c.Explain().Mermaid(); !strings.Contains(got, `["process/a#quot;#lt;b#gt;#amp;c"]`) {
		t.Error(got)
	}
}

func TestExplainIsOfThisMoment(t *testing.T) {
	// behaviour 43: what is explained is what the next call runs
	var s steps
	c := newChain(t, Before("b", s.hook("b")), Before("a", s.hook("a"), Priority(1)))
	h := c.Then(nop)
	for _, links := range [][]Link[*payload]{nil, {Before("c", s.hook("c"), RunsBefore("b"))}, {Before("d", s.hook("d"), Priority(0))}} {
		must(t, c.Reload(links...))
		_, err := h(bg, &payload{})
		must(t, err)
		eq(t, "order", named(c.Explain()), s.take())
	}
}

func TestStats(t *testing.T) {
	c := newChain(t, Before("x", fail(errOwn), TripAfter(2)), Observe("o", ignore, InMode(FireAndForget)))
	h := c.Then(nop)
	for range 3 {
		_, _ = h(bg, &payload{})
	}
	must(t, c.Drain(bg))
	st := c.Stats()
	eq(t, "chain", st.Chain, "t")
	eq(t, "dispatcher", [3]int64{st.Dispatcher.Queued, st.Dispatcher.Done, st.Dispatcher.Dropped}, [3]int64{3, 3, 0})
	x, ok := st.Link("x")
	eq(t, "found", ok, true)
	eq(t, "x", x, LinkStats{Link: "x", Scope: "process", Breaker: gobreaker.StateOpen, State: "open", Calls: x.Calls, Failures: 3, Trips: 1})
	b, err := json.Marshal(st)
	must(t, err)
	if !strings.Contains(string(b), `"state":"open"`) {
		t.Error(string(b))
	}
}
