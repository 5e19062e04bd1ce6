package stages

import "context"

// Ruling is the yes or no of a Verdict.
type Ruling uint8

// What a check of a requirement may find.
const (
	Unknown Ruling = iota // could not be decided, which does not count as passed
	Pass
	Fail
)

func (r Ruling) String() string {
	switch r {
	case Unknown:
		return "unknown"
	case Pass:
		return "pass"
	case Fail:
		return "fail"
	}
	return "invalid"
}

// MarshalText gives the name.
func (r Ruling) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Verdict is what a check found, and why. The zero value is Unknown.
type Verdict struct {
	Ruling Ruling `json:"ruling"`
	Reason string `json:"reason,omitempty"` // shown to the model when it is asked to repair its answer
}

// Passed says that the ruling is Pass.
func (v Verdict) Passed() bool { return v.Ruling == Pass }

// Requirement is something that an answer has to fulfil. The model is told its description, unless it is CheckOnly.
type Requirement struct {
	Name        string `json:"name,omitempty"`
	Description string `json:"description"`
	// CheckOnly keeps the requirement out of the prompt: it is checked, but the model is not told.
	CheckOnly bool `json:"check_only,omitempty"`
	// Check decides in Go. Without it, and without CheckPrefix, a model is asked to judge by the description. It may be called
	// concurrently; an error means that the check itself failed, not the answer.
	Check func(ctx context.Context, t Target) (Verdict, error) `json:"-"`
	// CheckPrefix decides while an answer is streamed, where that can be done: text is the answer's text so far, all of it
	// when final is true. It may end in the middle of a character. Pass and Fail stand, whatever text follows; Unknown asks
	// for more of it. After a Fail the answer is not waited for. The complete answer is checked by Check in any case; the last
	// word, with final, must be that of Check, and a requirement without Check has that one only.
	CheckPrefix func(ctx context.Context, text string, final bool) (Verdict, error) `json:"-"`
}

// String is the name, or the description where there is none.
func (r Requirement) String() string {
	if r.Name != "" {
		return r.Name
	}
	return r.Description
}

// Target is what is checked: an answer, with what led to it.
type Target struct {
	Output  Output  `json:"output"`
	Action  Action  `json:"-"`
	History History `json:"-"` // what the model saw before the action
	// Tools are those that were asked for on the way to the answer, in that order.
	Tools List[ToolRun] `json:"tools,omitzero"`
}

// Finding is the verdict on one requirement.
type Finding struct {
	Requirement Requirement `json:"requirement"`
	Verdict     Verdict     `json:"verdict"`
}

// ValidationKind says who checks.
type ValidationKind string

// The kinds of validation.
const (
	ValidateInGo    ValidationKind = "go"
	ValidateByJudge ValidationKind = "judge" // by asking a model
)
