package chain

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sony/gobreaker/v2"
)

// The differential test: a link under its guard and gobreaker.Execute around the same work must agree at every step of
// every history about whether the work runs, what state the breaker is in and which changes of state there were.

var (
	errTolerated = errors.New("a failure that the user's IsSuccessful accepts")
	errExcluded  = errors.New("a failure that the user's IsExcluded takes out")
)

// diffResult is how the work ends.
type diffResult uint8

const (
	diffSuccess  diffResult = iota
	diffOwn                 // the link's own error
	diffPanic               //
	diffBlock               // a violation
	diffForeign             // the handler failed, and the link wrapped its error
	diffCanceled            // the link's own error, but the caller is gone
	diffTolerated
	diffExcluded
)

var diffResultNames = []string{"success", "own", "panic", "block", "foreign", "canceled", "tolerated", "excluded"}

func (r diffResult) String() string { return diffResultNames[r] }

func (r diffResult) err() error {
	switch r {
	case diffOwn, diffCanceled:
		return fmt.Errorf("wrapped: %w", errOwn)
	case diffBlock:
		return Block("not allowed")
	case diffTolerated:
		return errTolerated
	case diffExcluded:
		return errExcluded
	}
	return nil
}

// diffOp is one call of a history.
type diffOp struct {
	wait time.Duration // before the call
	took time.Duration // by the work
	res  diffResult
}

func (o diffOp) String() string { return fmt.Sprintf("wait %v, take %v: %v", o.wait, o.took, o.res) }

// diffWork is what the link of a history does: the current call.
type diffWork struct {
	op  diffOp
	end context.CancelFunc // of the caller
	ran bool               // the link was called
}

func (w *diffWork) do() error {
	w.ran = true
	op, end := w.op, w.end // a run that is left behind after a timeout goes on with its own
	time.Sleep(op.took)
	switch op.res {
	case diffPanic:
		panic("boom")
	case diffCanceled:
		end()
	}
	return op.res.err()
}

func (w *diffWork) hook(_ context.Context, p *payload) (*payload, error) {
	if err := w.do(); err != nil {
		return nil, err
	}
	return p, nil
}

// around calls next unless it fails by itself, and hides what next returned.
func (w *diffWork) around(next Handler[*payload]) Handler[*payload] {
	return func(ctx context.Context, p *payload) (*payload, error) {
		if err := w.do(); err != nil {
			return nil, err
		}
		p, err := next(ctx, p)
		if err != nil {
			return nil, errors.New("translated")
		}
		return p, nil
	}
}

// late fails after a next that succeeded.
func (w *diffWork) late(next Handler[*payload]) Handler[*payload] {
	return func(ctx context.Context, p *payload) (*payload, error) {
		p, err := next(ctx, p)
		if own := w.do(); own != nil {
			return nil, own
		}
		return p, err
	}
}

const diffTimeout = 2 * time.Second

// diffKind is a kind of link, and what gobreaker is to be told of it.
type diffKind struct {
	name    string
	link    func(w *diffWork, opts ...Option) Link[*payload]
	foreign finding // what a failing handler is to the link
	idle    bool    // a failing handler keeps the link from running
	timeout time.Duration
}

var diffKinds = []diffKind{
	{name: "before", foreign: healthy, link: func(w *diffWork, o ...Option) Link[*payload] { return Before("x", w.hook, o...) }},
	{name: "around", foreign: unclear, link: func(w *diffWork, o ...Option) Link[*payload] { return Around("x", w.around, o...) }},
	{name: "around, failing late", foreign: unclear, link: func(w *diffWork, o ...Option) Link[*payload] { return Around("x", w.late, o...) }},
	{name: "after", idle: true, link: func(w *diffWork, o ...Option) Link[*payload] { return After("x", w.hook, o...) }},
	{name: "outer around", foreign: unclear, link: func(w *diffWork, o ...Option) Link[*payload] {
		return Around("x", w.around, append(o, Outer())...)
	}},
	{name: "before, open", foreign: healthy, link: func(w *diffWork, o ...Option) Link[*payload] {
		return Before("x", w.hook, append(o, OnFailure(Ignore))...)
	}},
	{name: "around, open", foreign: unclear, link: func(w *diffWork, o ...Option) Link[*payload] {
		return Around("x", w.around, append(o, OnFailure(Ignore))...)
	}},
	{name: "before in audit", foreign: healthy, link: func(w *diffWork, o ...Option) Link[*payload] {
		return Before("x", w.hook, append(o, InMode(Audit))...)
	}},
	{name: "around in audit", foreign: unclear, link: func(w *diffWork, o ...Option) Link[*payload] {
		return Around("x", w.around, append(o, InMode(Audit))...)
	}},
	{name: "before, concurrent", foreign: healthy, link: func(w *diffWork, o ...Option) Link[*payload] {
		return Before("x", w.hook, append(o, InMode(Concurrent))...)
	}},
	{name: "before with a timeout", foreign: healthy, timeout: diffTimeout, link: func(w *diffWork, o ...Option) Link[*payload] {
		return Before("x", w.hook, append(o, Timeout(diffTimeout))...)
	}},
}

