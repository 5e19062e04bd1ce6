package otel

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

// errTool is the failure of a tool that says nothing of its cause.
var errTool = errors.New("the tool failed")

// WrapTool puts an execute_tool span around the run of a tool, and measures it. A name that no tool has is a text of the
// model, and is not written.
func (p *Plugin) WrapTool(next chain.Handler[*stages.Tool]) chain.Handler[*stages.Tool] {
	return around(p, stage[*stages.Tool]{
		kind: trace.SpanKindInternal,
		meta: (*stages.Tool).Meta,
		start: func(t *stages.Tool) (string, []attribute.KeyValue) {
			c, _ := t.Callable()
			return named("execute_tool", c.Name), toolIs(c)
		},
		end:     p.ran,
		metered: p.metrics.enabled,
	})(next)
}

func toolIs(c stages.Callable) []attribute.KeyValue {
	attrs := make([]attribute.KeyValue, 0, 12)
	attrs = append(attrs, semconv.GenAIOperationNameExecuteTool)
	if c.Name != "" {
		attrs = append(attrs, semconv.GenAIToolName(c.Name), semconv.GenAIToolType("function"))
	}
	return attrs
}

// ran writes the run of a tool as it was when all links had seen it.
func (p *Plugin) ran(ctx context.Context, t *stages.Tool, took time.Duration, err error) error {
	switch {
	case err != nil || !t.HasResult():
	case t.Err() != nil:
		err = t.Err()
	case !t.Success():
		err = errTool
	}
	c, _ := t.Callable()
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.SetAttributes(toolIs(c)...) // another tool, where a link has said so
		if c.Description != "" {
			span.SetAttributes(semconv.GenAIToolDescription(c.Description))
		}
		if p.contents != nil {
			span.SetAttributes(p.contents.tool(t)...)
		}
	}
	if p.metrics.duration.Enabled(ctx) {
		p.metrics.took(ctx, took, toolIs(c), err)
	}
	return err
}
