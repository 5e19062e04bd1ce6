package audit

import (
	"encoding/json"
	"time"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

// Record is what is stored of one run through one stage. Ids and names have at most 256 bytes. A Record must not be changed
// once a Sink got it.
type Record struct {
	Time    time.Time     `json:"time"`  // when the run was over, UTC
	Chain   string        `json:"chain"` // the stage, "generation", say
	Hook    string        `json:"hook"`  // the row of the table of hook points that it got to
	Verdict chain.Verdict `json:"verdict"`
	// Link is the one that blocked, failed or answered; empty when the stage itself decided.
	Link      string `json:"link,omitempty"`
	Code      string `json:"code,omitempty"`       // of the violation
	ErrorKind string `json:"error_kind,omitempty"` // a stages.ErrorKind
	FaultKind string `json:"fault_kind,omitempty"` // a stages.FaultKind, where the stage knows
	// Answered says that the stage's handler ran. It is false for a cache hit, and where a link ended the call before.
	Answered bool `json:"answered"`

	SessionID       string `json:"session_id,omitempty"`
	RequestID       string `json:"request_id,omitempty"`
	ParentRequestID string `json:"parent_request_id,omitempty"`
	CorrelationID   string `json:"correlation_id,omitempty"`
	ComponentKind   string `json:"component_kind,omitempty"`
	ComponentName   string `json:"component_name,omitempty"`
	Strategy        string `json:"strategy,omitempty"`
	Backend         string `json:"backend,omitempty"`
	Provider        string `json:"provider,omitempty"`
	Model           string `json:"model,omitempty"`           // that was asked
	AnsweringModel  string `json:"answering_model,omitempty"` // where the backend says
	Source          string `json:"source,omitempty"`          // of a generation: a stages.Source, "cache" for a cache hit
	Tool            string `json:"tool,omitempty"`            // if there is one of that name

	Success  *bool         `json:"success,omitempty"` // of a component, a sampling loop, a validation, a tool, a stream
	Usage    *stages.Usage `json:"usage,omitempty"`   // in tokens
	Duration time.Duration `json:"duration"`          // of the stage, in nanoseconds

	// UserID, Labels and Metadata are there as far as Settings.Keep says.
	UserID   string                     `json:"user_id,omitempty"`
	Labels   map[string]string          `json:"labels,omitempty"`
	Metadata map[string]json.RawMessage `json:"metadata,omitempty"`

	// Contents is a JSON object, redacted, and only there with Settings.Redact.
	Contents json.RawMessage `json:"contents,omitempty"`
	// NoContents says why there are none where there should be: "chunk", "too_large", "redactor_failed", "not_encodable".
	NoContents string `json:"no_contents,omitempty"`

	// Lost is how many records before this one were given up while the sink failed.
	Lost uint64 `json:"lost,omitempty"`
}

// size is about how much memory a record takes.
func (r *Record) size() int {
	n := 1024 + len(r.Contents)
	for k, v := range r.Labels {
		n += len(k) + len(v)
	}
	for k, v := range r.Metadata {
		n += len(k) + len(v)
	}
	return n
}
