package stages

import "time"

// Component is a component being executed: put to a model, sampled, repaired and added to the history.
type Component struct {
	meta    Meta
	in      ComponentFields
	out     ComponentResult
	done    bool
	failure Failure

	// Built from the fields above.
	after History
}

// ComponentFields is what a Component carries from the start.
type ComponentFields struct {
	Kind         string            // the kind of component, such as KindInstruction
	Name         string            // the name of the component, where it has one
	Action       Action            // the component itself, what is executed
	History      History           // the conversation before it
	Window       Optional[int]     // messages of the history that the model sees at most; open: all of them
	Requirements List[Requirement] // what the answer has to fulfil
	ModelOptions ModelOptions      // the options of its generations
	Format       Format            // the shape of the answer
	Strategy     Strategy          // how to sample; nil for one generation without repair
	ToolsEnabled bool              // whether the model may ask for tools
	Input        string            // what the user gave, as component_pre_create left it, before any template
}

// ComponentResult is what came of the execution.
type ComponentResult struct {
	Result   Output         // the answer
	Added    List[Message]  // what the component itself adds to the history, in front of the answer
	Log      List[Exchange] // the generations that it took
	Attempts List[Attempt]  // the tries of its strategy
	Success  bool           // whether the answer fulfils all requirements
	Usage    Usage          // of all its generations
	Latency  time.Duration  // from start to end
}

// NewComponent makes the payload of one call.
func NewComponent(m Meta, f ComponentFields) *Component {
	return &Component{meta: m.versioned(), in: f}
}

// Done gives the payload with its result, for the way out. c stays as it is.
func (c *Component) Done(res ComponentResult) *Component {
	n := *c
	n.out, n.done = res, true
	n.rebuild()
	return &n
}

// HasResult says whether the result is there: true for After hooks.
func (c *Component) HasResult() bool { return c.done }

// Meta says which call this is.
func (c *Component) Meta() Meta { return c.meta }

// Kind is the kind of component, such as KindInstruction.
func (c *Component) Kind() string { return c.in.Kind }

// Name is the name of the component, where it has one.
func (c *Component) Name() string { return c.in.Name }

// Action is the component itself, which is what will be executed.
func (c *Component) Action() Action { return c.in.Action }

// WithAction gives a copy with another action.
func (c *Component) WithAction(v Action) *Component {
	n := *c
	n.in.Action = v
	return &n
}

// History is the conversation before it.
func (c *Component) History() History { return c.in.History }

// WithHistory gives a copy with another history.
func (c *Component) WithHistory(v History) *Component {
	n := *c
	n.in.History = v
	n.rebuild()
	return &n
}

// Window is the number of messages of the history that the model sees at most; open, it sees all of them.
func (c *Component) Window() Optional[int] { return c.in.Window }

// Requirements are what the answer has to fulfil.
func (c *Component) Requirements() List[Requirement] { return c.in.Requirements }

// WithRequirements gives a copy with other requirements.
func (c *Component) WithRequirements(v List[Requirement]) *Component {
	n := *c
	n.in.Requirements = v
	return &n
}

// ModelOptions are the options of its generations.
func (c *Component) ModelOptions() ModelOptions { return c.in.ModelOptions }

// WithModelOptions gives a copy with other model options.
func (c *Component) WithModelOptions(v ModelOptions) *Component {
	n := *c
	n.in.ModelOptions = v
	return &n
}

// Format is the shape of the answer.
func (c *Component) Format() Format { return c.in.Format }

// WithFormat gives a copy with another format.
func (c *Component) WithFormat(v Format) *Component {
	n := *c
	n.in.Format = v
	return &n
}

// Strategy is how answers are sampled; nil for one generation without repair.
func (c *Component) Strategy() Strategy { return c.in.Strategy }

// WithStrategy gives a copy with another strategy.
func (c *Component) WithStrategy(v Strategy) *Component {
	n := *c
	n.in.Strategy = v
	return &n
}

// ToolsEnabled says whether the model may ask for tools.
func (c *Component) ToolsEnabled() bool { return c.in.ToolsEnabled }

