package stages

import "time"

// PayloadVersion is the version of the payloads' shape. It grows when a field changes its meaning.
const PayloadVersion = 1

// Meta says which call a payload belongs to. Every payload has one, and no link may write it. It is a value.
type Meta struct {
	SessionID string `json:"session_id,omitempty"`
	// RequestID is one for all stages of one call of the session. A call made by a hook during another one has the
	// other's as ParentRequestID.
	RequestID       string `json:"request_id"`
	ParentRequestID string `json:"parent_request_id,omitempty"`
	// CorrelationID is one for the Before and the After hooks, and the observers, of one run through one stage.
	CorrelationID string      `json:"correlation_id"`
	Time          time.Time   `json:"time"` // when the stage began
	ComponentKind string      `json:"component_kind,omitempty"`
	ComponentName string      `json:"component_name,omitempty"`
	Strategy      string      `json:"strategy,omitempty"` // its name
	UserID        string      `json:"user_id,omitempty"`
	Labels        Map[string] `json:"labels,omitzero"`   // of the session
	Metadata      Map[any]    `json:"metadata,omitzero"` // the user's own
	Version       int         `json:"version"`           // PayloadVersion
}

func (m Meta) versioned() Meta {
	m.Version = PayloadVersion
	return m
}
