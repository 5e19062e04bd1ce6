package chain

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sony/gobreaker/v2"
)

// overlap is one call of several that are in flight at the same time.
type overlap struct {
	release chan diffOp
	over    chan struct{}
	ran     atomic.Bool
	done    func(error) // of plain gobreaker; nil when it refused the call
	probe   time.Time   // when it began, if half-open
	unarmed bool        // it began on the fast path
}

// overlapping plays a history whose calls overlap: the wait of each op is as before; then, by its bytes, either a call begins
// or one of those in flight ends with the op's result.
func (h diffHistory) overlapping(data []byte, tally *diffTally) string {
	var guarded, plain []string
	calls := make(map[*payload]*overlap)
	var mu sync.Mutex
	link := func(p *payload) diffOp {
		mu.Lock()
		call := calls[p]
		mu.Unlock()
		call.ran.Store(true)
		return <-call.release
	}
	work := func(p *payload) error { return (&diffWork{op: link(p)}).do() }
	var l Link[*payload]
	if strings.Contains(h.kind.name, "around") {
		l = Around("x", func(next Handler[*payload]) Handler[*payload] {
			return func(ctx context.Context, p *payload) (*payload, error) {
				if err := work(p); err != nil {
					return nil, err
				}
				return next(ctx, p)
			}
		}, h.options(&guarded)...)
	} else {
		l = Before("x", func(_ context.Context, p *payload) (*payload, error) { return p, work(p) }, h.options(&guarded)...)
	}
	c := New[*payload]("diff")
	if _, err := c.Use(l); err != nil {
		return err.Error()
	}
	handler := c.Then(nop)
	g := c.snap.Load().nodes[0].g
	cb := gobreaker.NewTwoStepCircuitBreaker[*payload](h.plain(&plain))
	var inFlight []*overlap

	begin := func() string {
		tally.calls++
		call, p := &overlap{release: make(chan diffOp), over: make(chan struct{})}, &payload{}
		mu.Lock()
		calls[p] = call
		mu.Unlock()
		call.unarmed = g.flags.Load() == 0
		done, refused := cb.Allow()
		go func() {
			defer close(call.over)
			_, _ = handler(bg, p)
		}()
		synctest.Wait()
		if call.ran.Load() != (refused == nil) {
			return fmt.Sprintf("the link ran: %v, but gobreaker says %v", call.ran.Load(), refused)
		}
		if refused != nil {
			tally.refused++
			return ""
		}
		call.done = done
		if cb.State() == gobreaker.StateHalfOpen {
			call.probe = time.Now()
		}
		inFlight = append(inFlight, call)
		return ""
	}
	end := func(i int, o diffOp) {
		call := inFlight[i]
		inFlight = slices.Delete(inFlight, i, i+1)
		call.release <- o
		<-call.over
		synctest.Wait()
		call.done(h.finding(o))
	}
	step := func(i int, o diffOp) string {
		// The guard bounds a probe in time and gobreaker does not: here none takes that long.
		for i := 0; i < len(inFlight); {
			if p := inFlight[i].probe; !p.IsZero() && time.Since(p)+o.wait >= diffOpen {
				end(i, o)
			} else {
				i++
			}
		}
		time.Sleep(o.wait)
		which := int(data[diffHeader+2*i] / 16)
		if len(inFlight) > 0 && which%2 == 1 {
			end(which/2%len(inFlight), o)
		} else if d := begin(); d != "" {
			return d
		}
		// A call that began on the fast path, before the breaker opened, counts again when it ends after the breaker has
		// closed again: gobreaker voids it by its generation, which the fast path does not read. Here none takes that long.
		for i := 0; cb.State() != gobreaker.StateClosed && i < len(inFlight); {
			if inFlight[i].unarmed {
				end(i, o)
			} else {
				i++
			}
		}
		return h.differ(g, cb)
	}
	differ := ""
	for i, o := range h.ops {
		if o.took = 0; o.res == diffForeign || o.res == diffCanceled {
			o.res = diffExcluded
		}
		if differ = step(i, o); differ != "" {
			differ = fmt.Sprintf("step %d: %s", i, differ)
			break
		}
	}
	for len(inFlight) > 0 {
		end(0, diffOp{})
	}
	if differ == "" && !slices.Equal(guarded, plain) {
		differ = fmt.Sprintf("changes of state: %v, of gobreaker: %v", guarded, plain)
	}
	tally.count(plain)
	return differ
}

func TestGuardIsGobreakerWhenCallsOverlap(t *testing.T) {
	const histories, ops = 6000, 48
	synctest.Test(t, func(t *testing.T) {
		var tally diffTally
		differs := func(data []byte) string { return decodeHistory(data).overlapping(data, &tally) }
		randomBytes(1000, histories, ops, func(data []byte) {
			if !t.Failed() && differs(data) != "" {
				data = shrink(data, differs)
				t.Errorf("%s\nin the history %v%x", differs(data), decodeHistory(data), data)
			}
		})
		t.Logf("%d histories: %v", histories, &tally)
	})
}
