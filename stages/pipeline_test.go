package stages

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/maillon-go/maillon/chain"
)

func count(n *atomic.Int32) chain.Handler[*Reset] {
	return func(_ context.Context, r *Reset) (*Reset, error) { n.Add(1); return r, nil }
}

func TestScope(t *testing.T) {
	p := NewPipeline(PipelineConfig{})
	var process, session atomic.Int32
	const sessions = 64
	var wg sync.WaitGroup
	for i := range sessions {
		wg.Go(func() {
			s, err := p.Scope()
			if err != nil {
				t.Error(err)
				return
			}
			if i == 0 {
				if _, err := p.Reset.Use(chain.Before("process", count(&process))); err != nil {
					t.Error(err)
				}
			}
			mine := 0
			if _, err := s.Reset.Use(chain.Before("session", func(_ context.Context, r *Reset) (*Reset, error) {
				session.Add(1)
				mine++
				return r, nil
			})); err != nil {
				t.Error(err)
			}
			for range 3 {
				if _, err := s.Reset.Then(Unchanged[*Reset])(t.Context(), NewReset(Meta{}, ResetFields{})); err != nil {
					t.Error(err)
				}
			}
			if mine != 3 {
				t.Errorf("this session's link ran %d times", mine)
			}
		})
	}
	wg.Wait()
	if session.Load() != 3*sessions {
		t.Errorf("session links ran %d times", session.Load())
	}
	s, err := p.Scope()
	if err != nil {
		t.Fatal(err)
	}
	process.Store(0)
	if _, err := s.Reset.Then(Unchanged[*Reset])(t.Context(), NewReset(Meta{}, ResetFields{})); err != nil || process.Load() != 1 {
		t.Errorf("the parent's link ran %d times, error %v", process.Load(), err)
	}
}

func TestScopeHasEveryChain(t *testing.T) {
	s, err := NewPipeline(PipelineConfig{}).Scope()
	if err != nil {
		t.Fatal(err)
	}
	v := reflect.ValueOf(s).Elem()
	for i, c := range s.chains() {
		if f := v.Field(i); f.IsNil() || f.Interface() != any(c) {
			t.Errorf("%s is not chain number %d", v.Type().Field(i).Name, i)
		}
	}
}

func TestActive(t *testing.T) {
	p := NewPipeline(PipelineConfig{})
	s, err := p.Scope()
	if err != nil {
		t.Fatal(err)
	}
	if p.Active() || s.Active() {
		t.Error("active without links")
	}
	var n atomic.Int32
	reg, err := p.Reset.Use(chain.Before("x", count(&n)))
	if err != nil || !p.Active() || !s.Active() {
		t.Errorf("not active with a link in the parent, error %v", err)
	}
	reg.Remove()
	if p.Active() || s.Active() {
		t.Error("active after the link was removed")
	}
}

func TestDrainAndClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPipeline(PipelineConfig{})
		s, err := p.Scope()
		if err != nil {
			t.Fatal(err)
		}
		release := make(chan struct{})
		worked := make(chan error, 2) // the call that is refused is observed too
		if _, err := s.Reset.Use(chain.Observe("slow", func(ctx context.Context, _ chain.Outcome[*Reset]) {
			<-release
			// What runs in the background may use another stage while the pipeline closes.
			_, err := p.Session.Then(Unchanged[*Session])(ctx, NewSession(Meta{}, SessionFields{}))
			worked <- err
		}, chain.InMode(chain.FireAndForget))); err != nil {
			t.Fatal(err)
		}
		call := s.Reset.Then(Unchanged[*Reset])
		if _, err := call(t.Context(), NewReset(Meta{}, ResetFields{})); err != nil {
			t.Fatal(err)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if err := p.Drain(gone); !errors.Is(err, context.Canceled) {
			t.Errorf("Drain with work left: %v", err)
		}
		if err := s.Close(gone); err != nil {
			t.Errorf("a scope's Close waited: %v", err)
		}
		if _, err := call(t.Context(), NewReset(Meta{}, ResetFields{})); !errors.Is(err, chain.ErrClosed) {
			t.Errorf("a call through a closed scope: %v", err)
		}
		closed := make(chan error, 1)
		go func() { closed <- p.Close(t.Context()) }()
		synctest.Wait()
		close(release)
		if err := <-closed; err != nil {
			t.Errorf("Close: %v", err)
		}
		if len(worked) == 0 {
			t.Error("Close did not wait for the background work")
		}
		for range len(worked) {
			if err := <-worked; err != nil {
				t.Errorf("the background work: %v", err)
			}
		}
		if _, err := p.Scope(); !errors.Is(err, chain.ErrClosed) {
			t.Errorf("Scope of a closed pipeline: %v", err)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Errorf("Close again: %v", err)
		}
	})
}