// diffHistory is what both sides go through.
type diffHistory struct {
	kind  diffKind
	trip  uint32 // for TripAfter; 0: none
	ratio bool   // a ReadyToTrip that looks at a ratio
	st    gobreaker.Settings
	ops   []diffOp
}

func (h diffHistory) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: MaxRequests %d, Interval %v, BucketPeriod %v, TripAfter %d, own rule %v\n", h.kind.name, h.st.MaxRequests,
		h.st.Interval, h.st.BucketPeriod, h.trip, h.ratio)
	for i, o := range h.ops {
		fmt.Fprintf(&b, "%3d  %v\n", i, o)
	}
	return b.String()
}

const (
	diffOpen   = 5 * time.Second // how long the breaker stays open
	diffHeader = 3               // bytes
	diffMaxOps = 64
)

// decodeHistory makes a history of any bytes: three for the link and its rules, then two for each call.
func decodeHistory(data []byte) (h diffHistory) {
	data = slices.Concat(data, make([]byte, max(0, diffHeader-len(data))))
	h.kind = diffKinds[int(data[0])%len(diffKinds)]
	h.st = gobreaker.Settings{MaxRequests: uint32(data[1] % 4), Timeout: diffOpen}
	switch data[1] / 4 % 4 {
	case 1:
		h.trip = uint32(data[1]/16%4) + 1
	case 2:
		h.ratio = true
		h.st.ReadyToTrip = func(c gobreaker.Counts) bool { return c.Requests >= 4 && c.TotalFailures*2 >= c.Requests }
	}
	if data[2]%2 == 1 {
		h.st.Interval = []time.Duration{3 * time.Second, 10 * time.Second}[data[2]/2%2]
		h.st.BucketPeriod = []time.Duration{0, time.Second, 2 * time.Second, 0}[data[2]/4%4]
	}
	waits := []time.Duration{0, 0, 0, 0, 0, 0, time.Millisecond, 900 * time.Millisecond, 2100 * time.Millisecond, 4999 * time.Millisecond, diffOpen, 5001 * time.Millisecond, 5001 * time.Millisecond, 11 * time.Second, 0, 0}
	results := []diffResult{diffSuccess, diffSuccess, diffSuccess, diffOwn, diffOwn, diffOwn, diffOwn, diffOwn, diffPanic, diffPanic, diffBlock, diffForeign, diffForeign, diffCanceled, diffTolerated, diffExcluded}
	tooks := []time.Duration{0, 0, 0, 0, 0, time.Millisecond, 1100 * time.Millisecond, 4 * time.Second}
	for rest := data[diffHeader:]; len(rest) >= 2 && len(h.ops) < diffMaxOps; rest = rest[2:] {
		h.ops = append(h.ops, diffOp{waits[rest[0]%16], tooks[rest[0]/16%8], results[rest[1]%16]})
	}
	return h
}

// options are those of the guarded link.
func (h diffHistory) options(changes *[]string) []Option {
	st := h.st
	st.OnStateChange = recordChanges(changes)
	st.IsSuccessful = func(err error) bool { return errors.Is(err, errTolerated) }
	st.IsExcluded = func(err error) bool { return errors.Is(err, errExcluded) }
	return []Option{Breaker(st), TripAfter(h.trip)}
}

// plain are the settings of the breaker that it is compared with.
func (h diffHistory) plain(changes *[]string) gobreaker.Settings {
	st := h.st
	st.OnStateChange = recordChanges(changes)
	st.IsSuccessful = func(err error) bool { return err == nil }
	st.IsExcluded = func(err error) bool { return err == errUnclear }
	if h.trip > 0 {
		st.ReadyToTrip = func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= h.trip }
	}
	return st
}

func recordChanges(changes *[]string) func(string, gobreaker.State, gobreaker.State) {
	return func(_ string, from, to gobreaker.State) { *changes = append(*changes, fmt.Sprintf("%v>%v", from, to)) }
}

// finding is what gobreaker is told of a call.
func (h diffHistory) finding(o diffOp) error {
	if h.kind.timeout > 0 && o.took > h.kind.timeout {
		return errFaulty
	}
	switch o.res {
	case diffOwn, diffPanic:
		return errFaulty
	case diffCanceled, diffExcluded:
		return errUnclear
	case diffForeign:
		if h.kind.foreign == unclear {
			return errUnclear
		}
	}
	return nil
}

