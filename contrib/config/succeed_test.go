package config_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/config"
	"github.com/maillon-go/maillon/stages"
)

// counter is a plugin whose count outlives it.
type counter struct {
	calls *int
	init  error
}

func (c *counter) OnGenerationPreCall(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
	*c.calls++
	return g, nil
}

func (c *counter) Init(context.Context) error { return c.init }

func (c *counter) Succeed(before any) { c.calls = before.(*counter).calls }

// A program reaches the plugins that a file has made, always those of the file in force.
func TestPlugin(t *testing.T) {
	e := newEnv(t)
	config.Register(e.kinds, "count", func(struct{ Version int }) (any, error) { return &counter{calls: new(int)}, nil })
	c := e.open("groups:\n- name: g\n  plugins:\n  - {name: first, kind: count, config: {version: 1}}\n")
	first, err := config.Plugin[*counter](c, "first")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.call(stages.Meta{}); err != nil || *first.calls != 1 {
		t.Errorf("%d calls, %v: not the plugin that runs", *first.calls, err)
	}
	if s, err := config.Plugin[config.Successor](c, "first"); err != nil || s != config.Successor(first) {
		t.Errorf("as an interface: %v, %v", s, err)
	}
	for what, ask := range map[string]func() error{
		`maillon.yaml has no plugin "fist": did you mean "first"?`:                    func() error { _, err := config.Plugin[any](c, "fist"); return err },
		`"first" of the kind count is a *config_test.counter, not a *stages.Pipeline`: func() error { _, err := config.Plugin[*stages.Pipeline](c, "first"); return err },
		`is a *config_test.counter, not a stages.OnToolPreInvoke`:                     func() error { _, err := config.Plugin[stages.OnToolPreInvoke](c, "first"); return err },
	} {
		if err := ask(); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%v, want %s", err, what)
		}
	}
	e.write("plugins:\n- {name: first, kind: count, config: {version: 2}}\n")
	if err := c.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if now, err := config.Plugin[*counter](c, "first"); err != nil || now == first || now.calls != first.calls {
		t.Errorf("after a reload: %v, %v, want the one that succeeded it", now, err)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Plugin[any](c, "first"); !errors.Is(err, config.ErrClosed) {
		t.Errorf("of a closed file: %v", err)
	}
}

// A plugin with other settings gets the one that it replaces, of its own name and kind; where the reload fails that goes on.
func TestSucceed(t *testing.T) {
	e := newEnv(t)
	var last, other *counter
	config.Register(e.kinds, "count", func(s struct {
		Version int
		Fail    bool
	},
	) (any, error) {
		other = &counter{calls: new(int)}
		if s.Fail {
			other.init = errors.New("no")
		}
		return other, nil
	})
	config.Register(e.kinds, "count_too", func(struct{ Version int }) (any, error) {
		last = &counter{calls: new(int)}
		return last, nil
	})
	c := e.open("plugins:\n- {name: a, kind: count_too, config: {version: 1}}\n")
	for _, step := range []struct {
		file  string
		fails bool
		count int
	}{
		{"plugins:\n- {name: a, kind: count_too, config: {version: 2}}\n", false, 2},
		{"plugins:\n- {name: a, kind: count_too, config: {version: 3}}\n- {name: b, kind: count, config: {fail: true}}\n", true, 3},
		{"plugins:\n- {name: a, kind: count_too, config: {version: 4}}\n- {name: b, kind: count}\n", false, 4},
		{"plugins:\n- {name: c, kind: count_too, config: {version: 4}}\n", false, 1}, // another name
	} {
		if _, err := e.call(stages.Meta{}); err != nil {
			t.Fatal(err)
		}
		e.write(step.file)
		if err := c.Reload(t.Context()); (err != nil) != step.fails {
			t.Fatalf("%s: %v", step.file, err)
		}
		now := last
		if _, err := e.call(stages.Meta{}); err != nil {
			t.Fatal(err)
		}
		*now.calls--
		if *now.calls+1 != step.count {
			t.Errorf("%s: %d calls, want %d", step.file, *now.calls+1, step.count)
		}
	}
	e.write("plugins:\n- {name: c, kind: count, config: {version: 4}}\n") // another kind
	if err := c.Reload(t.Context()); err != nil || other.calls == last.calls {
		t.Error("a plugin of another kind was succeeded", err)
	}
}

