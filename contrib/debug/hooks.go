package debug

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

var (
	_ stages.ObserveSession        = (*Plugin)(nil)
	_ stages.ObserveCleanup        = (*Plugin)(nil)
	_ stages.OnComponentPreExecute = (*Plugin)(nil)
	_ stages.ObserveComponent      = (*Plugin)(nil)
	_ stages.OnSamplingLoopStart   = (*Plugin)(nil)
	_ stages.ObserveSampling       = (*Plugin)(nil)
	_ stages.OnGenerationPreCall   = (*Plugin)(nil)
	_ stages.ObserveGeneration     = (*Plugin)(nil)
	_ stages.OnValidationPreCheck  = (*Plugin)(nil)
	_ stages.ObserveValidation     = (*Plugin)(nil)
	_ stages.ObserveRepair         = (*Plugin)(nil)
	_ stages.OnToolPreInvoke       = (*Plugin)(nil)
	_ stages.ObserveTool           = (*Plugin)(nil)
	_ stages.ObserveStream         = (*Plugin)(nil)
)

func violation(err error) *chain.Violation {
	v := new(chain.Violation)
	_ = errors.As(err, &v)
	return v
}

// ObserveSession tells that a session has begun, with its id, or why not.
func (p *Plugin) ObserveSession(ctx context.Context, o chain.Outcome[*stages.Session]) {
	end(ctx, p, "session", o, nil, " "+name(o.Payload.Meta().SessionID)+" with "+model(o.Payload.Backend()))
}

// ObserveCleanup tells what a session came to.
func (p *Plugin) ObserveCleanup(ctx context.Context, o chain.Outcome[*stages.Cleanup]) {
	c := o.Payload
	end(ctx, p, "session", o, c.Err(), fmt.Sprintf(" closed after %d calls, %d generations, %s%s",
		c.Interactions(), c.Generations(), tokens(c.Usage()), took(c.Duration())))
}

// OnComponentPreExecute tells of a component.
func (p *Plugin) OnComponentPreExecute(ctx context.Context, c *stages.Component) (*stages.Component, error) {
	what := name(c.Kind())
	if c.Name() != "" && c.Name() != c.Kind() {
		what += " " + name(c.Name())
	}
	p.begin(ctx, c.Meta(), "component", "%s: %s, %d requirements, %d messages before", what, p.text(c.Input()),
		c.Requirements().Len(), c.History().Len())
	return c, nil
}

// ObserveComponent tells what came of it.
func (p *Plugin) ObserveComponent(ctx context.Context, o chain.Outcome[*stages.Component]) {
	end(ctx, p, "component", o, nil, fmt.Sprintf(" %s, %s", p.text(o.Payload.Result().Text), tokens(o.Payload.Usage())))
}

// OnSamplingLoopStart tells of a loop.
func (p *Plugin) OnSamplingLoopStart(ctx context.Context, s *stages.Sampling) (*stages.Sampling, error) {
	p.begin(ctx, s.Meta(), "sampling", "%s, budget %d", name(s.Meta().Strategy), s.LoopBudget())
	return s, nil
}

// ObserveSampling tells what came of it.
func (p *Plugin) ObserveSampling(ctx context.Context, o chain.Outcome[*stages.Sampling]) {
	s := o.Payload
	said := fmt.Sprintf(" after %d attempts", s.Iterations())
	if !s.Success() {
		said = fmt.Sprintf(" unfulfilled after %d attempts: %s", s.Iterations(), p.text(s.FailureReason()))
	}
	end(ctx, p, "sampling", o, s.Err(), said)
}

// OnGenerationPreCall tells of a request to a model.
func (p *Plugin) OnGenerationPreCall(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
	m := g.Messages()
	last := ""
	if m.Len() > 0 {
		last = fmt.Sprintf(", the last by %s: %s", name(string(m.At(m.Len()-1).Role)), p.text(m.At(m.Len()-1).Text))
	}
	p.begin(ctx, g.Meta(), "generation", "by %s of %d messages%s, %d tools", model(g.Backend()), m.Len(), last, g.Tools().Len())
	return g, nil
}

