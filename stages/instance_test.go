package stages

import (
	"context"
	"errors"
	"fmt"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/maillon-go/maillon/chain"
)

// living writes down when it is initialised and closed.
type living struct {
	name       string
	book       *book
	init, shut func(ctx context.Context) error
}

type book struct {
	mu      sync.Mutex
	entries []string
}

func (b *book) add(format string, a ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.entries = append(b.entries, fmt.Sprintf(format, a...))
}

func (b *book) want(t *testing.T, want ...string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Equal(b.entries, want) {
		t.Errorf("happened: %q, want %q", b.entries, want)
	}
	b.entries = nil
}

func (l *living) Name() string { return l.name }

func (l *living) Init(ctx context.Context) error {
	l.book.add("init %s", l.name)
	if l.init != nil {
		return l.init(ctx)
	}
	return nil
}

func (l *living) Close(ctx context.Context) error {
	l.book.add("close %s", l.name)
	if l.shut != nil {
		return l.shut(ctx)
	}
	return nil
}

func (l *living) OnSessionReset(_ context.Context, r *Reset) (*Reset, error) {
	l.book.add("%s ran", l.name)
	return r, nil
}

func (l *living) OnToolPreInvoke(_ context.Context, x *Tool) (*Tool, error) { return x, nil }

func reset(t *testing.T, p *Pipeline) {
	t.Helper()
	if _, err := p.Reset.Then(Unchanged[*Reset])(t.Context(), NewReset(Meta{}, ResetFields{})); err != nil {
		t.Error(err)
	}
}

