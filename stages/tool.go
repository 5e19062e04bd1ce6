package stages

import "time"

// ToolSource says who asked for a tool.
type ToolSource string

// Who may ask for a tool.
const (
	ToolFromModel ToolSource = "model"
	ToolFromCode  ToolSource = "code" // the program itself, without a model's tool call
)

// Tool is a tool being run.
type Tool struct {
	meta Meta
	in   ToolFields
	out  ToolResult
	done bool
}

// ToolFields is what a Tool carries from the start.
type ToolFields struct {
	CallID    string         // the model's id of the call, empty without one
	Name      string         // the tool that is asked for, by its name among the available ones
	Arguments JSON           // as the model wrote them
	Available List[Callable] // the tools to choose from
	Source    ToolSource     // who asked
}

// ToolResult is what came of the run.
type ToolResult struct {
	Output   string        // what the model is told
	Duration time.Duration // of the run
	Success  bool          // whether the tool succeeded
	Err      error         // why not
}

// NewTool makes the payload of one call.
func NewTool(m Meta, f ToolFields) *Tool { return &Tool{meta: m.versioned(), in: f} }

// Done gives the payload with its result, for the way out. t stays as it is.
func (t *Tool) Done(res ToolResult) *Tool {
	n := *t
	n.out, n.done = res, true
	return &n
}

// HasResult says whether the result is there: true for After hooks.
func (t *Tool) HasResult() bool { return t.done }

// Meta says which call this is.
func (t *Tool) Meta() Meta { return t.meta }

// CallID is the id that the model gave the call; empty where none did.
func (t *Tool) CallID() string { return t.in.CallID }

// Name is the name of the tool; the runtime looks it up among the available ones.
func (t *Tool) Name() string { return t.in.Name }

// WithName gives a copy with another name.
func (t *Tool) WithName(v string) *Tool {
	n := *t
	n.in.Name = v
	return &n
}

// Arguments are what the tool is given. The runtime checks them against the tool's parameters before it runs the tool, so
// that what a hook has written is checked too.
func (t *Tool) Arguments() JSON { return t.in.Arguments }

// WithArguments gives a copy with other arguments.
func (t *Tool) WithArguments(v JSON) *Tool {
	n := *t
	n.in.Arguments = v
	return &n
}

// Available has the tools that may be run.
func (t *Tool) Available() List[Callable] { return t.in.Available }

// Source is who asked for it.
func (t *Tool) Source() ToolSource { return t.in.Source }

// Output is what the model is told: the result, or what went wrong.
func (t *Tool) Output() string { return t.out.Output }

// WithOutput gives a copy with another output.
func (t *Tool) WithOutput(v string) *Tool {
	n := *t
	n.out.Output = v
	return &n
}

// Duration is the time that the run took.
func (t *Tool) Duration() time.Duration { return t.out.Duration }

// Success says whether the tool succeeded.
func (t *Tool) Success() bool { return t.out.Success }

// Err is the reason why it did not.
func (t *Tool) Err() error { return t.out.Err }

// ControlFlow says whether the named tool steers the runtime instead of doing work.
func (t *Tool) ControlFlow() bool {
	c, _ := t.Callable()
	return c.ControlFlow
}

// Callable is the named tool, and whether it is among the available ones.
func (t *Tool) Callable() (Callable, bool) {
	for _, c := range t.in.Available.All() {
		if c.Name == t.in.Name {
			return c, true
		}
	}
	return Callable{}, false
}

// Message is the output as an entry of the history. It follows Output.
func (t *Tool) Message() Message {
	return Message{Role: RoleTool, Name: t.in.Name, ToolCallID: t.in.CallID, Text: t.out.Output}
}

var toolSpec = spec[Tool]{
	meta: func(s *Tool) *Meta { return &s.meta },
	done: func(s *Tool) *bool { return &s.done },
	in: []field[Tool]{
		value("call_id", func(s *Tool) *string { return &s.in.CallID }),
		value("name", func(s *Tool) *string { return &s.in.Name }),
		value("arguments", func(s *Tool) *JSON { return &s.in.Arguments }),
		by("available", func(s *Tool) *List[Callable] { return &s.in.Available }, sameList[Callable]),
		value("source", func(s *Tool) *ToolSource { return &s.in.Source }),
		derived[Tool]("control_flow"),
	},
	out: []field[Tool]{
		value("output", func(s *Tool) *string { return &s.out.Output }),
		value("duration", func(s *Tool) *time.Duration { return &s.out.Duration }),
		value("success", func(s *Tool) *bool { return &s.out.Success }),
		by("error", func(s *Tool) *error { return &s.out.Err }, sameValue),
		derived[Tool]("message"),
	},
}
