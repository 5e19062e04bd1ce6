package session

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/maillon-go/maillon/middleware"
	"github.com/maillon-go/maillon/stages"
)

// ToolOption sets something about a tool of NewTool. A nil ToolOption is skipped.
type ToolOption interface{ tool(*toolConfig) error }

type toolOption func(*toolConfig) error

func (f toolOption) tool(c *toolConfig) error { return f(c) }

type toolConfig struct {
	timeout     time.Duration // 0: none
	controlFlow bool
}

// ToolTimeout ends the context of the tool's function after d. It is cooperative: a function that ignores its context takes
// as long as it takes. An error that it returns after that time is a *middleware.TimeoutError, for which errors.Is finds
// context.DeadlineExceeded. Without this option only the caller's context limits a tool.
func ToolTimeout(d time.Duration) ToolOption {
	return toolOption(func(c *toolConfig) error {
		if d <= 0 {
			return fmt.Errorf("%w: a tool timeout of %v", ErrOption, d)
		}
		c.timeout = d
		return nil
	})
}

// ControlFlow marks a tool that steers the program instead of doing work, such as one that ends a loop. Hooks see it run
// like any other, and stages.Tool.ControlFlow tells them.
func ControlFlow() ToolOption {
	return toolOption(func(c *toolConfig) error {
		c.controlFlow = true
		return nil
	})
}

// NewTool makes a tool of a function. Args is a struct whose exported fields are the arguments, by the rules of encoding/json:
//
//	type tideArgs struct {
//		Harbour string `json:"harbour" jsonschema:"which harbour" enum:"north,south"`
//		Day     string `json:"day,omitempty" jsonschema:"a date such as 2026-03-01; today where it is left out"`
//	}
//
// The schema that the model is shown, and that arguments have to fit before the function is called, is derived from it: the
// tag jsonschema describes a field; one without omitempty or omitzero is required; enum lists what a field, or an item of
// a slice, may be, with commas between the values; fields that are not there are refused.
//
// A string as a result is given to the model as it is, anything else as JSON, and an error as a failed tool call. The
// function may be called concurrently. NewTool fails with ErrOption.
func NewTool[Args, Result any](
	name, description string, f func(ctx context.Context, args Args) (Result, error), opts ...ToolOption,
) (stages.Callable, error) {
	c := toolConfig{}
	for _, o := range opts {
		if o == nil {
			continue
		}
		if err := o.tool(&c); err != nil {
			return stages.Callable{}, fmt.Errorf("tool %q: %w", name, err)
		}
	}
	if name == "" || f == nil {
		return stages.Callable{}, fmt.Errorf("%w: tool %q: a tool needs a name and a function", ErrOption, name)
	}
	parameters, err := parametersOf(reflect.TypeFor[Args]())
	if err != nil {
		return stages.Callable{}, fmt.Errorf("%w: tool %q: %w", ErrOption, name, err)
	}
	call := func(ctx context.Context, arguments json.RawMessage) (any, error) {
		var args Args
		if err := json.Unmarshal(arguments, &args); err != nil { // such as a number that is too large for its field
			return nil, &ArgumentsError{Tool: name, Problem: err.Error()}
		}
		return f(ctx, args)
	}
	if c.timeout > 0 {
		call = limited(c.timeout, call)
	}
	return stages.Callable{
		Name: name, Description: description, Parameters: parameters, ControlFlow: c.controlFlow, Call: call,
	}, nil
}

type toolFunc = func(ctx context.Context, arguments json.RawMessage) (any, error)

// limited is a tool's function with a time limit.
func limited(d time.Duration, call toolFunc) toolFunc {
	limit := middleware.Timeout(d)
	return func(ctx context.Context, arguments json.RawMessage) (v any, err error) {
		err = limit(ctx, func(ctx context.Context) (err error) {
			v, err = call(ctx, arguments)
			return err
		})
		return v, err
	}
}

// parametersOf is the schema of a tool's arguments.
func parametersOf(args reflect.Type) (stages.JSON, error) {
	if args.Kind() != reflect.Struct {
		return "", fmt.Errorf("the arguments are a %s, they must be a struct", args)
	}
	s, err := jsonschema.ForType(args, &jsonschema.ForOptions{})
	if err != nil {
		return "", err
	}
	if err := addEnums(s, args); err != nil {
		return "", err
	}
	b, err := json.Marshal(s)
	if err != nil {
		return "", err
	}
	_, err = compileSchema(stages.JSON(b))
	return stages.JSON(b), err
}
