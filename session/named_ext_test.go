package session_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// registry has the backends "small" and "large", which answer with their name, and "broken" ones. It tells what it made.
type registry struct {
	*session.Backends
	made map[string][]*closing
	told []string // settings
}

func newRegistry(tb testing.TB) *registry {
	tb.Helper()
	r := &registry{session.NewBackends(), map[string][]*closing{}, nil}
	for _, name := range []string{"small", "large"} {
		if err := r.Add(name, func(_ context.Context, settings stages.Map[any]) (session.Backend, error) {
			url, _ := settings.Get("url")
			r.told = append(r.told, fmt.Sprint(name, " ", url))
			c := &closing{Backend: session.BackendFunc(func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
				return g.Done(stages.GenerationResult{Output: stages.Output{Text: name + " " + g.Backend().Model}}), nil
			})}
			r.made[name] = append(r.made[name], c)
			return c, nil
		}); err != nil {
			tb.Fatal(err)
		}
	}
	for name, f := range map[string]session.BackendFactory{
		"broken":  func(context.Context, stages.Map[any]) (session.Backend, error) { return nil, errDown },
		"panicky": func(context.Context, stages.Map[any]) (session.Backend, error) { panic(errDown) },
		"nothing": func(context.Context, stages.Map[any]) (session.Backend, error) { return nil, nil },
	} {
		if err := r.Add(name, f); err != nil {
			tb.Fatal(err)
		}
	}
	return r
}

func url(s string) stages.Map[any] { return stages.MapOf(map[string]any{"url": s}) }

// routing is a session_pre_init hook.
func routing(f func(*stages.Session) *stages.Session) session.Option {
	return session.WithSetup(rewriteIn(func(p *stages.Pipeline) *chain.Chain[*stages.Session] { return p.Session }, f))
}

func TestNamedBackend(t *testing.T) {
	t.Parallel()
	r, rec := newRegistry(t), &recorder{}
	s, err := session.Start(t.Context(), session.WithPipeline(stages.NewPipeline(stages.PipelineConfig{})),
		session.WithBackends(r.Backends), session.WithBackendName("small", url("a")), session.WithModel("m1"),
		routing(func(p *stages.Session) *stages.Session {
			if p.BackendName() != "small" || p.ModelID() != "m1" || p.BackendSettings().Len() != 1 {
				t.Errorf("the hook got %q, %q", p.BackendName(), p.ModelID())
			}
			return p.WithBackendName("large").WithModelID("m2").WithBackendSettings(url("b"))
		}), session.WithSetup(rec.register))
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.Instruct(t.Context(), "hello")
	if err != nil || res.Text() != "large m2" {
		t.Fatalf("got %v, %v", res, err)
	}
	want := stages.Backend{Name: "large", Model: "m2"}
	if got := last[*stages.Session](t, rec, "session_post_init").Backend(); got != want || s.Backend() != want {
		t.Errorf("got %+v", got)
	}
	if !slices.Equal(r.told, []string{"large b"}) {
		t.Errorf("made %v", r.told)
	}
	if err := s.Close(t.Context()); err != nil || r.made["large"][0].n != 1 {
		t.Errorf("got %v, closed %d times", err, r.made["large"][0].n)
	}
}

