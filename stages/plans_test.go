package stages

import (
	"context"
	"testing"

	"github.com/maillon-go/maillon/chain"
)

// The differences between two configurations of a Pipeline, custom stages included.
func TestPlansDiff(t *testing.T) {
	pass := func(_ context.Context, g *Generation) (*Generation, error) { return g, nil }
	with := func(plugins ...any) Plans {
		p := NewPipeline(PipelineConfig{})
		t.Cleanup(func() { _ = p.Close(context.WithoutCancel(t.Context())) })
		if _, err := p.Register(t.Context(), plugins...); err != nil {
			t.Fatal(err)
		}
		return p.Explain()
	}
	tool := chain.Before("allow", func(_ context.Context, p *Tool) (*Tool, error) { return p, nil })
	policy := chain.Before("policy", pass)
	a, b := with(policy, tool), with(policy, Override("policy", chain.InMode(chain.Audit)), chain.After("redact", pass))
	if got := a.Diff(a).String(); got != "no differences\n" {
		t.Error(got)
	}
	want := "~ generation: process/policy (mode: sequential -> audit, on failure: fail -> ignore)\n" +
		"+ generation: process/redact (after, sequential, priority 50, on failure fail)\n" +
		"- tool: process/allow\n"
	if got := a.Diff(b).String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got := Plans(nil).Diff(a).String(); got == "no differences\n" {
		t.Error(got)
	}
}
