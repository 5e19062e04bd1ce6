package session

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/maillon-go/maillon/stages"
)

// build is the handler of the create stage.
func (s *Session) build(_ context.Context, c *stages.Create) (*stages.Create, error) {
	r, err := s.requestOf(c.Meta())
	if err != nil {
		return nil, err
	}
	made, err := s.construct(r, c)
	if err != nil {
		return nil, err
	}
	return c.Done(stages.CreateResult{Component: made}), nil
}

func (s *Session) construct(r *request, c *stages.Create) (made stages.Action, err error) {
	if c.TemplateID() != "" {
		return nil, fmt.Errorf("%w: there is no template %q", ErrOption, c.TemplateID())
	}
	err = s.contain(func() (err error) {
		made, err = r.build(c, r.base.ComponentName)
		return err
	})
	return made, err
}

// create runs the create stage, where it has links. What it was made of may be theirs.
func (s *Session) create(
	ctx context.Context, r *request, f stages.CreateFields,
) (made component, c *stages.Create, requirements stages.List[stages.Requirement], err error) {
	c = stages.NewCreate(r.meta(), f)
	var action stages.Action
	if !stages.Active(ctx, s.pipeline.Create) {
		action, err = s.construct(r, c)
	} else if c, err = s.call.create(ctx, c); err == nil {
		action = c.Component()
	}
	if err != nil {
		return made, c, requirements, err
	}
	if absent(action) {
		return made, c, requirements, errors.New("session: component_post_create left no component")
	}
	if i, ok := action.(*Instruction); ok { // perhaps one that a link has put in the place of the first
		requirements = i.requirements
	} else if requirements, err = specOf(c, "").required(); err != nil {
		return made, c, requirements, err
	}
	made, err = s.describe(r, action)
	return made, c, requirements, err
}

// component is an Action with what it says of itself. It may be anybody's, so it is asked once.
type component struct {
	action     stages.Action
	kind, name string
}

// absent says that there is no action, or a nil pointer.
func absent(a stages.Action) bool {
	v := reflect.ValueOf(a)
	return !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil()
}

// describe asks an action what it is, unless it is the one that the request executes already. From now on it is.
func (s *Session) describe(r *request, a stages.Action) (component, error) {
	r.mu.Lock()
	c := r.component
	r.mu.Unlock()
	if same(a, c.action) {
		return c, nil
	}
	if err := s.contain(func() error {
		c = component{a, a.Kind(), a.Name()}
		if c.kind == "" {
			c.kind = typeName(a)
		}
		return nil
	}); err != nil {
		return component{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.component = c
	return c, nil
}

// executed is the component that a call ended with, as far as it can be told.
func (s *Session) executed(r *request, a stages.Action) component {
	if !absent(a) {
		if c, err := s.describe(r, a); err == nil {
			return c
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.component
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
	err = s.contain(func() error {
		out, l, err := s.trySampling(ctx, r, c)
		if err != nil {
			return err
		}
		r.mu.Lock()
		added := l.added
		r.ran, r.reason = l.ran, out.FailureReason()
		r.mu.Unlock()
		if added == nil { // a link answered in the place of the loop
			if added, err = c.Action().Messages(); err != nil {
				return err
			}
		}
		if _, err = r.decode.value(out.FinalResult().Text); err != nil {
			return err
		}
		res = stages.ComponentResult{
			Result: out.FinalResult(), Success: out.Success(), Attempts: out.Attempts(), Added: stages.ListOf(added...),
		}
		return nil
	})
	if err != nil {
		return c.Failed(failure(err, faultOf(err))), err
	}
	res.Log, res.Usage = s.loggedOf(r)
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
