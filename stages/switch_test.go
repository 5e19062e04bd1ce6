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
