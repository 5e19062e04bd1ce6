package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

// invoke runs a tool that the model asked for and gives the message that answers it. The error is one of a link that
// failed; what goes wrong with the tool itself, a block included, is told to the model.
func (s *Session) invoke(
	ctx context.Context, r *request, l *loop, call stages.ToolCall, available stages.List[stages.Callable],
) (stages.Message, error) {
	t := stages.NewTool(r.after(l.meta), stages.ToolFields{
		CallID: call.ID, Name: call.Name, Arguments: call.Arguments, Available: available, Source: stages.ToolFromModel,
	})
	out, err := s.call.tool(ctx, t)
	v, blocked := as[*chain.Violation](err)
	switch {
	case err == nil && !out.HasResult():
		return t.Done(stages.ToolResult{Output: toolFailed("the tool gave no result"), Err: noResult("tool")}).Message(), nil
	case err == nil:
		return out.Message(), nil
	case blocked:
		return t.Done(stages.ToolResult{Output: toolFailed("it was refused: " + v.Reason), Err: err}).Message(), nil
	}
	return stages.Message{}, err
}

func toolFailed(why string) string { return "error: " + why }

// runTool is the handler of the tool stage. Its error is part of the result.
func (s *Session) runTool(ctx context.Context, t *stages.Tool) (*stages.Tool, error) {
	r, err := s.requestOf(t.Meta())
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	var res stages.ToolResult
	err = s.contain(func() (err error) {
		res.Output, err = callTool(ctx, t)
		return err
	})
	res.Duration, res.Success, res.Err = time.Since(begun), err == nil, err
	_, panicked := as[*chain.PanicError](err)
	switch {
	case panicked: // what it says is not for the model
		res.Output = toolFailed("the tool broke down")
		s.fault(ctx, r, t.Meta(), stages.FaultFields{Failure: failure(err, stages.FaultTool), Where: "tool " + t.Name()})
	case err != nil:
		res.Output = toolFailed(err.Error())
	}
	return t.Done(res), nil
}

// callTool finds the tool and calls it, if its arguments are JSON. They are not checked against its parameters.
func callTool(ctx context.Context, t *stages.Tool) (string, error) {
	c, ok := t.Callable()
	switch {
	case !ok:
		return "", fmt.Errorf("there is no tool %q", t.Name())
	case c.Call == nil:
		return "", fmt.Errorf("tool %q has no function", t.Name())
	}
	arguments := json.RawMessage(t.Arguments())
	if len(arguments) == 0 {
		arguments = json.RawMessage("{}")
	}
	if !json.Valid(arguments) {
		return "", errors.New("the arguments are not valid JSON")
	}
	v, err := c.Call(ctx, arguments)
	if err != nil {
		return "", err
	}
	if text, ok := v.(string); ok {
		return text, nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("its result: %w", err)
	}
	return string(b), nil
}