// diffTally says how much the histories had in them.
type diffTally struct{ calls, refused, trips, closings int }

func (t *diffTally) String() string {
	return fmt.Sprintf("%d calls, %d of them refused, %d trips, %d recoveries", t.calls, t.refused, t.trips, t.closings)
}

func (t *diffTally) count(changes []string) {
	for _, change := range changes {
		switch {
		case strings.HasSuffix(change, ">open"):
			t.trips++
		case strings.HasSuffix(change, ">closed"):
			t.closings++
		}
	}
}

// run plays a history on both sides, in fake time. It returns "" or where they differ.
func (h diffHistory) run(tally *diffTally) string {
	var guarded, plain []string
	w := &diffWork{}
	c := New[*payload]("diff")
	if _, err := c.Use(h.kind.link(w, h.options(&guarded)...)); err != nil {
		return err.Error()
	}
	call := c.Then(func(_ context.Context, p *payload) (*payload, error) {
		if w.op.res == diffForeign {
			return nil, errBackend
		}
		return p, nil
	})
	g := c.snap.Load().nodes[0].g
	cb := gobreaker.NewTwoStepCircuitBreaker[*payload](h.plain(&plain))
	defer time.Sleep(time.Minute) // for runs that were left behind
	for i, o := range h.ops {
		time.Sleep(o.wait)
		if h.kind.idle && o.res == diffForeign {
			continue
		}
		done, refused := cb.Allow()
		ctx, end := context.WithCancel(bg)
		*w = diffWork{op: o, end: end}
		_, _ = call(ctx, &payload{})
		end()
		synctest.Wait() // for a link that runs on a goroutine of its own
		if refused == nil {
			done(h.finding(o))
		} else {
			tally.refused++
		}
		tally.calls++
		if w.ran != (refused == nil) {
			return fmt.Sprintf("step %d: the link ran: %v, but gobreaker says %v", i, w.ran, refused)
		}
		if d := h.differ(g, cb); d != "" {
			return fmt.Sprintf("step %d: %s", i, d)
		}
	}
	if !slices.Equal(guarded, plain) {
		return fmt.Sprintf("changes of state: %v, of gobreaker: %v", guarded, plain)
	}
	tally.count(plain)
	return ""
}

// differ compares the breakers. A guard that asks its breaker only when armed knows less about the past, but the
// consecutive failures are the same.
func (h diffHistory) differ(g *guard, cb *gobreaker.TwoStepCircuitBreaker[*payload]) string {
	if got, want := g.State(), cb.State(); got != want {
		return fmt.Sprintf("state %v, of gobreaker %v", got, want)
	}
	got, want := g.cb.Counts(), cb.Counts()
	if g.flags.Load()&pinned == 0 {
		got, want = gobreaker.Counts{ConsecutiveFailures: got.ConsecutiveFailures}, gobreaker.Counts{ConsecutiveFailures: want.ConsecutiveFailures}
	}
	if got != want {
		return fmt.Sprintf("counts %+v, of gobreaker %+v", got, want)
	}
	return ""
}

// shrink drops bytes as long as the two sides still differ.
func shrink(data []byte, differs func([]byte) string) []byte {
	for i := diffHeader; i+2 <= len(data); {
		if less := slices.Delete(slices.Clone(data), i, i+2); differs(less) != "" {
			data = less
		} else {
			i += 2
		}
	}
	return data
}

// randomBytes are the input of n random histories of up to ops calls, the same in every run of the test.
func randomBytes(seed uint64, n, ops int, try func(data []byte)) {
	r := rand.New(rand.NewPCG(seed, 0))
	for range n {
		data := make([]byte, diffHeader+2*(1+r.IntN(ops)))
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		try(data)
	}
}

// TestGuardIsGobreaker plays more than ten thousand histories with hooks, and as many with Arounds.
func TestGuardIsGobreaker(t *testing.T) {
	const perKind, ops = 2400, 32
	histories := map[bool]int{}
	for i, kind := range diffKinds {
		histories[strings.Contains(kind.name, "around")] += perKind
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var tally diffTally
				differs := func(data []byte) string {
					h := decodeHistory(data)
					h.kind = kind
					return h.run(&tally)
				}
				randomBytes(uint64(i), perKind, ops, func(data []byte) {
					if !t.Failed() && differs(data) != "" {
						data = shrink(data, differs)
						h := decodeHistory(data)
						h.kind = kind
						t.Errorf("%s\nin the history %v%x", differs(data), h, data)
					}
				})
				t.Logf("%d histories: %v", perKind, &tally)
			})
		})
	}
	t.Logf("%d histories of hooks, %d of Arounds", histories[false], histories[true])
}