// seen is a tracer, and a plugin.
type seen struct{ names *[]string }

func (s *seen) OnGenerationPreCall(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
	return g, nil
}
func (s *seen) Sample(context.Context) bool { return true }
func (s *seen) LinkStart(ctx context.Context, l chain.Traced) context.Context {
	*s.names = append(*s.names, l.Link)
	return ctx
}
func (s *seen) LinkEnd(context.Context, chain.Traced, error) {}

// offers is a plugin that has one.
type offers struct{ tracer *seen }

func (o *offers) OnGenerationPreCall(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
	return g, nil
}
func (o *offers) LinkTracer() chain.Tracer { return o.tracer }

func TestTracer(t *testing.T) {
	e := newEnv(t)
	var a, b []string
	config.Register(e.kinds, "is", func(struct{}) (any, error) { return &seen{&a}, nil })
	config.Register(e.kinds, "has", func(struct{}) (any, error) { return &offers{&seen{&b}}, nil })
	const plugins = "plugins:\n- {name: x, kind: is}\n- {name: y, kind: has}\n"
	c := e.open("settings: {tracer: x}\n" + plugins)
	step := func(what string, wantA, wantB int) {
		t.Helper()
		a, b = nil, nil
		if _, err := e.call(stages.Meta{}); err != nil {
			t.Fatal(err)
		}
		if len(a) != wantA || len(b) != wantB {
			t.Errorf("%s: %v %v", what, a, b)
		}
	}
	step("the plugin is one", 2, 0)
	reload := func(text string) error {
		e.write(text)
		return c.Reload(t.Context())
	}
	if err := reload("settings: {tracer: y}\n" + plugins); err != nil {
		t.Fatal(err)
	}
	step("the plugin has one", 0, 2)
	if err := reload("settings: {tracer: x}\nplugins:\n- {name: y, kind: has}\n"); err == nil {
		t.Error("a plugin that is not there was taken")
	}
	step("the reload failed", 0, 2)
	if err := reload(plugins); err != nil {
		t.Fatal(err)
	}
	step("none", 0, 0)
	var mine []string
	e.p.WithTracer(&seen{&mine})
	if err := reload(plugins + "overrides: [{link: nothing, off: true}]\n"); err != nil {
		t.Fatal(err)
	}
	step("the program's", 0, 0)
	if len(mine) != 2 {
		t.Errorf("the program's tracer saw %v", mine)
	}
	if err := reload("settings: {tracer: y}\n" + plugins); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := e.p.Generation.Use(chain.Before("left", func(_ context.Context, g *stages.Generation) (*stages.Generation, error) { return g, nil })); err != nil {
		t.Fatal(err)
	}
	step("closed", 0, 0)
}

func TestTracerMistakes(t *testing.T) {
	e := newEnv(t)
	for text, want := range map[string]string{
		"settings: {tracer: tags}\nplugins: [{name: tag, kind: tag}]\n": `:1:20: tracer: there is no plugin "tags"`,
		"settings: {tracer: tag}\nplugins: [{name: tag, kind: tag}]\n":  `:1:20: tracer: plugins of the kind "tag" trace no links`,
		"settings: {tracer: tag}\nplugins: [{name: tag, kind: tug}]\n":  `unknown kind "tug"`,
	} {
		_, err := config.PreviewBytes("x.yaml", []byte(text), e.kinds)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Count(err.Error(), "x.yaml:") != 1 {
			t.Errorf("%q: %v", text, err)
		}
	}
}
