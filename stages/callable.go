package stages

import (
	"context"
	"encoding/json"
)

// Callable is a tool that a model may ask for. It is a value that must not change once it was handed over.
type Callable struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// Parameters is the JSON schema of the arguments; empty for a tool that takes none. The runtime shows it to the model
	// and checks the arguments against it.
	Parameters JSON `json:"parameters,omitempty"`
	// ControlFlow marks a tool that steers the runtime instead of doing work, such as one that ends a loop.
	ControlFlow bool `json:"control_flow,omitempty"`
	// Call runs the tool. A string is given to the model as it is, any other result as JSON, and an error as a failed
	// tool call. The arguments are JSON, {} where the model gave none; they fit Parameters, and are of any shape where those
	// are empty. It may be called concurrently.
	Call func(ctx context.Context, arguments json.RawMessage) (any, error) `json:"-"`
}

// ToolCall is a model's wish to run a tool.
type ToolCall struct {
	ID        string `json:"id,omitempty"` // as the backend gave it; the answer refers to it
	Name      string `json:"name"`
	Arguments JSON   `json:"arguments,omitempty"` // as the model wrote them
}

// ToolRun is a tool call with what came of it.
type ToolRun struct {
	Call    ToolCall `json:"call"`    // as it was run: hooks may have rewritten it
	Output  string   `json:"output"`  // what the model was told: the result, or what went wrong
	Success bool     `json:"success"` // false where it failed or was refused
}
