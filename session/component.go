package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/maillon-go/maillon/stages"
)

// build is the handler of the create stage.
func (s *Session) build(_ context.Context, c *stages.Create) (*stages.Create, error) {
	if c.TemplateID() != "" {
		return nil, fmt.Errorf("%w: there is no template %q", ErrOption, c.TemplateID())
	}
	r, err := s.requestOf(c.Meta())
	if err != nil {
		return nil, err
	}
	i, err := NewInstruction(InstructionSpec{
		Name: r.base.ComponentName, Description: c.Description(), Prefix: c.Prefix(), Images: c.Images(),
		Requirements: c.Requirements(), Examples: c.Examples(), Grounding: c.Grounding(), Variables: c.Variables(),
	})
	if err != nil {
		return nil, err
	}
	return c.Done(stages.CreateResult{Component: i}), nil
}

// create runs the create stage.
func (s *Session) create(ctx context.Context, r *request, f stages.CreateFields) (stages.Action, stages.List[stages.Requirement], error) {
	c, err := s.call.create(ctx, stages.NewCreate(r.meta(), f))
	if err != nil {
		return nil, stages.List[stages.Requirement]{}, err
	}
	switch a := c.Component().(type) {
	case nil:
		return nil, stages.List[stages.Requirement]{}, errors.New("session: component_post_create left no component")
	case *Instruction: // perhaps one that a link has put in the place of the first
		return a, a.Spec().Requirements, nil
	default:
		return a, c.Requirements(), nil
	}
}

// execute is the handler of the component stage.
func (s *Session) execute(ctx context.Context, c *stages.Component) (*stages.Component, error) {
	r, err := s.requestOf(c.Meta())
	if err != nil {
		return nil, err
	}
	s.executing(r)
	begun := time.Now()
	var res stages.ComponentResult
	err = contain(func() error {
		out, l, err := s.trySampling(ctx, r, c)
		if err != nil {
			return err
		}
		r.mu.Lock()
		added := l.added
		r.reason = out.FailureReason()
		r.mu.Unlock()
		if added == nil { // a link answered in the place of the loop
			if added, err = c.Action().Messages(); err != nil {
				return err
			}
		}
		res = stages.ComponentResult{
			Result: out.FinalResult(), Success: out.Success(), Attempts: out.Attempts(), Added: stages.ListOf(added...),
		}
		return nil
	})
	if err != nil {
		return c.Failed(failure(err, stages.FaultComponent)), err
	}
	res.Log, res.Usage = r.generations()
	res.Latency = time.Since(begun)
	return c.Done(res), nil
}

// executing counts a component, once however often a link runs it.
func (s *Session) executing(r *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !r.executed && !s.over {
		r.executed = true
		s.interactions++
	}
}
