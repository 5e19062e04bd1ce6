package stages

import (
	"encoding/json"
	"iter"
)

// HistoryKind says what of a session's history a model sees.
type HistoryKind string

// The kinds of history.
const (
	HistoryChat   HistoryKind = "chat"   // the whole conversation
	HistorySingle HistoryKind = "single" // nothing of it: every call stands alone
)

// History is a conversation that cannot be changed: Append and Tail give another one that shares its past with the old
// one, in constant time. The zero value is empty. Safe for concurrent use.
type History struct {
	last *entry
	n    int // messages seen through this value, at most last.count
}

// entry is a message and its past.
type entry struct {
	message Message
	prev    *entry
	count   int // of messages up to here
	tokens  int // estimated, up to here
}

// NewHistory is the conversation of these messages.
func NewHistory(messages ...Message) History { return History{}.Append(messages...) }

// Append gives the conversation with more messages at its end.
func (h History) Append(messages ...Message) History {
	for _, m := range messages {
		e := &entry{message: m, count: 1, tokens: m.Tokens()}
		if h.n > 0 {
			e.prev, e.count, e.tokens = h.last, h.last.count+1, h.last.tokens+e.tokens
		}
		h.last, h.n = e, h.n+1
	}
	return h
}

// Tail is the conversation's last n messages, all of them when it has fewer.
func (h History) Tail(n int) History {
	if n = min(n, h.n); n <= 0 {
		return History{}
	}
	return History{h.last, n}
}

// Len is the number of messages.
func (h History) Len() int { return h.n }

// Last is the newest message, and whether there is one.
func (h History) Last() (Message, bool) {
	if h.n == 0 {
		return Message{}, false
	}
	return h.last.message, true
}

// Backward yields index and message, newest first, without an allocation.
func (h History) Backward() iter.Seq2[int, Message] {
	return func(yield func(int, Message) bool) {
		for i, e := h.n-1, h.last; i >= 0; i, e = i-1, e.prev {
			if !yield(i, e.message) {
				return
			}
		}
	}
}

// Messages is the conversation as a List, oldest first. It takes time and space for its length.
func (h History) Messages() List[Message] {
	if h.n == 0 {
		return List[Message]{}
	}
	out := make([]Message, h.n)
	for i, m := range h.Backward() {
		out[i] = m
	}
	return List[Message]{out}
}

// All yields index and message, oldest first. It collects them beforehand; Backward does not.
func (h History) All() iter.Seq2[int, Message] { return h.Messages().All() }

// Turn is one exchange: what was asked and what the model said to it.
type Turn struct {
	Input  Message `json:"input,omitzero"`
	Output Message `json:"output,omitzero"` // zero when the last message is not answered yet
}

// LastTurn is the newest message of a user and the assistant's last answer to it.
func (h History) LastTurn() (t Turn) {
	for _, m := range h.Backward() {
		switch {
		case m.Role == RoleUser:
			t.Input = m
			return t
		case m.Role == RoleAssistant && t.Output.Role == "":
			t.Output = m
		}
	}
	return t
}

// Tokens is a rough estimate of the conversation's length in tokens: see Message.Tokens.
func (h History) Tokens() int {
	if h.n > 0 && h.n == h.last.count {
		return h.last.tokens
	}
	sum := 0
	for _, m := range h.Backward() {
		sum += m.Tokens()
	}
	return sum
}

// Same says that two Histories are one and the same view of one conversation; it does not compare messages.
func (h History) Same(o History) bool { return h.n == o.n && (h.n == 0 || h.last == o.last) }

// MarshalJSON gives the messages as an array.
func (h History) MarshalJSON() ([]byte, error) { return json.Marshal(h.Messages()) }

// UnmarshalJSON reads an array of messages into h, and leaves alone what h held before.
func (h *History) UnmarshalJSON(b []byte) error {
	var messages List[Message]
	if err := json.Unmarshal(b, &messages); err != nil {
		return err
	}
	*h = NewHistory(messages.items...)
	return nil
}