func register(t *testing.T, p *Pipeline, plugins ...any) *Registration {
	t.Helper()
	r, err := p.Register(t.Context(), plugins...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func remove(t *testing.T, r *Registration) {
	t.Helper()
	if err := r.Remove(t.Context()); err != nil {
		t.Error(err)
	}
}

func scopeOf(t *testing.T, p *Pipeline) *Pipeline {
	t.Helper()
	s, err := p.Scope()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	return s
}

func TestInitAndCloseOnce(t *testing.T) {
	p, q := pipeline(t), pipeline(t)
	a, b := scopeOf(t, p), scopeOf(t, p)
	log := &book{}
	shared := &living{name: "shared", book: log}
	r1, r2, r3 := register(t, a, shared), register(t, b, Group("g", shared)), register(t, q, With(shared))
	log.want(t, "init shared")
	_, release, err := WithPlugins(t.Context(), shared)
	if err != nil {
		t.Fatal(err)
	}
	remove(t, r1)
	remove(t, r1)
	reset(t, a)
	reset(t, b)
	log.want(t, "shared ran")
	remove(t, r2)
	remove(t, r3)
	log.want(t)
	if err := release(); err != nil {
		t.Error(err)
	}
	log.want(t, "close shared")
	remove(t, register(t, a, shared))
	log.want(t, "init shared", "close shared")
	if err := release(); err != nil {
		t.Error(err)
	}
	log.want(t)
}

func TestInitOnceUnderConcurrency(t *testing.T) {
	log, p := &book{}, pipeline(t)
	var wg sync.WaitGroup
	var inits, closes atomic.Int32
	alive := func(n int32) func(context.Context) error {
		return func(context.Context) error {
			if inits.Add(n)-closes.Load() > 1 {
				t.Error("two at once")
			}
			return nil
		}
	}
	shared := &living{name: "shared", book: log, init: alive(1), shut: func(context.Context) error { closes.Add(1); return nil }}
	for range 64 {
		wg.Go(func() {
			s, err := p.Scope()
			if err != nil {
				t.Error(err)
				return
			}
			for range 4 {
				r, err := s.Register(t.Context(), shared)
				if err != nil {
					t.Error(err)
					return
				}
				if inits.Load() == closes.Load() {
					t.Error("registered, but not initialised")
				}
				if err := r.Remove(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if inits.Load() != closes.Load() || inits.Load() == 0 {
		t.Errorf("%d times initialised, %d times closed", inits.Load(), closes.Load())
	}
}

func TestInitFails(t *testing.T) {
	boom := errors.New("boom")
	for name, c := range map[string]struct {
		init func(context.Context) error
		want error
	}{
		"with an error": {func(context.Context) error { return boom }, boom},
		"with a panic":  {func(context.Context) error { panic(boom) }, boom},
	} {
		t.Run("behaviour 32: "+name, func(t *testing.T) {
			log, p := &book{}, pipeline(t)
			worse := errors.New("worse")
			plugins := []any{
				&living{name: "a", book: log},
				&living{name: "b", book: log, shut: func(context.Context) error { return worse }},
				&living{name: "c", book: log, init: c.init},
				&living{name: "d", book: log},
			}
			for range 2 { // a second try is as good as the first
				_, err := p.Register(t.Context(), plugins...)
				if !errors.Is(err, c.want) || !errors.Is(err, worse) || !strings.Contains(err.Error(), `plugin "c": Init`) {
					t.Errorf("error %v", err)
				}
				log.want(t, "init a", "init b", "init c", "close b", "close a")
			}
			if p.Active() {
				t.Error("something is registered")
			}
		})
	}
	t.Run("behaviour 32: with Goexit", func(t *testing.T) {
		log, p := &book{}, pipeline(t)
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = p.Register(t.Context(), &living{name: "a", book: log}, &living{name: "b", book: log, init: func(context.Context) error { goruntime.Goexit(); return nil }})
		}()
		<-done
		log.want(t, "init a", "init b", "close a")
	})
	t.Run("behaviour 29: a chain that refuses the links", func(t *testing.T) {
		log, p := &book{}, pipeline(t)
		register(t, p, chain.Before("a.tool_pre_invoke", Unchanged[*Tool]))
		_, err := p.Register(t.Context(), &living{name: "a", book: log})
		if err == nil || !strings.Contains(err.Error(), "duplicate link name") {
			t.Errorf("error %v", err)
		}
		log.want(t, "init a", "close a")
		if p.Reset.Active() {
			t.Error("the links of the chain before are still there")
		}
	})
	t.Run("a registration that waits for it tries itself", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			log, p := &book{}, NewPipeline(PipelineConfig{})
			defer func() { _ = p.Close(context.Background()) }()
			a, b := scopeOf(t, p), scopeOf(t, p)
			first, tries := make(chan struct{}), 0
			x := &living{name: "x", book: log, init: func(context.Context) error {
				if tries++; tries == 1 {
					<-first
					return boom
				}
				return nil
			}}
			errs := make(chan error)
			go func() { _, err := a.Register(t.Context(), x); errs <- err }()
			synctest.Wait()
			go func() { _, err := b.Register(t.Context(), x); errs <- err }()
			gone, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := p.Register(gone, x); err == nil {
				t.Error("a process-wide registration beside that of a session succeeded")
			}
			synctest.Wait()
			close(first)
			if e1, e2 := <-errs, <-errs; (e1 == nil) == (e2 == nil) {
				t.Errorf("errors %v, %v, want one", e1, e2)
			}
			log.want(t, "init x", "init x")
		})
	})
}

func TestCloseErrorsAreJoined(t *testing.T) {
	log, p := &book{}, pipeline(t)
	e1, e2 := errors.New("one"), errors.New("two")
	fail := func(err error) func(context.Context) error { return func(context.Context) error { return err } }
	r := register(t, p, &living{name: "a", book: log, shut: fail(e1)}, &living{name: "b", book: log}, &living{name: "c", book: log, shut: func(context.Context) error { panic(e2) }})
	err := r.Remove(t.Context())
	if !errors.Is(err, e1) || !errors.Is(err, e2) || !errors.Is(err, ErrClose) {
		t.Errorf("error %v", err)
	}
	log.want(t, "init a", "init b", "init c", "close c", "close b", "close a")
	if err := r.Remove(t.Context()); err != nil {
		t.Errorf("again: %v", err)
	}
	if err := (&Registration{}).Remove(t.Context()); err != nil {
		t.Error(err)
	}
	if err := r.Replace(t.Context()); err == nil {
		t.Error("a registration that is gone was replaced")
	}
}

func TestPipelineClosesPlugins(t *testing.T) {
	log := &book{}
	p := NewPipeline(PipelineConfig{})
	s := scopeOf(t, p)
	register(t, p, &living{name: "process", book: log}, &living{name: "other", book: log})
	register(t, s, &living{name: "session", book: log})
	log.want(t, "init process", "init other", "init session")
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	log.want(t, "close session")
	if err := errors.Join(p.Close(t.Context()), p.Close(t.Context())); err != nil {
		t.Error(err)
	}
	log.want(t, "close other", "close process")
	if _, err := p.Register(t.Context(), &living{name: "late", book: log}); !errors.Is(err, chain.ErrClosed) {
		t.Errorf("error %v", err)
	}
	log.want(t, "init late", "close late")
	if _, err := new(Pipeline).Register(t.Context()); err == nil {
		t.Error("a zero Pipeline takes plugins")
	}
}

func TestOneInstanceTwice(t *testing.T) {
	log := &book{}
	x := &living{name: "x", book: log}
	for name, c := range map[string]struct {
		first, second func(p, s, other *Pipeline) *Pipeline
		want          string // "" says that it is allowed
	}{
		"in one pipeline":             {process, process, "registered here already"},
		"process, then session":       {process, session, "registered in a scope above already"},
		"session, then process":       {session, process, "registered in a scope below already"},
		"sibling sessions":            {session, sibling, ""},
		"pipelines that do not touch": {process, func(*Pipeline, *Pipeline, *Pipeline) *Pipeline { return pipeline(t) }, ""},
	} {
		t.Run("behaviour 29: "+name, func(t *testing.T) {
			p := pipeline(t)
			s, other := scopeOf(t, p), scopeOf(t, p)
			r := register(t, c.first(p, s, other), x)
			second := c.second(p, s, other)
			_, err := second.Register(t.Context(), x)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), `plugin "x" is `+c.want)) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			remove(t, r)
			if c.want != "" {
				remove(t, register(t, second, x))
			}
		})
	}
}

