package stages

import "time"

// Generation is one request to a model and its answer. Streamed or not makes no difference to the hooks.
type Generation struct {
	meta Meta
	in   GenerationFields
	out  GenerationResult
	done bool
}

// GenerationFields is what a Generation carries from the start.
type GenerationFields struct {
	Action       Action         // what is asked, nil for a bare list of messages
	History      History        // the conversation that it is asked in
	Messages     List[Message]  // all of it, as the backend gets it
	ModelOptions ModelOptions   // the options of this request
	Tools        List[Callable] // what the model may ask for
	Format       Format         // the shape of the answer
	Backend      Backend        // the name, provider and model of what will answer
}

// GenerationResult is an answer and how it came. A link that answers in the backend's place fills one too.
type GenerationResult struct {
	Output     Output        // the answer
	HTTPStatus int           // 0 where no HTTP was involved
	Chunks     int           // 0 for an answer in one piece
	Latency    time.Duration // from the request to the whole answer
	FirstChunk time.Duration // from the request to the first chunk
	Source     Source        // where the answer comes from; empty becomes SourceShortCircuit
}

// NewGeneration makes the payload of one call.
func NewGeneration(m Meta, f GenerationFields) *Generation {
	return &Generation{meta: m.versioned(), in: f}
}

// Done gives the payload with its result, for the way out. g stays as it is.
func (g *Generation) Done(res GenerationResult) *Generation {
	n := *g
	n.out, n.done = res, true
	if res.Source == "" { // the runtime says so when it was the backend
		n.out.Source = SourceShortCircuit
	}
	return &n
}

// HasResult says whether the result is there: true for After hooks.
func (g *Generation) HasResult() bool { return g.done }

// Meta says which call this is.
func (g *Generation) Meta() Meta { return g.meta }

// Action is what is asked; nil for a bare list of messages.
func (g *Generation) Action() Action { return g.in.Action }

// History is the conversation that it is asked in.
func (g *Generation) History() History { return g.in.History }

// Messages are the whole request as the backend gets it, oldest message first.
func (g *Generation) Messages() List[Message] { return g.in.Messages }

// WithMessages gives a copy with other messages.
func (g *Generation) WithMessages(v List[Message]) *Generation {
	n := *g
	n.in.Messages = v
	return &n
}

// ModelOptions are the options of this request.
func (g *Generation) ModelOptions() ModelOptions { return g.in.ModelOptions }

// WithModelOptions gives a copy with other model options.
func (g *Generation) WithModelOptions(v ModelOptions) *Generation {
	n := *g
	n.in.ModelOptions = v
	return &n
}

// Tools are what the model may ask for.
func (g *Generation) Tools() List[Callable] { return g.in.Tools }

// WithTools gives a copy with other tools.
func (g *Generation) WithTools(v List[Callable]) *Generation {
	n := *g
	n.in.Tools = v
	return &n
}

// Format is the shape of the answer.
func (g *Generation) Format() Format { return g.in.Format }

// WithFormat gives a copy with another format.
func (g *Generation) WithFormat(v Format) *Generation {
	n := *g
	n.in.Format = v
	return &n
}

// Backend is the name, provider and model of what will answer.
func (g *Generation) Backend() Backend { return g.in.Backend }

// HTTPStatus is the status of the backend's response; 0 where no HTTP was involved.
func (g *Generation) HTTPStatus() int { return g.out.HTTPStatus }

// Chunks is the number of chunks that the answer came in; 0 for an answer in one piece.
func (g *Generation) Chunks() int { return g.out.Chunks }

// Latency is the time from the request to the whole answer.
func (g *Generation) Latency() time.Duration { return g.out.Latency }

// FirstChunk is the time from the request to the first chunk; 0 for an answer in one piece.
func (g *Generation) FirstChunk() time.Duration { return g.out.FirstChunk }

// Source is where the answer comes from.
func (g *Generation) Source() Source { return g.out.Source }

// Partial gives the payload with what there was of an answer when the generation failed, for OnError and Observe hooks.
// It does not count as a result. g stays as it is.
func (g *Generation) Partial(res GenerationResult) *Generation {
	n := *g
	n.out, n.done = res, false
	return &n
}

// Output is the answer, or the part of it that came before an error.
func (g *Generation) Output() Output { return g.out.Output }

// WithText gives a copy with another text of the output.
func (g *Generation) WithText(v string) *Generation {
	n := *g
	n.out.Output.Text = v
	return &n
}

// WithToolCalls gives a copy with other tool calls in the output.
func (g *Generation) WithToolCalls(v List[ToolCall]) *Generation {
	n := *g
	n.out.Output.ToolCalls = v
	return &n
}

// WithRaw gives a copy with another raw response in the output. A link that takes something out of the text or the tool calls
// takes it out of the raw response too, or leaves none.
func (g *Generation) WithRaw(v JSON) *Generation {
	n := *g
	n.out.Output.Raw = v
	return &n
}

var generationSpec = spec[Generation]{
	meta: func(s *Generation) *Meta { return &s.meta },
	done: func(s *Generation) *bool { return &s.done },
	in: []field[Generation]{
		by("action", func(s *Generation) *Action { return &s.in.Action }, sameValue),
		value("history", func(s *Generation) *History { return &s.in.History }),
		by("messages", func(s *Generation) *List[Message] { return &s.in.Messages }, equalLists(Message.Equal)),
		by("model_options", func(s *Generation) *ModelOptions { return &s.in.ModelOptions }, sameOptions),
		by("tools", func(s *Generation) *List[Callable] { return &s.in.Tools }, sameList[Callable]),
		value("format", func(s *Generation) *Format { return &s.in.Format }),
		value("backend", func(s *Generation) *Backend { return &s.in.Backend }),
	},
	out: []field[Generation]{
		value("text", func(s *Generation) *string { return &s.out.Output.Text }),
		by("tool_calls", func(s *Generation) *List[ToolCall] { return &s.out.Output.ToolCalls }, equalLists(same[ToolCall])),
		value("finish_reason", func(s *Generation) *FinishReason { return &s.out.Output.FinishReason }),
		value("usage", func(s *Generation) *Usage { return &s.out.Output.Usage }),
		value("raw", func(s *Generation) *JSON { return &s.out.Output.Raw }),
		value("answering_model", func(s *Generation) *string { return &s.out.Output.Model }),
		value("http_status", func(s *Generation) *int { return &s.out.HTTPStatus }),
		value("chunks", func(s *Generation) *int { return &s.out.Chunks }),
		value("latency", func(s *Generation) *time.Duration { return &s.out.Latency }),
		value("first_chunk", func(s *Generation) *time.Duration { return &s.out.FirstChunk }),
		value("source", func(s *Generation) *Source { return &s.out.Source }),
	},
}
