package otel

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

// WrapComponent puts a span around the execution of a component: a call of a session with all that happens in it.
func (p *Plugin) WrapComponent(next chain.Handler[*stages.Component]) chain.Handler[*stages.Component] {
	return around(p, stage[*stages.Component]{
		top:  true,
		meta: (*stages.Component).Meta,
		start: func(c *stages.Component) (string, []attribute.KeyValue) {
			return named("component", c.Kind()), nil
		},
		end: func(ctx context.Context, c *stages.Component, _ time.Duration, err error) error {
			if c.HasResult() {
				u := c.Usage()
				trace.SpanFromContext(ctx).SetAttributes(keySuccess.Bool(c.Success()), keyInputTotal.Int(u.InputTokens), keyOutputTotal.Int(u.OutputTokens))
			}
			return err
		},
	})(next)
}

// WrapSampling puts a span around the loop that asks until the requirements are fulfilled.
func (p *Plugin) WrapSampling(next chain.Handler[*stages.Sampling]) chain.Handler[*stages.Sampling] {
	return around(p, stage[*stages.Sampling]{
		meta: (*stages.Sampling).Meta,
		start: func(s *stages.Sampling) (string, []attribute.KeyValue) {
			name := s.Meta().Strategy
			return named("sampling", name), []attribute.KeyValue{keyBudget.Int(s.LoopBudget())}
		},
		end: func(ctx context.Context, s *stages.Sampling, _ time.Duration, err error) error {
			if s.HasResult() {
				trace.SpanFromContext(ctx).SetAttributes(keySuccess.Bool(s.Success()), keyIterations.Int(s.Iterations()), keyBudget.Int(s.LoopBudget()))
			}
			return first(err, s.Err())
		},
	})(next)
}

// WrapValidation puts a span around the check of an answer that has requirements. Without any there is nothing to see.
func (p *Plugin) WrapValidation(next chain.Handler[*stages.Validation]) chain.Handler[*stages.Validation] {
	checked := around(p, stage[*stages.Validation]{
		meta: (*stages.Validation).Meta,
		start: func(v *stages.Validation) (string, []attribute.KeyValue) {
			return "validation", []attribute.KeyValue{keyValidator.String(string(v.Kind())), keyRequirements.Int(v.Requirements().Len())}
		},
		end: func(ctx context.Context, v *stages.Validation, _ time.Duration, err error) error {
			if v.HasResult() {
				trace.SpanFromContext(ctx).SetAttributes(keyPassed.Bool(v.AllPassed()), keyFailed.Int(v.Failed()))
			}
			return first(err, v.Err())
		},
	})(next)
	return func(ctx context.Context, v *stages.Validation) (*stages.Validation, error) {
		if v.Requirements().Len() == 0 {
			return next(ctx, v)
		}
		return checked(ctx, v)
	}
}

// first is the first error that is one.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
