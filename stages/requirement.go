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
	// Check decides in Go. Without it a model is asked to judge by the description. It may be called concurrently; an
	// error means that the check itself failed, not the answer.
	Check func(ctx context.Context, t Target) (Verdict, error) `json:"-"`
	// CheckPrefix, which may be nil, judges an answer while it is streamed, by the text that there is so far: Fail says that
	// no continuation can fulfil the requirement, so that the answer is not waited for; Pass and Unknown let it go on. The
	// complete answer is checked by Check in any case.
	CheckPrefix func(ctx context.Context, text string) (Verdict, error) `json:"-"`
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
