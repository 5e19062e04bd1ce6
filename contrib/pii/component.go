package pii

import (
	"context"
	"slices"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

// OnComponentPreCreate redacts what a component is made of, so that the history gets it redacted.
func (p *Plugin) OnComponentPreCreate(ctx context.Context, c *stages.Create) (*stages.Create, error) {
	w := p.begin(ctx)
	description, prefix := w.text(c.Description()), w.text(c.Prefix())
	requirements := w.requirements(c.Requirements())
	examples := rewrite(w, c.Examples(), w.text)
	grounding := rewrite(w, c.Grounding(), func(i stages.ContextItem) stages.ContextItem {
		i.Name, i.Text = w.text(i.Name), w.text(i.Text)
		return i
	})
	variables := c.Variables()
	for name, value := range variables.All() {
		if now := w.text(value); now != value {
			variables = variables.With(name, now)
		}
	}
	return verdict(w, c, func() *stages.Create {
		return c.WithDescription(description).WithPrefix(prefix).WithRequirements(requirements).
			WithExamples(examples).WithGrounding(grounding).WithVariables(variables)
	})
}

// OnComponentPostCreate redacts what a component says that is not made of these fields: the value of a query or a component of
// the user's own.
func (p *Plugin) OnComponentPostCreate(ctx context.Context, c *stages.Create) (*stages.Create, error) {
	w := p.begin(ctx)
	action, err := w.action(c.Component())
	if err != nil {
		return nil, err
	}
	return verdict(w, c, func() *stages.Create { return c.WithComponent(action) })
}

// OnComponentPreExecute redacts what a component and the history before it say, as the last ones that other links see.
func (p *Plugin) OnComponentPreExecute(ctx context.Context, c *stages.Component) (*stages.Component, error) {
	w := p.begin(ctx)
	action, err := w.action(c.Action())
	if err != nil {
		return nil, err
	}
	requirements, history := w.requirements(c.Requirements()), w.history(c.History())
	return verdict(w, c, func() *stages.Component {
		return c.WithAction(action).WithRequirements(requirements).WithHistory(history)
	})
}

// OnValidationPostCheck redacts the reasons of verdicts, which may quote anything and go into the history with a repair.
func (p *Plugin) OnValidationPostCheck(ctx context.Context, v *stages.Validation) (*stages.Validation, error) {
	w := p.begin(ctx)
	results := rewrite(w, v.Results(), func(f stages.Finding) stages.Finding {
		f.Verdict.Reason, f.Requirement.Description = w.text(f.Verdict.Reason), w.text(f.Requirement.Description)
		return f
	})
	return verdict(w, v, func() *stages.Validation { return v.WithResults(results) })
}

// OnSamplingRepair redacts what the model is told of an answer that failed.
func (p *Plugin) OnSamplingRepair(ctx context.Context, r *stages.Repair) (*stages.Repair, error) {
	w := p.begin(ctx)
	action, err := w.action(r.RepairAction())
	if err != nil {
		return nil, err
	}
	history := w.history(r.RepairHistory())
	return verdict(w, r, func() *stages.Repair { return r.WithRepairAction(action).WithRepairHistory(history) })
}

// history is the same one where nothing was found.
func (p *pass) history(h stages.History) stages.History {
	all := h.Messages()
	if n := rewrite(p, all, p.message); p.changed && !same(n, all) {
		return stages.NewHistory(n.Slice()...)
	}
	return h
}

func same(a, b stages.List[stages.Message]) bool {
	return slices.EqualFunc(a.Slice(), b.Slice(), stages.Message.Equal)
}

// action is the same one where nothing was found.
func (p *pass) action(a stages.Action) (stages.Action, error) {
	if a == nil {
		return nil, nil
	}
	messages, err := a.Messages()
	if err != nil {
		return nil, chain.Refuse(err) // the call cannot go on, but this link is not to blame
	}
	all := stages.ListOf(messages...)
	if n := rewrite(p, all, p.message); !same(n, all) {
		return &redacted{a.Kind(), a.Name(), n}, nil
	}
	return a, nil
}

// redacted is an action with other messages.
type redacted struct {
	kind, name string
	messages   stages.List[stages.Message]
}

func (r *redacted) Kind() string                        { return r.kind }
func (r *redacted) Name() string                        { return r.name }
func (r *redacted) Messages() ([]stages.Message, error) { return r.messages.Slice(), nil }