func process(p, _, _ *Pipeline) *Pipeline     { return p }
func session(_, s, _ *Pipeline) *Pipeline     { return s }
func sibling(_, _, other *Pipeline) *Pipeline { return other }

func TestValuesAreInstancesOfTheirOwn(t *testing.T) {
	p := pipeline(t)
	s := scopeOf(t, p)
	register(t, p, good{})
	register(t, s, good{})
	if links := s.Tool.Explain().Links; len(links) != 2 {
		t.Errorf("got %v", links)
	}
}

func TestReplace(t *testing.T) {
	log, p := &book{}, pipeline(t)
	boom := errors.New("boom")
	stays, goes, comes := &living{name: "stays", book: log}, &living{name: "goes", book: log}, &living{name: "comes", book: log}
	applied := 0
	around := &wrapping{func(next chain.Handler[*Generation]) chain.Handler[*Generation] { applied++; return next }}
	r := register(t, p, stays, goes, around, chain.Before("f", Unchanged[*Fault]))
	call := p.Generation.Then(Unchanged[*Generation])
	log.want(t, "init stays", "init goes")

	if err := r.Replace(t.Context(), stays, comes, With(around, chain.Priority(1)), chain.Before("s", Unchanged[*Session])); err != nil {
		t.Fatal(err)
	}
	log.want(t, "init comes", "close goes")
	reset(t, p)
	log.want(t, "stays ran", "comes ran")
	if p.Fault.Active() || !p.Session.Active() {
		t.Error("links of chains that were left, or not yet used, are wrong")
	}
	if _, err := call(t.Context(), question); err != nil || applied != 1 {
		t.Errorf("the middleware of an instance that stays was applied %d times, error %v", applied, err)
	}

	before := p.Explain().String()
	for name, plugins := range map[string][]any{
		"a mistake":      {stays, &hookless{}},
		"an Init":        {stays, goes, &living{name: "bad", book: log, init: func(context.Context) error { return boom }}},
		"a refusal":      {stays, chain.Before("s", Unchanged[*Session]), chain.Before("y", Unchanged[*Tool], chain.RunsBefore("late")), chain.Before("late", Unchanged[*Tool], chain.Priority(1))},
		"a late refusal": {chain.Before("a", Unchanged[*Fault]), At("tool", chain.Before("z", Unchanged[*Tool], chain.Outer()))},
	} {
		log.want(t)
		if err := r.Replace(t.Context(), plugins...); err == nil || errors.Is(err, ErrClose) {
			t.Errorf("%s: error %v", name, err)
		}
		if after := p.Explain().String(); after != before {
			t.Errorf("%s changed the plan to\n%s", name, after)
		}
		log.mu.Lock()
		log.entries = nil
		log.mu.Unlock()
	}
	comes.shut = func(context.Context) error { return boom }
	if err := r.Replace(t.Context(), stays); !errors.Is(err, ErrClose) || !errors.Is(err, boom) {
		t.Errorf("error %v", err)
	}
	log.want(t, "close comes")
	reset(t, p)
	log.want(t, "stays ran")
	if err := (*Registration)(nil).Replace(t.Context()); err == nil {
		t.Error("a nil registration was replaced")
	}
}

// doneThen is a context that is done, and does something when that is looked at.
type doneThen struct {
	context.Context
	do func()
}

func (c doneThen) Done() <-chan struct{} {
	c.do()
	return c.Context.Done()
}

// 32: the last user goes while another gives up waiting for Init: Close runs all the same.
func TestCloseAfterGivingUp(t *testing.T) {
	for range 20 { // it is chance which of the two it sees first
		log := &book{}
		x := &living{name: "x", book: log}
		a, b := pipeline(t), pipeline(t)
		r, err := a.Register(t.Context(), x)
		if err != nil {
			t.Fatal(err)
		}
		done, cancel := context.WithCancel(t.Context())
		cancel()
		second, err := b.Register(doneThen{done, func() { _ = r.Remove(t.Context()) }}, x)
		if err == nil {
			err = second.Remove(t.Context())
		} else if errors.Is(err, context.Canceled) {
			err = nil
		}
		if err != nil {
			t.Fatal(err)
		}
		log.want(t, "init x", "close x")
	}
}
