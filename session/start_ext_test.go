package session_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

func TestStartRefuses(t *testing.T) {
	t.Parallel()
	closed := stages.NewPipeline(stages.PipelineConfig{})
	if err := closed.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		opts []session.Option
		want error
	}{
		{"no backend", nil, session.ErrNoBackend},
		{"a nil backend", []session.Option{session.WithBackend(nil)}, session.ErrNoBackend},
		{"a nil function", []session.Option{session.WithBackend(session.BackendFunc(nil))}, session.ErrNoBackend},
		{"a setup that fails", []session.Option{
			session.WithBackend(echo()), session.WithSetup(func(*stages.Pipeline) error { return errSetup }),
		}, errSetup},
		{"a setup that panics", []session.Option{
			session.WithBackend(echo()), session.WithSetup(func(*stages.Pipeline) error { panic(errSetup) }),
		}, errSetup},
		{"a Describe that panics", []session.Option{session.WithBackend(indescribable{echo()})}, errSetup},
		{"a closed pipeline", []session.Option{session.WithBackend(echo()), session.WithPipeline(closed)}, chain.ErrClosed},
		{"an unknown history kind", []session.Option{session.WithBackend(echo()), session.WithHistoryKind("tree")}, session.ErrOption},
		{"a tool without a function", []session.Option{
			session.WithBackend(echo()), session.WithTools(stages.Callable{Name: "tide"}),
		}, session.ErrOption},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if s, err := session.Start(t.Context(), tc.opts...); !errors.Is(err, tc.want) || s != nil {
				t.Errorf("got %v, %v; want %v", s, err, tc.want)
			}
		})
	}
}

var errSetup = errors.New("no plugins today")

type indescribable struct{ session.Backend }

func (indescribable) Describe() stages.Backend { panic(errSetup) }

// A nil context and a session that nobody started are errors, not panics.
func TestWrongCalls(t *testing.T) {
	t.Parallel()
	s := start(t, session.WithBackend(echo()))
	for _, tc := range []struct {
		name string
		call func(ctx context.Context, s *session.Session) error
	}{
		{"Start", func(ctx context.Context, s *session.Session) error {
			if s.Pipeline() == nil {
				return session.ErrClosed // there is no session to begin with
			}
			_, err := session.Start(ctx, session.WithBackend(echo()))
			return err
		}},
		{"Instruct", func(ctx context.Context, s *session.Session) error {
			_, err := s.Instruct(ctx, "hello")
			return err
		}},
		{"Validate", func(ctx context.Context, s *session.Session) error {
			_, err := s.Validate(ctx)
			return err
		}},
		{"Reset", func(ctx context.Context, s *session.Session) error { return s.Reset(ctx, "") }},
		{"Close", func(ctx context.Context, s *session.Session) error { return s.Close(ctx) }},
		{"Fork", func(ctx context.Context, s *session.Session) error {
			_, err := s.Fork(ctx)
			return err
		}},
		{"LoadAdapter", func(ctx context.Context, s *session.Session) error {
			return s.LoadAdapter(ctx, "sea", stages.Map[any]{})
		}},
		{"UnloadAdapter", func(ctx context.Context, s *session.Session) error { return s.UnloadAdapter(ctx, "sea") }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if err := tc.call(nil, s); !errors.Is(err, session.ErrOption) {
				t.Errorf("with a nil context: got %v", err)
			}
			if err := tc.call(t.Context(), &session.Session{}); !errors.Is(err, session.ErrClosed) {
				t.Errorf("of the zero Session: got %v", err)
			}
		})
	}
	if _, err := s.Instruct(t.Context(), "hello"); err != nil {
		t.Errorf("the session is broken: %v", err)
	}
}

func TestNilOptionsAreSkipped(t *testing.T) {
	t.Parallel()
	s := start(t, nil, session.WithBackend(echo()), session.WithSetup(nil), session.WithLogger(nil))
	if _, err := s.Instruct(t.Context(), "hello", nil); err != nil {
		t.Error(err)
	}
}

// closing is a backend that counts how often it was closed.
type closing struct {
	session.Backend
	n   int
	err error
}

func (c *closing) Close() error {
	c.n++
	return c.err
}

func TestBlockAtStart(t *testing.T) {
	t.Parallel()
	t.Run("session_pre_init: Start fails, the backend stays as it was", func(t *testing.T) {
		t.Parallel()
		rec, b := &recorder{}, &closing{Backend: echo()}
		_, err := session.Start(t.Context(), session.WithBackend(b), session.WithSetup(rec.register),
			session.WithSetup(func(p *stages.Pipeline) error {
				_, err := p.Session.Use(chain.Before("no", blocking[*stages.Session]))
				return err
			}))
		wantBlock(t, err, "session")
		if rec.count("session_cleanup") != 0 || b.n != 0 {
			t.Errorf("%v, closed %d times", rec.names(), b.n)
		}
	})
	t.Run("session_post_init: Start fails, the session is closed", func(t *testing.T) {
		t.Parallel()
		rec, b := &recorder{}, &closing{Backend: echo()}
		_, err := session.Start(t.Context(), session.WithBackend(b), session.WithSetup(rec.register),
			session.WithSetup(func(p *stages.Pipeline) error {
				_, err := p.Session.Use(chain.After("no", blocking[*stages.Session]))
				return err
			}))
		wantBlock(t, err, "session")
		if rec.count("session_cleanup") != 1 || b.n != 1 {
			t.Errorf("%v, closed %d times", rec.names(), b.n)
		}
		if errors.Is(err, context.Canceled) {
			t.Errorf("the session was closed with a context that was over: %v", err)
		}
		wantBlock(t, last[*stages.Cleanup](t, rec, "session_cleanup").Err(), "session")
	})
}

