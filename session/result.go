package session

import (
	"time"

	"github.com/maillon-go/maillon/stages"
)

// Result is what came of an instruction.
type Result struct {
	Output stages.Output // the answer, as the links left it
	// Success says that the answer fulfils all requirements.
	Success bool
	// FailureReason says why it does not.
	FailureReason string
	// Attempts are all tries with what was found about them, or the error that they ended in, oldest first.
	Attempts stages.List[stages.Attempt]
	Usage    stages.Usage // of all tries
	// History is the conversation with this turn at its end: that of the session, or what to go on with without one.
	History   stages.History
	RequestID string // as the payloads of this call carried it
	Duration  time.Duration

	value any // the decoded answer
}

// Text is the answer's text.
func (r *Result) Text() string { return r.Output.Text }

// String is the answer's text too, so that a result can be printed.
func (r *Result) String() string { return r.Output.Text }
