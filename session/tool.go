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

// ArgumentsError means that the arguments of a tool call do not fit the parameters of the tool, which was not run.
type ArgumentsError struct {
	Tool string
	// Problem names what is wrong, with the place: what the model is told. It may quote the arguments, and is therefore not
	// in the error's text.
	Problem string
}

func (e *ArgumentsError) Error() string {
	return fmt.Sprintf("session: the arguments do not fit the parameters of tool %q", e.Tool)
}

// RunTool runs one of the session's tools, see WithTools, for the program itself: through the tool stage with the source
// stages.ToolFromCode. What goes wrong with the tool, a block included, is in the output and not an error, as for a model.
// The error is that of a link that failed. The history is left alone.
func (s *Session) RunTool(ctx context.Context, name string, arguments stages.JSON) (stages.ToolRun, error) {
	ctx, r, err := s.begin(ctx)
	if err != nil {
		return stages.ToolRun{}, err
	}
	defer s.end(r)
	t, err := s.invoke(ctx, stages.NewTool(r.meta(), stages.ToolFields{
		Name: name, Arguments: arguments, Available: stages.ListOf(s.cfg.tools...), Source: stages.ToolFromCode,
	}))
	if err != nil {
		return stages.ToolRun{}, s.failed(ctx, r, stages.FaultFields{
			Failure: failure(err, stages.FaultTool), Where: "tool " + name, History: r.history,
		})
	}
	return runOf(t), nil
}

func runOf(t *stages.Tool) stages.ToolRun {
	return stages.ToolRun{
		Call:   stages.ToolCall{ID: t.CallID(), Name: t.Name(), Arguments: t.Arguments()},
		Output: t.Output(), Success: t.Success(),
	}
}

// invoke runs the tool stage. The error is one of a link that failed; what goes wrong with the tool itself, a block
// included, is the tool's output.
func (s *Session) invoke(ctx context.Context, t *stages.Tool) (*stages.Tool, error) {
	out, err := s.call.tool(ctx, t)
	v, blocked := as[*chain.Violation](err)
	switch {
	case err == nil && !out.HasResult():
		return t.Done(stages.ToolResult{Output: toolFailed("the tool gave no result"), Err: noResult("tool")}), nil
	case err == nil:
		return out, nil
	case blocked:
		return t.Done(stages.ToolResult{Output: toolFailed("it was refused: " + v.Reason), Err: err}), nil
	}
	return nil, err
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
	misfit, unfit := as[*ArgumentsError](err)
	switch {
	case panicked: // what it says is not for the model
		res.Output = toolFailed("the tool broke down")
		s.fault(ctx, r, t.Meta(), stages.FaultFields{Failure: failure(err, stages.FaultTool), Where: "tool " + t.Name()})
	case unfit:
		res.Output = toolFailed("the arguments are wrong: " + misfit.Problem)
	case err != nil:
		res.Output = toolFailed(err.Error())
	}
	return t.Done(res), nil
}

// callTool finds the tool, as hooks have named it, and calls it if the arguments fit.
func callTool(ctx context.Context, t *stages.Tool) (string, error) {
	c, ok := t.Callable()
	switch {
	case !ok:
		return "", fmt.Errorf("there is no tool %q", t.Name())
	case c.Call == nil:
		return "", fmt.Errorf("tool %q has no function", t.Name())
	}
	arguments := t.Arguments()
	if arguments == "" {
		arguments = "{}"
	}
	if err := checkArguments(c, arguments); err != nil {
		return "", err
	}
	v, err := c.Call(ctx, json.RawMessage(arguments))
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

// checkArguments holds arguments against the parameters of a tool, where it states some.
func checkArguments(c stages.Callable, arguments stages.JSON) error {
	if !json.Valid([]byte(arguments)) {
		return errors.New("the arguments are not valid JSON")
	}
	if c.Parameters == "" {
		return nil
	}
	schema, err := compileSchema(c.Parameters)
	if err != nil {
		return err
	}
	if problem := misfit(schema, string(arguments)); problem != "" {
		return &ArgumentsError{Tool: c.Name, Problem: problem}
	}
	return nil
}
