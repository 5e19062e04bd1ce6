package stages

// Kinds of component, what Action.Kind returns. A component of a user's own returns the name of its type.
const (
	KindInstruction    = "Instruction"    // a task with requirements, examples and grounding context
	KindMessage        = "Message"        // one message of a chat
	KindQuery          = "Query"          // a question about an object
	KindTransform      = "Transform"      // a change of an object
	KindGenerativeSlot = "GenerativeSlot" // a typed function that the model answers
)

// Action is a component: what is put to the model, the thing that a session executes and a history grows by. It is all
// that the stages need to know of one, so any type with these methods can be executed.
//
// An Action must not change after it was handed over, and its methods may be called concurrently.
type Action interface {
	// Kind is one of the kinds above or the name of the component's type.
	Kind() string
	// Name tells components of one kind apart in logs and policies. It may be empty.
	Name() string
	// Messages is what the component is to a model, to stand behind the history. The slice belongs to the caller.
	// It is called more than once for one action, so it does no work that costs or changes anything.
	Messages() ([]Message, error)
}

// ContextItem is a named document that a component is grounded in.
type ContextItem struct {
	Name string `json:"name,omitempty"`
	Text string `json:"text"`
}