func TestSessionPreInitWrites(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.WarnLevel)
	b, rec := script(answer("hello")), &recorder{}
	s := start(t, session.WithBackend(b), session.WithLogger(zap.New(core)), session.WithSetup(rec.register),
		session.WithModelOptions(stages.ModelOptions{MaxTokens: stages.Some(9)}),
		session.WithSetup(func(p *stages.Pipeline) error {
			_, err := p.Session.Use(chain.Before("route", func(_ context.Context, p *stages.Session) (*stages.Session, error) {
				if p.ModelID() != "script-1" || p.BackendName() != "" {
					t.Errorf("got model %q of backend %q", p.ModelID(), p.BackendName())
				}
				o := p.ModelOptions()
				o.Temperature = stages.Some(0.5)
				return p.WithModelID("script-2").WithModelOptions(o).WithBackendName("other").
					WithBackendSettings(stages.MapOf(map[string]any{"url": "http://127.0.0.1"})), nil
			}))
			return err
		}))
	if _, err := s.Instruct(t.Context(), "hello"); err != nil {
		t.Fatal(err)
	}
	g := b.requests()[0]
	want := b.Describe()
	want.Model = "script-2"
	if g.Backend() != want || s.Backend() != g.Backend() {
		t.Errorf("model id: got %+v and %+v", g.Backend(), s.Backend())
	}
	if o := g.ModelOptions(); o.Temperature.Or(0) != 0.5 || o.MaxTokens.Or(0) != 9 {
		t.Errorf("model options: got %+v", o)
	}
	if got := last[*stages.Session](t, rec, "session_post_init").Backend(); got != g.Backend() {
		t.Errorf("session_post_init saw %+v", got)
	}
	var fields []string
	for _, e := range logs.FilterMessageSnippet("discarded").All() {
		fields = append(fields, e.ContextMap()["field"].(string))
	}
	slices.Sort(fields)
	if got := strings.Join(fields, " "); got != "backend_name backend_settings" {
		t.Errorf("reported as discarded: %q", got)
	}
}

// A link may answer in the place of the session's own start; what it chose holds all the same.
func TestSessionStartAnswered(t *testing.T) {
	t.Parallel()
	b := script(answer("hello"))
	s := start(t, session.WithBackend(b), session.WithSetup(func(p *stages.Pipeline) error {
		_, err := p.Session.Use(
			chain.Before("model", func(_ context.Context, p *stages.Session) (*stages.Session, error) {
				return p.WithModelID("script-3"), nil
			}),
			chain.Around("answer", func(chain.Handler[*stages.Session]) chain.Handler[*stages.Session] {
				return func(_ context.Context, p *stages.Session) (*stages.Session, error) {
					return p.Done(stages.SessionResult{}), nil
				}
			}))
		return err
	}))
	if _, err := s.Instruct(t.Context(), "hello"); err != nil {
		t.Fatal(err)
	}
	if got := b.requests()[0].Backend().Model; got != "script-3" {
		t.Errorf("got %q", got)
	}
}

// Behaviours 28 and 31: links of the shared pipeline and of the session run together, those of a sibling do not; a
// session's own links see its session_pre_init.
func TestScopes(t *testing.T) {
	t.Parallel()
	shared := stages.NewPipeline(stages.PipelineConfig{})
	all, one, two := &recorder{}, &recorder{}, &recorder{}
	if err := all.register(shared); err != nil {
		t.Fatal(err)
	}
	a := start(t, session.WithPipeline(shared), session.WithBackend(echo()), session.WithSetup(one.register))
	b := start(t, session.WithPipeline(shared), session.WithBackend(echo()), session.WithSetup(two.register))
	for _, s := range []*session.Session{a, b, b} {
		if _, err := s.Instruct(t.Context(), "hello"); err != nil {
			t.Fatal(err)
		}
	}
	for name, n := range map[string]struct {
		rec  *recorder
		want int
	}{"the pipeline's": {all, 3}, "the first session's": {one, 1}, "the second session's": {two, 2}} {
		if got := n.rec.count("generation_pre_call"); got != n.want {
			t.Errorf("%s links saw %d generations, want %d", name, got, n.want)
		}
	}
	if one.count("session_pre_init") != 1 || two.count("session_pre_init") != 1 || all.count("session_pre_init") != 2 {
		t.Error("session_pre_init did not fire once for each session")
	}
}

func TestMetaCarriesTheUser(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	s := start(t, session.WithBackend(echo()), session.WithSetup(rec.register), session.WithUser("ada"),
		session.WithLabel("team", "harbour"), session.WithLabel("tier", "gold"), session.WithMetadata("ticket", 42))
	if _, err := s.Instruct(t.Context(), "hello", session.Name("greeting")); err != nil {
		t.Fatal(err)
	}
	for _, e := range rec.all() {
		team, _ := e.meta.Labels.Get("team")
		tier, _ := e.meta.Labels.Get("tier")
		ticket, _ := e.meta.Metadata.Get("ticket")
		if e.meta.UserID != "ada" || team != "harbour" || tier != "gold" || ticket != 42 {
			t.Errorf("%s: got %+v", e.hook, e.meta)
		}
		if strings.HasPrefix(e.hook, "session_") {
			continue
		}
		if m := e.meta; m.ComponentKind != stages.KindInstruction || m.ComponentName != "greeting" || m.Strategy != "rejection_sampling" {
			t.Errorf("%s: got %+v", e.hook, m)
		}
	}
}

func TestBackendWithoutDescription(t *testing.T) {
	t.Parallel()
	s := start(t, session.WithBackend(echo()), session.WithModel("m"))
	if got := s.Backend(); got != (stages.Backend{Name: "session.BackendFunc", Model: "m"}) {
		t.Errorf("got %+v", got)
	}
}