// ObserveGeneration tells what the model answered.
func (p *Plugin) ObserveGeneration(ctx context.Context, o chain.Outcome[*stages.Generation]) {
	g := o.Payload
	said := fmt.Sprintf(" %s, %s, %s", p.text(g.Output().Text), name(string(g.Output().FinishReason)), tokens(g.Output().Usage))
	if n := g.Output().ToolCalls.Len(); n > 0 {
		said += fmt.Sprintf(", %d tool calls", n)
	}
	if g.Source() != stages.SourceBackend {
		said += ", from " + name(string(g.Source()))
	}
	if g.Chunks() > 0 {
		said += fmt.Sprintf(", %d chunks, the first%s", g.Chunks(), took(g.FirstChunk()))
	}
	end(ctx, p, "generation", o, nil, said)
}

// OnValidationPreCheck tells of a validation.
func (p *Plugin) OnValidationPreCheck(ctx context.Context, v *stages.Validation) (*stages.Validation, error) {
	p.begin(ctx, v.Meta(), "validation", "of %d requirements by %s", v.Requirements().Len(), name(string(v.Kind())))
	return v, nil
}

// ObserveValidation tells what it found, with a line for each requirement that is not fulfilled.
func (p *Plugin) ObserveValidation(ctx context.Context, o chain.Outcome[*stages.Validation]) {
	v := o.Payload
	for i, f := range v.Results().All() {
		if !f.Verdict.Passed() {
			called := ""
			if f.Requirement.Name != "" {
				called = " " + name(f.Requirement.Name)
			}
			p.line(ctx, v.Meta(), "validation", yellow, "  -", fmt.Sprintf(" requirement %d%s, %s: %s", i+1, called,
				p.text(f.Requirement.Description), p.text(f.Verdict.Reason)))
		}
	}
	end(ctx, p, "validation", o, v.Err(), fmt.Sprintf(" %d of %d fulfilled", v.Passed(), v.Results().Len()))
}

// ObserveRepair tells how a loop goes on.
func (p *Plugin) ObserveRepair(ctx context.Context, o chain.Outcome[*stages.Repair]) {
	r := o.Payload
	end(ctx, p, "repair", o, nil, fmt.Sprintf(" %d, %s", r.Number(), name(string(r.Kind()))))
}

// OnToolPreInvoke tells of a tool. The name is the model's: one that no tool has is a text like any other.
func (p *Plugin) OnToolPreInvoke(ctx context.Context, t *stages.Tool) (*stages.Tool, error) {
	called := p.text(t.Name())
	if slices.ContainsFunc(t.Available().Slice(), func(c stages.Callable) bool { return c.Name == t.Name() }) {
		called = name(t.Name())
	}
	p.begin(ctx, t.Meta(), "tool", "%s with %s", called, p.text(string(t.Arguments())))
	return t, nil
}

// ObserveTool tells what it returned.
func (p *Plugin) ObserveTool(ctx context.Context, o chain.Outcome[*stages.Tool]) {
	end(ctx, p, "tool", o, o.Payload.Err(), " "+p.text(o.Payload.Output()))
}

// ObserveStream tells of a stream.
func (p *Plugin) ObserveStream(ctx context.Context, o chain.Outcome[*stages.StreamEvent]) {
	switch e := o.Payload; e.Phase() {
	case stages.StreamEnd:
		end(ctx, p, "stream", o, e.Err(), " ended")
	case stages.StreamAt:
		p.begin(ctx, e.Meta(), "stream", "%s", name(e.Kind()))
	default:
		p.begin(ctx, e.Meta(), "stream", "started")
	}
}

func tokens(u stages.Usage) string {
	return fmt.Sprintf("%d+%d tokens", u.InputTokens, u.OutputTokens)
}

func model(b stages.Backend) string {
	if b.Model == "" {
		return "[" + name(b.Name) + "]"
	}
	return name(b.Model)
}
