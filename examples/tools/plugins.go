package main

import (
	"context"
	"fmt"
	"io"
	"regexp"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

// coach tells the model when its time is running out.
type coach struct{}

// OnReactPreReasoning writes the prompt of the last step.
func (*coach) OnReactPreReasoning(_ context.Context, r *reasoning) (*reasoning, error) {
	if r.Left > 0 {
		return r, nil
	}
	out := *r
	out.Prompt += "\n\nThis is your last step: finish."
	return &out, nil
}

// privacy keeps addresses from the model.
type privacy struct{}

var address = regexp.MustCompile(`[\w.+-]+@[\w-]+(\.[\w-]+)+`)

// OnReactPostObservation writes what the model reads.
func (*privacy) OnReactPostObservation(_ context.Context, o *observation) (*observation, error) {
	out := *o
	out.Text = address.ReplaceAllString(o.Text, "[e-mail]")
	return &out, nil
}

// log prints the steps as all other plugins have left them, and what the tool stage knows of a tool.
type log struct{ w io.Writer }

// ObserveReactPreReasoning prints a thought.
func (l *log) ObserveReactPreReasoning(_ context.Context, o chain.Outcome[*reasoning]) {
	fmt.Fprintf(l.w, "%d thought: %s\n", o.Payload.Step, o.Payload.Thought)
}

// OnToolPreInvoke prints a tool before it runs.
func (l *log) OnToolPreInvoke(_ context.Context, t *stages.Tool) (*stages.Tool, error) {
	mark := ""
	if t.ControlFlow() {
		mark = ", control flow"
	}
	fmt.Fprintf(l.w, "  tool:    %s %s (asked for by %s%s)\n", t.Name(), t.Arguments(), t.Source(), mark)
	return t, nil
}

// ObserveReactPostObservation prints what the model reads.
func (l *log) ObserveReactPostObservation(_ context.Context, o chain.Outcome[*observation]) {
	fmt.Fprintf(l.w, "  result:  %s\n", o.Payload.Text)
}