// WithToolsEnabled gives a copy with another setting of tools enabled.
func (c *Component) WithToolsEnabled(v bool) *Component {
	n := *c
	n.in.ToolsEnabled = v
	return &n
}

// Input is what the user gave, as component_pre_create left it, before any template.
func (c *Component) Input() string { return c.in.Input }

// Result is the answer.
func (c *Component) Result() Output { return c.out.Result }

// WithResult gives a copy with another result.
func (c *Component) WithResult(v Output) *Component {
	n := *c
	n.out.Result = v
	n.rebuild()
	return &n
}

// Added is what the component itself adds to the history, in front of the answer.
func (c *Component) Added() List[Message] { return c.out.Added }

// Log has the generations that it took.
func (c *Component) Log() List[Exchange] { return c.out.Log }

// Attempts are the tries of its strategy, in order.
func (c *Component) Attempts() List[Attempt] { return c.out.Attempts }

// Success says whether the answer fulfils all requirements.
func (c *Component) Success() bool { return c.out.Success }

// Usage is what all its generations used together.
func (c *Component) Usage() Usage { return c.out.Usage }

// Latency is the time from start to end.
func (c *Component) Latency() time.Duration { return c.out.Latency }

// View is the part of the history that the model sees: its last messages, as many as Window allows.
func (c *Component) View() History { return c.in.History.Tail(c.in.Window.Or(c.in.History.Len())) }

// HistoryAfter is the history with the component and its result at the end. It follows the result: a hook that writes the
// result gets another HistoryAfter too.
func (c *Component) HistoryAfter() History { return c.after }

// Failed gives the payload of an execution that ended in an error, for OnError hooks. c stays as it is.
func (c *Component) Failed(f Failure) *Component {
	n := *c
	n.failure = f
	return &n
}

// Failure is what went wrong, for OnError hooks. It is zero when a link stopped the call before the execution began: the
// error itself is always in the hook's chain.Outcome.
func (c *Component) Failure() Failure { return c.failure }

func (c *Component) rebuild() {
	if c.done {
		c.after = c.in.History.Append(c.out.Added.items...).Append(c.out.Result.Message())
	}
}

var componentSpec = spec[Component]{
	meta:    func(s *Component) *Meta { return &s.meta },
	done:    func(s *Component) *bool { return &s.done },
	rebuild: (*Component).rebuild,
	in: []field[Component]{
		value("kind", func(s *Component) *string { return &s.in.Kind }),
		value("name", func(s *Component) *string { return &s.in.Name }),
		by("action", func(s *Component) *Action { return &s.in.Action }, sameValue),
		value("history", func(s *Component) *History { return &s.in.History }),
		value("window", func(s *Component) *Optional[int] { return &s.in.Window }),
		by("requirements", func(s *Component) *List[Requirement] { return &s.in.Requirements }, sameList[Requirement]),
		by("model_options", func(s *Component) *ModelOptions { return &s.in.ModelOptions }, sameOptions),
		value("format", func(s *Component) *Format { return &s.in.Format }),
		by("strategy", func(s *Component) *Strategy { return &s.in.Strategy }, sameValue),
		value("tools_enabled", func(s *Component) *bool { return &s.in.ToolsEnabled }),
		value("input", func(s *Component) *string { return &s.in.Input }),
		by("failure", func(s *Component) *Failure { return &s.failure }, sameFailure),
		derived[Component]("view"),
	},
	out: []field[Component]{
		by("result", func(s *Component) *Output { return &s.out.Result }, Output.Equal),
		by("added", func(s *Component) *List[Message] { return &s.out.Added }, equalLists(Message.Equal)),
		by("log", func(s *Component) *List[Exchange] { return &s.out.Log }, sameList[Exchange]),
		by("attempts", func(s *Component) *List[Attempt] { return &s.out.Attempts }, sameList[Attempt]),
		value("success", func(s *Component) *bool { return &s.out.Success }),
		value("usage", func(s *Component) *Usage { return &s.out.Usage }),
		value("latency", func(s *Component) *time.Duration { return &s.out.Latency }),
		derived[Component]("history_after"),
	},
}
