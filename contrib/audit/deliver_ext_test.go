package audit_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/audit"
	"github.com/maillon-go/maillon/internal/plugintest"
	"github.com/maillon-go/maillon/stages"
)

var errDisk = errors.New("the disk is full")

// memory is a sink that can fail.
type memory struct {
	mu      sync.Mutex
	records []*audit.Record
	batches int
	fail    func() error // nil for a sink that works
}

func (m *memory) Write(_ context.Context, batch []*audit.Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		if err := m.fail(); err != nil {
			return err
		}
	}
	m.batches++
	m.records = append(m.records, batch...)
	return nil
}

func (m *memory) set(fail func() error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = fail
}

func newPlugin(t *testing.T, s audit.Settings) *audit.Plugin {
	t.Helper()
	return plugintest.Make(t, audit.New, s)
}

func call(ctx context.Context, p *audit.Plugin, id string) {
	g := stages.NewGeneration(stages.Meta{RequestID: id}, stages.GenerationFields{})
	p.ObserveGeneration(ctx, chain.Outcome[*stages.Generation]{Payload: g, Answered: true})
}

// While the sink fails calls go on, records wait in order within a bound, and what is given up is told by the next record.
func TestSinkThatFails(t *testing.T) {
	for _, tc := range []struct {
		name string
		fail func() error
	}{
		{name: "error", fail: func() error { return errDisk }},
		{name: "panic", fail: func() error { panic("full") }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				core, logs := observer.New(zap.DebugLevel)
				m := &memory{fail: tc.fail}
				p := newPlugin(t, audit.Settings{Sink: m, Buffer: 3 << 10, Logger: zap.New(core)})
				for _, id := range []string{"a", "b", "c", "d", "e"} {
					call(t.Context(), p, id)
				}
				s := p.Stats()
				if s.Waiting != 3 || s.Lost != 2 || s.Failures != 1 || s.Err == nil {
					t.Errorf("while it fails: %+v", s)
				}
				time.Sleep(time.Second)   //nolint:gosec // synctest's clock
				call(t.Context(), p, "f") // one more attempt, which fails
				m.set(nil)
				call(t.Context(), p, "g")
				if s := p.Stats(); s.Written != 0 || s.Failures != 2 {
					t.Errorf("it was tried again at once: %+v", s)
				}
				time.Sleep(time.Second)
				call(t.Context(), p, "h") // dropped too, for there is no room, but it makes room
				call(t.Context(), p, "i")
				got := ""
				for _, r := range m.records {
					got += r.RequestID
				}
				if got != "abci" || m.records[0].Lost != 5 || m.records[3].Lost != 0 {
					t.Errorf("got %s, %d lost", got, m.records[0].Lost)
				}
				if s := p.Stats(); s.Written != 4 || s.Lost != 5 || s.Waiting != 0 || s.Err != nil {
					t.Errorf("afterwards: %+v", s)
				}
				if logs.Len() != 2 {
					t.Errorf("logs: %v", logs.All())
				}
				if err := p.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestCloseSaysWhatIsLost(t *testing.T) {
	m := &memory{fail: func() error { return errDisk }}
	p := newPlugin(t, audit.Settings{Sink: m})
	call(t.Context(), p, "a")
	if err := p.Close(t.Context()); !errors.Is(err, errDisk) {
		t.Errorf("got %v", err)
	}
	m.set(nil)
	call(t.Context(), p, "b")
	if len(m.records) != 1 || m.records[0].Lost != 1 {
		t.Errorf("got %+v", m.records)
	}
}

func TestSinkThatEndsTheGoroutine(t *testing.T) {
	m := &memory{fail: func() error { runtime.Goexit(); return nil }}
	p := newPlugin(t, audit.Settings{Sink: m})
	done := make(chan struct{})
	go func() {
		defer close(done)
		call(t.Context(), p, "a")
	}()
	<-done
	m.set(nil)
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if len(m.records) != 1 {
		t.Errorf("%d records", len(m.records))
	}
}

// Who waits while another one writes is written for by the next: one write for many.
func TestCallsShareAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var writes, records atomic.Int64
		p := newPlugin(t, audit.Settings{Sink: audit.SinkFunc(func(_ context.Context, batch []*audit.Record) error {
			if writes.Add(1) == 1 {
				<-release
			}
			records.Add(int64(len(batch)))
			return nil
		})})
		var returned atomic.Int64
		for range 64 {
			go func() {
				call(t.Context(), p, "x")
				returned.Add(1)
			}()
		}
		synctest.Wait()
		if returned.Load() != 0 {
			t.Errorf("%d calls returned before their record was written", returned.Load())
		}
		close(release)
		synctest.Wait()
		if returned.Load() != 64 || records.Load() != 64 || writes.Load() != 2 {
			t.Errorf("%d returned, %d records by %d writes; want 64, 64, 2", returned.Load(), records.Load(), writes.Load())
		}
	})
}

func TestDeliveryConcurrently(t *testing.T) {
	var n atomic.Int64
	m := &memory{fail: func() error {
		if n.Add(1)%5 == 0 {
			return errDisk
		}
		return nil
	}}
	p := newPlugin(t, audit.Settings{Sink: m})
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for range 50 {
				call(t.Context(), p, "x")
				p.Stats()
			}
		})
	}
	wg.Wait()
	m.set(nil)
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := p.Stats(); len(m.records) != 64*50 || s.Written != 64*50 || s.Lost != 0 {
		t.Errorf("%d records, %+v", len(m.records), s)
	}
}
