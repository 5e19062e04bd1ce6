package stages

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/maillon-go/maillon/chain"
)

// enter begins a block that must be possible.
func enter(ctx context.Context, t *testing.T, plugins ...any) (context.Context, func()) {
	t.Helper()
	ctx, release, err := WithPlugins(ctx, plugins...)
	if err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	end := func() {
		if err := release(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(func() { once.Do(end) })
	return ctx, end
}

// bench is a stage of a pipeline that block scopes reach, and what ran in it.
type bench struct {
	*testing.T
	log  *book
	call chain.Handler[*Reset]
}

func newBench(t *testing.T, p *Pipeline) *bench {
	t.Helper()
	return &bench{t, &book{}, Bind(p, p.Reset, Unchanged[*Reset])}
}

func (b *bench) plugin(name string) *living { return &living{name: name, book: b.log} }

func (b *bench) link(name string, opts ...chain.Option) chain.Link[*Reset] {
	return chain.Before(name, func(_ context.Context, r *Reset) (*Reset, error) { b.log.add("%s ran", name); return r, nil }, opts...)
}

func (b *bench) ran(ctx context.Context, want ...string) {
	b.Helper()
	if _, err := b.call(ctx, NewReset(Meta{}, ResetFields{})); err != nil {
		b.Error(err)
	}
	b.log.want(b.T, want...)
}

func TestActiveInBlocks(t *testing.T) {
	p := pipeline(t)
	s := scopeOf(t, p)
	b := newBench(t, s)
	check := func(when string, ctx context.Context, want bool) {
		t.Helper()
		if got := Active(ctx, s.Reset); got != want {
			t.Errorf("%s: %v", when, got)
		}
	}
	check("without links", t.Context(), false)
	ctx, end := enter(t.Context(), t, b.link("block"))
	check("outside of the block", t.Context(), false)
	check("in the block", ctx, true)
	if Active(ctx, s.Tool) {
		t.Error("another stage is active in the block")
	}
	inner, endInner := enter(ctx, t, b.link("inner"))
	end()
	check("the outer block is over", ctx, false)
	check("in the inner one", inner, true)
	endInner()
	check("both are over", inner, false)
	register(t, p, b.link("process"))
	check("in the process", t.Context(), true)
}

func TestBlockScopes(t *testing.T) {
	t.Run("behaviour 28: process, session and block run together, by priority", func(t *testing.T) {
		p := pipeline(t)
		s := scopeOf(t, p)
		b := newBench(t, s)
		register(t, p, b.link("process", chain.Priority(20)))
		register(t, s, b.link("session", chain.Priority(30)), b.link("last"))
		ctx, _ := enter(t.Context(), t, b.link("block", chain.Priority(25)), b.link("block last"))
		b.ran(ctx, "process ran", "block ran", "session ran", "last ran", "block last ran")
		b.ran(t.Context(), "process ran", "session ran", "last ran")
	})
	t.Run("the same without a session", func(t *testing.T) {
		p := pipeline(t)
		b := newBench(t, p)
		register(t, p, b.link("process"))
		ctx, _ := enter(t.Context(), t, b.link("block"))
		b.ran(ctx, "process ran", "block ran")
	})
	t.Run("behaviour 29: nested, each end ends its own", func(t *testing.T) {
		b := newBench(t, pipeline(t))
		outer, endOuter := enter(t.Context(), t, b.link("outer"))
		inner, endInner := enter(outer, t, b.link("inner"))
		b.ran(inner, "outer ran", "inner ran")
		b.ran(outer, "outer ran")
		endInner()
		endInner()
		b.ran(inner, "outer ran")
		again, endAgain := enter(inner, t, b.link("inner"))
		b.ran(again, "outer ran", "inner ran")
		endOuter()
		b.ran(again, "inner ran")
		b.ran(outer)
		endAgain()
		b.ran(again)
		if openBlocks.Load() != 0 {
			t.Errorf("%d blocks are open", openBlocks.Load())
		}
	})
	t.Run("behaviour 29: ends on a panic and on an error", func(t *testing.T) {
		b := newBench(t, pipeline(t))
		x := b.plugin("x")
		var inside context.Context
		func() {
			defer func() { _ = recover() }()
			ctx, release, err := WithPlugins(t.Context(), x)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = release() }()
			inside = ctx //nolint:fatcontext // to see what it does after its block
			b.ran(ctx, "init x", "x ran")
			panic("no")
		}()
		b.ran(inside, "close x")
	})
	t.Run("another goroutine", func(t *testing.T) {
		b := newBench(t, pipeline(t))
		ctx, end := enter(t.Context(), t, b.link("block"))
		var wg sync.WaitGroup
		wg.Go(func() { b.ran(ctx, "block ran") })
		wg.Wait()
		b.ran(context.WithoutCancel(ctx), "block ran")
		end()
		wg.Go(func() { b.ran(ctx) })
		wg.Wait()
	})
	t.Run("a stage in which the block has nothing", func(t *testing.T) {
		p := pipeline(t)
		b := newBench(t, p)
		ctx, _ := enter(t.Context(), t, chain.Before("elsewhere", Unchanged[*Tool]))
		b.ran(ctx)
		b.ran(ctx)
	})
}

func TestBlockSeesLaterChanges(t *testing.T) {
	p := pipeline(t)
	s := scopeOf(t, p)
	b := newBench(t, s)
	ctx, _ := enter(t.Context(), t, b.link("block"))
	b.ran(ctx, "block ran")
	r := register(t, p, b.link("process"))
	register(t, s, b.link("session"))
	b.ran(ctx, "process ran", "session ran", "block ran")
	remove(t, r)
	b.ran(ctx, "session ran", "block ran")
}

func TestOneInstanceTwiceInABlock(t *testing.T) {
	twice := func(b *bench, ctx context.Context, want string) {
		b.Helper()
		for range 2 {
			if _, err := b.call(ctx, NewReset(Meta{}, ResetFields{})); err == nil || !strings.Contains(err.Error(), want) {
				b.Errorf("error %v, want %q", err, want)
			}
		}
		b.log.entries = nil
	}
	t.Run("nested blocks", func(t *testing.T) {
		b := newBench(t, pipeline(t))
		x := b.plugin("x")
		outer, end := enter(t.Context(), t, x)
		ctx, release, err := WithPlugins(outer, b.plugin("y"), x)
		if err == nil || !strings.Contains(err.Error(), `plugin "x" is registered in an enclosing block already`) || ctx != outer {
			t.Errorf("error %v", err)
		}
		if err := release(); err != nil {
			t.Error(err)
		}
		b.ran(outer, "init x", "x ran")
		end()
		again, _ := enter(outer, t, x)
		b.ran(again, "close x", "init x", "x ran")
	})
	t.Run("process and block", func(t *testing.T) {
		p := pipeline(t)
		b := newBench(t, scopeOf(t, p))
		x := b.plugin("x")
		r := register(t, p, x)
		ctx, _ := enter(t.Context(), t, x)
		twice(b, ctx, `chain reset: plugin "x" is registered in a block and in the process: the call would run it twice`)
		b.ran(t.Context(), "x ran")
		remove(t, r)
		b.ran(ctx, "x ran")
		remove(t, register(t, p, x))
		b.ran(ctx, "x ran")
		register(t, p, x)
		twice(b, ctx, "in the process")
	})
	t.Run("session and block", func(t *testing.T) {
		p := pipeline(t)
		s, other := scopeOf(t, p), scopeOf(t, p)
		b := newBench(t, s)
		beside := &bench{t, b.log, Bind(other, other.Reset, Unchanged[*Reset])}
		x := b.plugin("x")
		register(t, s, x)
		ctx, _ := enter(t.Context(), t, x)
		twice(b, ctx, "in the session")
		beside.ran(ctx, "x ran")
	})
	t.Run("sibling blocks may share it", func(t *testing.T) {
		b := newBench(t, pipeline(t))
		x := b.plugin("x")
		one, endOne := enter(t.Context(), t, x)
		two, endTwo := enter(t.Context(), t, x)
		b.ran(one, "init x", "x ran")
		b.ran(two, "x ran")
		endOne()
		b.ran(one)
		b.ran(two, "x ran")
		endTwo()
		b.ran(two, "close x")
	})
}

func TestBlockMistakes(t *testing.T) {
	b := newBench(t, pipeline(t))
	boom := errors.New("boom")
	for name, plugins := range map[string][]any{
		"a plugin that is none":       {b.link("x"), &hookless{}},
		"a link that is wrong":        {b.link("x", chain.Outer())},
		"constraints that contradict": {b.link("x", chain.RunsBefore("y")), b.link("y", chain.RunsBefore("x"))},
		"an Init that fails":          {b.link("x"), &living{name: "z", book: b.log, init: func(context.Context) error { return boom }}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, release, err := WithPlugins(t.Context(), plugins...)
			if err == nil || ctx != t.Context() || openBlocks.Load() != 0 {
				t.Errorf("error %v, %d blocks open", err, openBlocks.Load())
			}
			if err := release(); err != nil {
				t.Error(err)
			}
			b.log.entries = nil
		})
	}
	t.Run("a constraint against the session refuses the call", func(t *testing.T) {
		p := pipeline(t)
		b := newBench(t, p)
		register(t, p, b.link("late", chain.Priority(60)))
		ctx, end := enter(t.Context(), t, b.link("x", chain.RunsAfter("late")))
		if _, err := b.call(ctx, NewReset(Meta{}, ResetFields{})); err == nil || !strings.Contains(err.Error(), "the plugins of a block do not fit here") {
			t.Errorf("error %v", err)
		}
		b.log.want(t)
		end()
		b.ran(ctx, "late ran")
	})
	t.Run("errors of Close", func(t *testing.T) {
		_, release, err := WithPlugins(t.Context(), &living{name: "z", book: b.log, shut: func(context.Context) error { return boom }})
		if err != nil {
			t.Fatal(err)
		}
		if err := release(); !errors.Is(err, boom) || !errors.Is(err, ErrClose) {
			t.Errorf("error %v", err)
		}
	})
}

