package stages

// Role says who wrote a message.
type Role string

// The roles.
const (
	RoleSystem    Role = "system"
	RoleUser      Role = "user"
	RoleAssistant Role = "assistant"
	RoleTool      Role = "tool" // the result of a tool call
)

// Message is one entry of a conversation, as a backend gets it. It is a value: copy it, change the copy.
type Message struct {
	Role Role   `json:"role"`
	Text string `json:"text"`
	// Name tells apart writers of one role; for RoleTool it is the tool's name.
	Name string `json:"name,omitempty"`
	// ToolCalls are what an assistant's message asks for.
	ToolCalls List[ToolCall] `json:"tool_calls,omitzero"`
	// ToolCallID is the call that a message of RoleTool answers.
	ToolCallID string      `json:"tool_call_id,omitempty"`
	Images     List[Image] `json:"images,omitzero"`
}

// Equal says that two messages have the same content.
func (m Message) Equal(o Message) bool {
	return m.Role == o.Role && m.Text == o.Text && m.Name == o.Name && m.ToolCallID == o.ToolCallID &&
		equalLists(same[ToolCall])(m.ToolCalls, o.ToolCalls) && equalLists(same[Image])(m.Images, o.Images)
}

// Tokens is a rough estimate of the message's length in tokens: one for every four bytes of text and tool arguments, and
// four for the message. It reads no tokenizer's table and is off by a third in either direction easily.
func (m Message) Tokens() int {
	bytes := len(m.Text)
	for _, c := range m.ToolCalls.All() {
		bytes += len(c.Name) + len(c.Arguments)
	}
	return 4 + (bytes+3)/4
}

// Image is a picture in a message: where to find it, or its bytes.
type Image struct {
	URL       string `json:"url,omitempty"`
	MediaType string `json:"media_type,omitempty"` // such as "image/png"
	Base64    string `json:"base64,omitempty"`     // the bytes, in the encoding that backends take
}

// same compares values of a comparable type.
func same[T comparable](a, b T) bool { return a == b }
