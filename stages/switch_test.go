package stages

import (
	"context"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/chain"
)

// 19: a link's mode is switched while the program runs, and back; the last switch has the last word.
func TestSetMode(t *testing.T) {
	block := func(context.Context, *Tool) (*Tool, error) { return nil, chain.Block("no") }
	p := pipeline(t)
	if _, err := p.Register(t.Context(), chain.Before("b", block, chain.InMode(chain.Audit))); err != nil {
		t.Fatal(err)
	}
	call := p.Tool.Then(func(_ context.Context, x *Tool) (*Tool, error) { return x, nil })
	for _, step := range []struct {
		name   string
		do     func() error
		blocks bool
	}{
		{"as registered", func() error { return nil }, false},
		{"sequential", func() error { return p.SetMode("b", chain.Sequential) }, true},
		{"in its chain", func() error { return p.SetMode("tool/b", chain.Audit) }, false},
		{"again by name alone", func() error { return p.SetMode("b", chain.Sequential) }, true},
		{"one taken back", func() error { return p.ClearMode("b") }, false},
		{"all taken back", func() error { return p.ClearMode("tool/b") }, false},
		{"taken back again", func() error { return p.ClearMode("tool/b") }, false},
		{"concurrent", func() error { return p.SetMode("b", chain.Concurrent) }, true},
		{"disabled", func() error { return p.SetMode("b", chain.Disabled) }, false},
		{"enabled", func() error { return p.SetMode("b", chain.Sequential) }, true},
	} {
		if err := step.do(); err != nil {
			t.Fatal(step.name, err)
		}
		if _, err := call(t.Context(), NewTool(Meta{}, ToolFields{})); (err != nil) != step.blocks {
			t.Errorf("%s: %v", step.name, err)
		}
	}
	if l, _ := p.Tool.Stats().Link("b"); l.Blocks != 4 || l.WouldBlocks != 5 {
		t.Errorf("the counts were lost: %+v", l)
	}
	before := p.Explain().String()
	for name, c := range map[string]struct {
		link string
		mode chain.Mode
		want string
	}{
		"a link that is not there": {"bb", chain.Audit, `there is no link "bb" here (did you mean b?)`},
		"a chain without the link": {"generation/b", chain.Audit, "there is no link"},
		"a mode that is not there": {"b", chain.Mode(99), "unknown mode 99"},
	} {
		if err := p.SetMode(c.link, c.mode); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if now := p.Explain().String(); now != before {
		t.Errorf("the plan changed:\n%s", now)
	}
}

// A mode that another override outranks is an error, and leaves everything as it was.
func TestSetModeThatIsOutranked(t *testing.T) {
	p := pipeline(t)
	s, err := p.Scope()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Register(t.Context(), chain.Before("b", Unchanged[*Tool]), chain.Before("free", Unchanged[*Tool])); err != nil {
		t.Fatal(err)
	}
	over, err := p.Register(t.Context(), Override("b", chain.InMode(chain.Audit)))
	if err != nil {
		t.Fatal(err)
	}
	before := s.Explain().String()
	for _, link := range []string{"b", "tool/b"} {
		if err := s.SetMode(link, chain.Sequential); err == nil || !strings.Contains(err.Error(), "another override keeps tool/b in mode audit") {
			t.Errorf("%s: %v", link, err)
		}
	}
	if now := s.Explain().String(); now != before {
		t.Errorf("the plan changed:\n%s", now)
	}
	for _, step := range []struct {
		name string
		err  error
	}{
		{"what the process says too", s.SetMode("b", chain.Audit)},
		{"another link", s.SetMode("free", chain.Disabled)},
		{"taken back", s.ClearMode("b")},
		{"the override goes", over.Remove(t.Context())},
		{"free of it", s.SetMode("b", chain.Concurrent)},
	} {
		if step.err != nil {
			t.Errorf("%s: %v", step.name, step.err)
		}
	}
	if _, err := s.Register(t.Context(), Override("b", chain.InMode(chain.Transform))); err != nil {
		t.Fatal(err)
	}
	if err := s.SetMode("b", chain.Sequential); err == nil || !strings.Contains(err.Error(), "keeps tool/b in mode transform") {
		t.Errorf("below one that was registered later: %v", err)
	}
}
