package chaintest

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

type inner struct{ text string }

type everything struct {
	b      bool
	i      int
	u      uint8
	f      float64
	c      complex128
	s      string
	bytes  []byte
	list   []inner
	array  [2]int
	table  map[string]*inner
	keyed  map[inner]int
	any    any
	ptr    *inner
	self   *everything
	fn     func()
	ch     chan int
	at     time.Time
	ctx    context.Context //nolint:containedctx // payloads of others may
	mu     sync.Mutex
	count  atomic.Int64
	nested struct{ deep inner }
}

func newEverything() *everything {
	e := &everything{
		bytes: []byte("abc"), list: []inner{{"a"}, {"b"}}, table: map[string]*inner{"x": {"1"}, "y": {"2"}},
		keyed: map[inner]int{{"k"}: 1}, any: &inner{"any"}, ptr: &inner{"ptr"}, fn: func() {}, ch: make(chan int, 1),
		at: time.Unix(1, 0), ctx: context.Background(),
	}
	e.self = e
	return e
}

func TestSnapshotSeesEveryChange(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*everything)
		want   string // "" for none
	}{
		{"nothing", func(*everything) {}, ""},
		{"bool", func(e *everything) { e.b = true }, "payload.b was false and is now true"},
		{"int", func(e *everything) { e.i = 1 }, "payload.i was 0"},
		{"uint", func(e *everything) { e.u = 1 }, "payload.u"},
		{"float", func(e *everything) { e.f = 1 }, "payload.f"},
		{"complex", func(e *everything) { e.c = 1i }, "payload.c"},
		{"string", func(e *everything) { e.s = "x" }, `payload.s was "" and is now "x"`},
		{"byte", func(e *everything) { e.bytes[1] = 'x' }, "payload.bytes was 616263 and is now 617863"},
		{"element", func(e *everything) { e.list[1].text = "x" }, `payload.list[1].text was "b"`},
		{"append", func(e *everything) { e.list = append(e.list, inner{}) }, "payload.list was slice of 2"},
		{"array", func(e *everything) { e.array[1] = 5 }, "payload.array[1]"},
		{"map value", func(e *everything) { e.table["y"].text = "x" }, `payload.table["y"].text`},
		{"map entry", func(e *everything) { delete(e.table, "x") }, "payload.table was map of 2"},
		{"map key for another", func(e *everything) { delete(e.keyed, inner{"k"}); e.keyed[inner{"l"}] = 1 }, `payload.keyed[.text"l"]`},
		{"behind an interface", func(e *everything) { e.any.(*inner).text = "x" }, `payload.any.text`},
		{"nil interface", func(e *everything) { e.any = nil }, "payload.any"},
		{"behind a pointer", func(e *everything) { e.ptr.text = "x" }, "payload.ptr.text"},
		{"an equal pointer", func(e *everything) { e.ptr = &inner{"ptr"} }, "payload.ptr was pointer"},
		{"cycle", func(e *everything) { e.self = nil }, "payload.self was pointer"},
		{"function", func(e *everything) { e.fn = nil }, "payload.fn"},
		{"channel", func(e *everything) { e.ch = nil }, "payload.ch"},
		{"sent to a channel", func(e *everything) { e.ch <- 1 }, ""},
		{"time", func(e *everything) { e.at = e.at.Add(1) }, "payload.at"},
		{"context", func(e *everything) { e.ctx = t.Context() }, "payload.ctx"},
		{"mutex", func(e *everything) { e.mu.Lock() }, ""},
		{"atomic", func(e *everything) { e.count.Add(1) }, ""},
		{"nested", func(e *everything) { e.nested.deep.text = "x" }, "payload.nested.deep.text"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := newEverything()
			before := snapshot(e)
			tc.change(e)
			got := before.change(snapshot(e))
			if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// selfContext is a payload that carries its context by embedding it.
type selfContext struct {
	context.Context //nolint:containedctx // payloads of others may
	n               int
}

func TestSnapshotOfAPayloadThatIsAContext(t *testing.T) {
	p := &selfContext{Context: context.Background()}
	before := snapshot(p)
	p.n++
	if got := before.change(snapshot(p)); got != "payload.n was 0 and is now 1" {
		t.Errorf("got %q", got)
	}
}

func TestSnapshotOfValuesThatGrowAndShrink(t *testing.T) {
	long, short := snapshot([2]int{1, 2}), snapshot([1]int{1})
	if got := long.change(short); got != "payload[1] was 2 and is gone" {
		t.Error(got)
	}
	if got := short.change(long); got != "payload[1] is now 2" {
		t.Error(got)
	}
	if got := snapshot(nil).text(); got != "payloadnil" {
		t.Error(got)
	}
	if n := len(snapshot(make([]int, 2*maxPictured))); n > maxPictured+1 {
		t.Errorf("%d lines", n)
	}
}