func TestBlocksAreForgotten(t *testing.T) {
	p := pipeline(t)
	b := &binding[*Reset]{p: p, c: p.Reset, h: Unchanged[*Reset], blocks: map[*block]*inBlock[*Reset]{}}
	for range 100 {
		ctx, end := enter(t.Context(), t, chain.Before("x", Unchanged[*Reset]))
		if _, err := b.in(blockOf(ctx)); err != nil {
			t.Fatal(err)
		}
		end()
	}
	if len(b.blocks) > 2 {
		t.Errorf("%d blocks are kept", len(b.blocks))
	}
}

func TestNoBlockCostsNothing(t *testing.T) {
	p := pipeline(t)
	call := Bind(p, p.Reset, Unchanged[*Reset])
	r := NewReset(Meta{}, ResetFields{})
	if n := testing.AllocsPerRun(100, func() { _, _ = call(t.Context(), r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if out, err := call(t.Context(), r); out != r || err != nil {
		t.Errorf("got %v, %v", out, err)
	}
	if _, err := call(nil, r); err == nil {
		t.Error("a nil context was taken")
	}
}

// mine counts the calls of one session.
type mine struct {
	pass
	id    string
	calls atomic.Int64
	wrong atomic.Int64
}

func (m *mine) OnToolPreInvoke(_ context.Context, x *Tool) (*Tool, error) {
	if m.calls.Add(1); x.Meta().SessionID != m.id {
		m.wrong.Add(1)
	}
	return x, nil
}

func TestIsolation(t *testing.T) {
	p := pipeline(t)
	all := &mine{pass: pass{"all"}}
	register(t, p, all)
	shared := &mine{pass: pass{"shared"}}
	const sessions, calls = 64, 20
	var wg sync.WaitGroup
	for i := range sessions {
		wg.Go(func() {
			id := strings.Repeat("s", i+1)
			s, err := p.Scope()
			if err != nil {
				t.Error(err)
				return
			}
			own, inBlock := &mine{pass: pass{"own"}, id: id}, &mine{pass: pass{"block"}, id: id}
			if _, err := s.Register(t.Context(), Group("g", own, shared)); err != nil {
				t.Error(err)
				return
			}
			call := Bind(s, s.Tool, Unchanged[*Tool])
			invoke := func(ctx context.Context) {
				if _, err := call(ctx, NewTool(Meta{SessionID: id}, ToolFields{})); err != nil {
					t.Error(err)
				}
			}
			for range calls {
				ctx, release, err := WithPlugins(t.Context(), inBlock)
				if err != nil {
					t.Error(err)
					return
				}
				var both sync.WaitGroup
				both.Go(func() { invoke(ctx) })
				invoke(t.Context())
				both.Wait()
				if err := release(); err != nil {
					t.Error(err)
				}
			}
			if n, m := own.calls.Load(), inBlock.calls.Load(); n != 2*calls || m != calls || own.wrong.Load()+inBlock.wrong.Load() != 0 {
				t.Errorf("session: %d calls, block: %d, of others: %d and %d", n, m, own.wrong.Load(), inBlock.wrong.Load())
			}
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if want := int64(2 * sessions * calls); all.calls.Load() != want || shared.calls.Load() != want {
		t.Errorf("process: %d calls, shared: %d, want %d", all.calls.Load(), shared.calls.Load(), want)
	}
	instances.mu.Lock()
	defer instances.mu.Unlock()
	if len(instances.live) != 1 || instances.live[all] == nil {
		t.Errorf("%d plugins are left", len(instances.live))
	}
}

func TestScopesInExplain(t *testing.T) {
	p := pipeline(t)
	var scopes []string
	ctx, _ := enter(t.Context(), t, chain.Before("block", func(_ context.Context, r *Reset) (*Reset, error) { return nil, chain.Block("no") }))
	p.WithTracer(scopeTracer{&scopes})
	_, _ = Bind(p, p.Reset, Unchanged[*Reset])(ctx, NewReset(Meta{}, ResetFields{}))
	s := scopeOf(t, p)
	_, _ = Bind(s, s.Reset, Unchanged[*Reset])(ctx, NewReset(Meta{}, ResetFields{}))
	if want := []string{"block/block", "block/block"}; !slices.Equal(scopes, want) {
		t.Errorf("traced %v, want %v", scopes, want)
	}
}

type scopeTracer struct{ seen *[]string }

func (scopeTracer) Sample(context.Context) bool { return true }

func (s scopeTracer) LinkStart(ctx context.Context, l chain.Traced) context.Context {
	*s.seen = append(*s.seen, l.Scope+"/"+l.Link)
	return ctx
}

func (scopeTracer) LinkEnd(context.Context, chain.Traced, error) {}
