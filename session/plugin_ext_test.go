package session_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// diary is a plugin that writes down what it sees.
type diary struct {
	name string
	mu   sync.Mutex
	seen []string
}

var (
	_ stages.OnSessionPreInit    = (*diary)(nil)
	_ stages.OnGenerationPreCall = (*diary)(nil)
	_ stages.ObserveCleanup      = (*diary)(nil)
)

func (d *diary) add(what string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen = append(d.seen, what)
}

func (d *diary) want(t *testing.T, want ...string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Equal(d.seen, want) {
		t.Errorf("%s: %v, want %v", d.name, d.seen, want)
	}
}

func (d *diary) Name() string { return d.name }

func (d *diary) Init(context.Context) error { d.add("init"); return nil }

func (d *diary) Close(context.Context) error { d.add("close"); return nil }

func (d *diary) OnSessionPreInit(_ context.Context, p *stages.Session) (*stages.Session, error) {
	d.add("session_pre_init")
	return p, nil
}

func (d *diary) OnGenerationPreCall(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
	d.add("generation_pre_call")
	return g, nil
}

func (d *diary) ObserveCleanup(context.Context, chain.Outcome[*stages.Cleanup]) { d.add("cleanup") }

func TestPlugins(t *testing.T) {
	t.Run("behaviour 31: plugins of a session see it from beginning to end", func(t *testing.T) {
		d, p := &diary{name: "diary"}, stages.NewPipeline(stages.PipelineConfig{})
		s, err := session.Start(t.Context(), session.WithPipeline(p), session.WithBackend(echo()), session.WithPlugins(d))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Instruct(t.Context(), "Hello"); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		d.want(t, "init", "session_pre_init", "generation_pre_call", "cleanup", "close")
	})
	t.Run("behaviour 29: a session that does not start leaves nothing behind", func(t *testing.T) {
		for name, why := range map[string]session.Option{
			"a block":     session.WithPlugins(chain.Before("no", func(context.Context, *stages.Session) (*stages.Session, error) { return nil, chain.Block("no") })),
			"a mistake":   session.WithPlugins(chain.Before[*stages.Session]("nothing", nil)),
			"its own end": session.WithSetup(func(*stages.Pipeline) error { return errors.New("no") }),
		} {
			d := &diary{name: "diary"}
			if _, err := session.Start(t.Context(), session.WithPipeline(stages.NewPipeline(stages.PipelineConfig{})),
				session.WithBackend(echo()), session.WithPlugins(d), why); err == nil {
				t.Errorf("%s: it started", name)
			}
			d.mu.Lock()
			if last := d.seen[len(d.seen)-1]; last != "close" {
				t.Errorf("%s: %v", name, d.seen)
			}
			d.mu.Unlock()
		}
	})
	t.Run("behaviour 28: process, session and block, and what another session does not see", func(t *testing.T) {
		process, own, block := &diary{name: "process"}, &diary{name: "own"}, &diary{name: "block"}
		p := stages.NewPipeline(stages.PipelineConfig{})
		if _, err := p.Register(t.Context(), process); err != nil {
			t.Fatal(err)
		}
		s := start(t, session.WithPipeline(p), session.WithBackend(echo()), session.WithPlugins(own))
		other := start(t, session.WithPipeline(p), session.WithBackend(echo()))
		ctx, release, err := stages.WithPlugins(t.Context(), block)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range []*session.Session{s, other} {
			if _, err := x.Instruct(ctx, "Hello"); err != nil {
				t.Fatal(err)
			}
		}
		if err := release(); err != nil {
			t.Error(err)
		}
		if _, err := s.Instruct(ctx, "Hello"); err != nil {
			t.Fatal(err)
		}
		process.want(t, "init", "session_pre_init", "session_pre_init", "generation_pre_call", "generation_pre_call", "generation_pre_call")
		own.want(t, "init", "session_pre_init", "generation_pre_call", "generation_pre_call")
		block.want(t, "init", "generation_pre_call", "generation_pre_call", "close")
	})
	t.Run("behaviour 29: one instance in the session and in a block", func(t *testing.T) {
		d := &diary{name: "diary"}
		s := start(t, session.WithBackend(echo()), session.WithPlugins(d))
		ctx, release, err := stages.WithPlugins(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Instruct(ctx, "Hello"); err == nil {
			t.Error("the call was not refused")
		}
		if err := release(); err != nil {
			t.Error(err)
		}
		d.want(t, "init", "session_pre_init")
	})
}