func TestNamedBackendRefused(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	if err := errors.Join(r.Add("small", func(context.Context, stages.Map[any]) (session.Backend, error) { return echo(), nil }),
		r.Add("", nil), r.Add("x", nil)); !errors.Is(err, session.ErrOption) || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("Add: got %v", err)
	}
	none := session.WithBackendName("", stages.Map[any]{})
	for _, tc := range []struct {
		name string
		opts []session.Option
		want error
		says string
	}{
		{"a name that is nearly right", []session.Option{session.WithBackends(r.Backends), session.WithBackendName("Smal", stages.Map[any]{})}, session.ErrUnknownBackend, `unknown backend "Smal": did you mean "small"?`},
		{"a name that is not", []session.Option{session.WithBackends(r.Backends), session.WithBackendName("zzzzzz", stages.Map[any]{})}, session.ErrUnknownBackend, "there is: broken, large, nothing, panicky, small"},
		{"of a hook", []session.Option{session.WithBackends(r.Backends), routing(func(p *stages.Session) *stages.Session { return p.WithBackendName("lrge") })}, session.ErrUnknownBackend, `did you mean "large"?`},
		{"none registered", []session.Option{session.WithBackends(session.NewBackends()), session.WithBackendName("a", stages.Map[any]{})}, session.ErrUnknownBackend, "none is registered"},
		{"no registry", []session.Option{session.WithBackendName("small", stages.Map[any]{})}, session.ErrNoBackend, "without WithBackends"},
		{"no name", []session.Option{session.WithBackends(r.Backends), none}, session.ErrNoBackend, "WithBackendName"},
		{"one that fails", []session.Option{session.WithBackends(r.Backends), session.WithBackendName("broken", stages.Map[any]{})}, errDown, `"broken"`},
		{"one that panics", []session.Option{session.WithBackends(r.Backends), session.WithBackendName("panicky", stages.Map[any]{})}, errDown, ""},
		{"one that is nil", []session.Option{session.WithBackends(r.Backends), session.WithBackendName("nothing", stages.Map[any]{})}, session.ErrNoBackend, `"nothing"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			rec := &recorder{}
			s, err := session.Start(t.Context(), append(tc.opts, session.WithSetup(rec.register))...)
			if s != nil || !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("got %v", err)
			}
			if rec.count("session_cleanup") != 0 {
				t.Error("a session that never began ended")
			}
		})
	}
}

// What was opened is closed when session_post_init blocks, and when a link goes through the start a second time.
func TestNamedBackendIsClosed(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	opts := []session.Option{session.WithBackends(r.Backends), session.WithBackendName("small", stages.Map[any]{})}
	_, err := session.Start(t.Context(), append(opts, session.WithSetup(func(p *stages.Pipeline) error {
		_, err := p.Session.Use(chain.After("no", blocking[*stages.Session]))
		return err
	}))...)
	if wantBlock(t, err, "session"); r.made["small"][0].n != 1 {
		t.Errorf("closed %d times", r.made["small"][0].n)
	}
	s := start(t, append(opts, session.WithSetup(around(func(p *stages.Pipeline) *chain.Chain[*stages.Session] { return p.Session },
		func(ctx context.Context, p *stages.Session, next handler[*stages.Session]) (*stages.Session, error) {
			if _, err := next(ctx, p); err != nil {
				return nil, err
			}
			return next(ctx, p.WithBackendName("large"))
		})))...)
	if res, err := s.Instruct(t.Context(), "hello"); err != nil || res.Text() != "large " || r.made["small"][1].n != 1 || r.made["large"][0].n != 0 {
		t.Errorf("got %v, %v", res, err)
	}
}

func TestFork(t *testing.T) {
	t.Parallel()
	shared, rec := &closing{Backend: script(answer("one"), answer("two"), answer("three"), answer("four"))}, &recorder{}
	p := stages.NewPipeline(stages.PipelineConfig{})
	parent, err := session.Start(t.Context(), session.WithPipeline(p), session.WithBackend(shared), session.WithModel("m"),
		session.WithUser("ada"), session.WithSetup(rec.register), session.WithLabel("team", "harbour"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parent.Instruct(t.Context(), "q1"); err != nil {
		t.Fatal(err)
	}
	fork, err := parent.Fork(t.Context(), session.WithLabel("kind", "fork"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !fork.History().Same(parent.History()) || fork.ID() == parent.ID() || fork.Backend() != parent.Backend() || fork.Totals() != (session.Totals{}) {
		t.Errorf("the fork is %+v", fork)
	}
	if _, err := fork.Instruct(t.Context(), "q2"); err != nil {
		t.Fatal(err)
	}
	g := last[*stages.Generation](t, rec, "generation_pre_call")
	if team, _ := g.Meta().Labels.Get("team"); g.Meta().SessionID != fork.ID() || g.Meta().UserID != "ada" || g.Meta().Labels.Len() != 2 || team != "harbour" {
		t.Errorf("the hooks of the parent saw %+v", g.Meta())
	}
	if parent.History().Len() != 2 || fork.History().Len() != 4 {
		t.Errorf("%v, %v", texts(parent.History()), texts(fork.History()))
	}
	if err := parent.Close(t.Context()); err != nil || shared.n != 0 {
		t.Errorf("got %v, the backend was closed %d times", err, shared.n)
	}
	if _, err := fork.Instruct(t.Context(), "q3"); err != nil {
		t.Errorf("the parent is closed: %v", err)
	}
	if _, err := parent.Fork(t.Context()); !errors.Is(err, session.ErrClosed) {
		t.Errorf("a fork of a closed session: %v", err)
	}
	if err := fork.Close(t.Context()); err != nil || shared.n != 1 {
		t.Errorf("got %v, the backend was closed %d times", err, shared.n)
	}
	if rec.count("session_pre_init") != 2 || rec.count("session_cleanup") != 2 {
		t.Errorf("%v", rec.names())
	}
	if c := last[*stages.Cleanup](t, rec, "session_cleanup"); c.Interactions() != 2 || c.FinalHistory().Len() != 6 {
		t.Errorf("the fork's totals are %+v", c)
	}
}

func TestForkElsewhere(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		opt  session.Option
		want string
		made int // of small and large, with the parent's
		err  error
	}{
		{name: "nothing said", want: "small m", made: 1},
		{name: "another name", opt: session.WithBackendName("large", stages.Map[any]{}), want: "large ", made: 2},
		{name: "other settings", opt: session.WithBackendName("small", url("b")), want: "small ", made: 2},
		{name: "a hook", opt: routing(func(p *stages.Session) *stages.Session { return p.WithBackendName("large") }), want: "large m", made: 2},
		{name: "a backend", opt: session.WithBackend(script(answer("mine"))), want: "mine", made: 1},
		{name: "an unknown name", opt: session.WithBackendName("lage", stages.Map[any]{}), made: 1, err: session.ErrUnknownBackend},
		{name: "a bad option", opt: session.WithHistoryKind("tree"), made: 1, err: session.ErrOption},
		{name: "a setup that fails", opt: session.WithSetup(func(*stages.Pipeline) error { return errSetup }), made: 1, err: errSetup},
		{name: "a block", opt: session.WithSetup(func(p *stages.Pipeline) error {
			_, err := p.Session.Use(chain.After("no", blocking[*stages.Session]))
			return err
		}), made: 1, err: errAny},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := newRegistry(t)
			parent, err := session.Start(t.Context(), session.WithPipeline(stages.NewPipeline(stages.PipelineConfig{})),
				session.WithBackends(r.Backends), session.WithBackendName("small", url("a")), session.WithModel("m"))
			if err != nil {
				t.Fatal(err)
			}
			fork, err := parent.Fork(t.Context(), tc.opt)
			if (err != nil) != (tc.err != nil) || tc.err != nil && tc.err != errAny && !errors.Is(err, tc.err) {
				t.Fatalf("got %v", err)
			}
			if err == nil {
				res, err := fork.Instruct(t.Context(), "q")
				if err != nil || res.Text() != tc.want {
					t.Errorf("got %v, %v", res, err)
				}
				if err := fork.Close(t.Context()); err != nil {
					t.Error(err)
				}
			}
			all := slices.Concat(r.made["small"], r.made["large"])
			if len(all) != tc.made || all[0].n != 0 {
				t.Errorf("made %d, the parent's was closed %d times", len(all), all[0].n)
			}
			if err := parent.Close(t.Context()); err != nil {
				t.Error(err)
			}
			for i, c := range all {
				if c.n != 1 {
					t.Errorf("backend %d was closed %d times", i, c.n)
				}
			}
		})
	}
}

// adapting is a backend with adapters.
type adapting struct {
	session.Backend
	did []string
	err error
}

func (a *adapting) LoadAdapter(_ context.Context, name string, settings stages.Map[any]) error {
	path, _ := settings.Get("path")
	a.did = append(a.did, fmt.Sprint("load ", name, " ", path))
	return a.err
}

func (a *adapting) UnloadAdapter(_ context.Context, name string) error {
	a.did = append(a.did, "unload "+name)
	return a.err
}

func TestAdapters(t *testing.T) {
	t.Parallel()
	b, rec := &adapting{Backend: echo()}, &recorder{}
	s := start(t, session.WithBackend(b), session.WithSetup(rec.register))
	if err := errors.Join(s.LoadAdapter(t.Context(), "sea", stages.MapOf(map[string]any{"path": "/sea"})), s.UnloadAdapter(t.Context(), "sea")); err != nil {
		t.Fatal(err)
	}
	if want := []string{"load sea /sea", "unload sea"}; !slices.Equal(b.did, want) {
		t.Errorf("got %q", b.did)
	}
	want := []string{"session_pre_init", "session_post_init", "adapter_pre_load", "adapter_post_load", "adapter_pre_unload", "adapter_post_unload"}
	if got := rec.names(); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	for i, e := range rec.all()[2:] {
		a := e.payload.(*stages.Adapter)
		if a.Name() != "sea" || a.Backend() != s.Backend().Name || (i%2 == 1) != a.HasResult() {
			t.Errorf("%s: %+v", e.hook, a)
		}
		if pre := rec.all()[2+i/2*2]; e.meta.CorrelationID != pre.meta.CorrelationID {
			t.Errorf("%s and %s have two correlation ids", e.hook, pre.hook)
		}
	}
	b.err = errDown
	if err := s.LoadAdapter(t.Context(), "air", stages.Map[any]{}); !errors.Is(err, errDown) || !strings.Contains(err.Error(), `load adapter "air"`) {
		t.Errorf("got %v", err)
	}
	if f := last[*stages.Fault](t, rec, "error_occurred"); f.Where() != "adapter_load" {
		t.Errorf("got %+v", f)
	}
	b.err, b.did = nil, nil
	use(t, s.Pipeline().AdapterLoad, chain.Before("no", blocking[*stages.Adapter]))
	use(t, s.Pipeline().AdapterUnload, chain.Before("no", blocking[*stages.Adapter]))
	wantBlock(t, s.LoadAdapter(t.Context(), "sea", stages.Map[any]{}), "adapter_load")
	wantBlock(t, s.UnloadAdapter(t.Context(), "sea"), "adapter_unload")
	if b.did != nil {
		t.Errorf("a block let through %v", b.did)
	}
	plain := start(t, session.WithBackend(script()))
	if err := plain.LoadAdapter(t.Context(), "sea", stages.Map[any]{}); !errors.Is(err, session.ErrNoAdapters) || !strings.Contains(err.Error(), "scripted") {
		t.Errorf("got %v", err)
	}
}
