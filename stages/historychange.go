package stages

// ChangeKind says how a history changed.
type ChangeKind string

// The kinds of change.
const (
	ChangeAppend ChangeKind = "append"
	ChangeReset  ChangeKind = "reset"
	ChangePrune  ChangeKind = "prune" // messages were dropped to keep within a limit
)

// HistoryChange is a report that a session's history is another one now. Reading it is no change.
type HistoryChange struct {
	meta Meta
	in   HistoryChangeFields
}

// HistoryChangeFields is what a HistoryChange carries from the start.
type HistoryChangeFields struct {
	Kind        ChangeKind    // how it changed
	HistoryKind HistoryKind   // what the model sees of it
	Previous    History       // the conversation before
	Resulting   History       // the conversation now; its length is Resulting.Len()
	Added       List[Message] // new messages
	Removed     List[Message] // messages dropped
	Reason      string        // why they were dropped
	TokenLimit  int           // that made it necessary
	TokensFreed int           // estimated
}

// NewHistoryChange makes the payload of one call.
func NewHistoryChange(m Meta, f HistoryChangeFields) *HistoryChange {
	return &HistoryChange{meta: m.versioned(), in: f}
}

// Meta says which call this is.
func (h *HistoryChange) Meta() Meta { return h.meta }

// Kind is how it changed.
func (h *HistoryChange) Kind() ChangeKind { return h.in.Kind }

// HistoryKind is what the model sees of the history.
func (h *HistoryChange) HistoryKind() HistoryKind { return h.in.HistoryKind }

// Previous is the conversation before.
func (h *HistoryChange) Previous() History { return h.in.Previous }

// Resulting is the conversation now.
func (h *HistoryChange) Resulting() History { return h.in.Resulting }

// Added has the new messages.
func (h *HistoryChange) Added() List[Message] { return h.in.Added }

// Removed has the messages that were dropped.
func (h *HistoryChange) Removed() List[Message] { return h.in.Removed }

// Reason is the reason why messages were dropped.
func (h *HistoryChange) Reason() string { return h.in.Reason }

// TokenLimit is the limit that made dropping necessary, in tokens.
func (h *HistoryChange) TokenLimit() int { return h.in.TokenLimit }

// TokensFreed is an estimate of what dropping freed, in tokens.
func (h *HistoryChange) TokensFreed() int { return h.in.TokensFreed }

// Hook is the name of the hook point that the change belongs to.
func (h *HistoryChange) Hook() string {
	if h.in.Kind == ChangePrune {
		return "context_prune"
	}
	return "context_update"
}

var historyChangeSpec = spec[HistoryChange]{
	meta: func(s *HistoryChange) *Meta { return &s.meta },
	in: []field[HistoryChange]{
		value("kind", func(s *HistoryChange) *ChangeKind { return &s.in.Kind }),
		value("history_kind", func(s *HistoryChange) *HistoryKind { return &s.in.HistoryKind }),
		value("previous", func(s *HistoryChange) *History { return &s.in.Previous }),
		value("resulting", func(s *HistoryChange) *History { return &s.in.Resulting }),
		by("added", func(s *HistoryChange) *List[Message] { return &s.in.Added }, equalLists(Message.Equal)),
		by("removed", func(s *HistoryChange) *List[Message] { return &s.in.Removed }, equalLists(Message.Equal)),
		value("reason", func(s *HistoryChange) *string { return &s.in.Reason }),
		value("token_limit", func(s *HistoryChange) *int { return &s.in.TokenLimit }),
		value("tokens_freed", func(s *HistoryChange) *int { return &s.in.TokensFreed }),
	},
}
