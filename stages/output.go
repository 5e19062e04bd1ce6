package stages

import "time"

// Output is an answer. It is a value: copy it, change the copy.
type Output struct {
	Text         string         `json:"text"`
	ToolCalls    List[ToolCall] `json:"tool_calls,omitzero"`
	FinishReason FinishReason   `json:"finish_reason,omitempty"`
	Usage        Usage          `json:"usage,omitzero"`
	Model        string         `json:"model,omitempty"` // the one that answered
	// Raw is the backend's response as received, where the backend keeps it.
	Raw JSON `json:"raw,omitempty"`
}

// Message is the output as the assistant's entry in a history.
func (o Output) Message() Message {
	return Message{Role: RoleAssistant, Text: o.Text, ToolCalls: o.ToolCalls}
}

// Equal says that two outputs have the same content.
func (o Output) Equal(p Output) bool {
	return o.Text == p.Text && o.FinishReason == p.FinishReason && o.Usage == p.Usage && o.Model == p.Model &&
		o.Raw == p.Raw && equalLists(same[ToolCall])(o.ToolCalls, p.ToolCalls)
}

// FinishReason says why a model stopped. A backend may have further ones of its own.
type FinishReason string

// The reasons that backends have in common.
const (
	FinishStop      FinishReason = "stop"           // done, or met a stop text
	FinishLength    FinishReason = "length"         // cut off by a limit on tokens
	FinishToolCalls FinishReason = "tool_calls"     // wants tools to be run
	FinishFiltered  FinishReason = "content_filter" // withheld by the provider
	FinishCutOff    FinishReason = "cut_off"        // the runtime had seen that it cannot fulfil a requirement
)

// Usage is what an answer took, in tokens.
type Usage struct {
	InputTokens  int `json:"input_tokens"`
	CachedTokens int `json:"cached_tokens,omitempty"` // those of the input that the provider had cached
	OutputTokens int `json:"output_tokens"`
}

// Total is input and output together.
func (u Usage) Total() int { return u.InputTokens + u.OutputTokens }

// Add is the sum.
func (u Usage) Add(o Usage) Usage {
	return Usage{u.InputTokens + o.InputTokens, u.CachedTokens + o.CachedTokens, u.OutputTokens + o.OutputTokens}
}

// Source says where an output comes from.
type Source string

// The sources. A link that answers in the backend's place states its own.
const (
	SourceBackend      Source = "backend"
	SourceCache        Source = "cache"
	SourceShortCircuit Source = "short_circuit" // a link answered, without a model
)

// Exchange is one entry of a generation log: a request to a model and what came of it. The output is what all hooks of the
// generation have left of it; where one stopped it, or the request failed, or was made again, it has no text.
type Exchange struct {
	RequestID string        `json:"request_id"`
	Messages  List[Message] `json:"messages"`
	Output    Output        `json:"output"`
	Error     string        `json:"error,omitempty"`
	Latency   time.Duration `json:"latency"`
}