func TestCloseReportsOnce(t *testing.T) {
	d := chain.NewDispatcher(chain.DispatcherConfig{})
	p := NewPipeline(PipelineConfig{Dispatcher: d})
	release := make(chan struct{})
	d.Go(t.Context(), func(context.Context) { <-release })
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	err := p.Close(gone)
	if !errors.Is(err, context.Canceled) || strings.Count(err.Error(), context.Canceled.Error()) != 1 {
		t.Errorf("got %v", err)
	}
	close(release)
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if !d.Go(t.Context(), func(context.Context) {}) {
		t.Error("Close closed a dispatcher that it does not own")
	}
	if err := d.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestExplainAndStats(t *testing.T) {
	p := NewPipeline(PipelineConfig{})
	if got := p.Explain().String(); got != "no links\n" {
		t.Errorf("got %q", got)
	}
	var n atomic.Int32
	if _, err := p.Reset.Use(chain.Before("ask", count(&n), chain.Counted())); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Cleanup.Use(chain.Before("count", Unchanged[*Cleanup])); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Reset.Then(Unchanged[*Reset])(t.Context(), NewReset(Meta{}, ResetFields{})); err != nil {
		t.Fatal(err)
	}
	plans := p.Explain()
	text := plans.String()
	if !strings.Contains(text, "chain reset\n") || !strings.Contains(text, "process/ask") ||
		!strings.Contains(text, "never blocks here") || strings.Contains(text, "generation") {
		t.Errorf("got\n%s", text)
	}
	if m := plans.Mermaid(); strings.Count(m, "subgraph") != 2 || !strings.Contains(m, "    reset_caller --> reset_l0\n") || strings.Contains(m, "generation") {
		t.Errorf("got\n%s", m)
	}
	if b, err := json.Marshal(plans); err != nil || !strings.Contains(string(b), `"chain":"reset"`) {
		t.Errorf("%s, %v", b, err)
	}
	stats := p.Stats()
	if len(stats) != len(plans) {
		t.Fatalf("%d stats for %d chains", len(stats), len(plans))
	}
	if l, ok := stats[1].Link("ask"); !ok || l.Calls != 1 {
		t.Errorf("got %+v", stats[1])
	}
}

type tracer struct{ links []string }

func (t *tracer) Sample(context.Context) bool { return true }
func (t *tracer) LinkStart(ctx context.Context, l chain.Traced) context.Context {
	t.links = append(t.links, l.Chain+"/"+l.Link)
	return ctx
}
func (t *tracer) LinkEnd(context.Context, chain.Traced, error) {}

func TestWithTracer(t *testing.T) {
	for _, s := range allStages {
		t.Run(s.name(), s.testTracer)
	}
}

func (s stageOf[S, F, R]) testTracer(t *testing.T) {
	t.Helper()
	early, late := &tracer{}, &tracer{}
	p := NewPipeline(PipelineConfig{Tracer: early})
	c := s.chain(p)
	if _, err := c.Use(chain.Before("x", Unchanged[*S])); err != nil {
		t.Fatal(err)
	}
	run := func() {
		if _, err := c.Then(Unchanged[*S])(t.Context(), new(S)); err != nil {
			t.Fatal(err)
		}
	}
	run()
	if p.WithTracer(late) != p {
		t.Error("WithTracer returns another pipeline")
	}
	run()
	want := fmt.Sprint([]string{c.Name() + "/x"})
	if fmt.Sprint(early.links) != want || fmt.Sprint(late.links) != want {
		t.Errorf("traced %v, then %v, want %v each", early.links, late.links, want)
	}
}
