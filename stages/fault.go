package stages

// FaultKind says what sort of thing went wrong.
type FaultKind string

// The kinds of fault.
const (
	FaultBackend    FaultKind = "backend"    // no answer, or none that could be understood
	FaultDecode     FaultKind = "decode"     // structured output that is not what was asked for
	FaultInvariant  FaultKind = "invariant"  // the runtime found itself in a state that cannot be
	FaultComponent  FaultKind = "component"  // an error or a panic of a component
	FaultValidation FaultKind = "validation" // an error or a panic of a check
	FaultTool       FaultKind = "tool"       // an error or a panic of a tool
)

// Failure is an error with what is known about it.
type Failure struct {
	Err         error
	Kind        FaultKind
	Recoverable bool   // whether asking again may help
	Stack       string // of a panic
}

// Fault is a report of an error that is neither a block nor an answer that failed its requirements.
type Fault struct {
	meta Meta
	in   FaultFields
}

// FaultFields is what a Fault carries from the start.
type FaultFields struct {
	Failure Failure // what went wrong
	Where   string  // the stage or component, such as "component_execute"
	History History // the conversation at that time
	Action  Action  // what was being executed, if anything
}

// NewFault makes the payload of one call.
func NewFault(m Meta, f FaultFields) *Fault { return &Fault{meta: m.versioned(), in: f} }

// Meta says which call this is.
func (f *Fault) Meta() Meta { return f.meta }

// Failure is what went wrong.
func (f *Fault) Failure() Failure { return f.in.Failure }

// Where is the place, such as "component_execute".
func (f *Fault) Where() string { return f.in.Where }

// History is the conversation at that time.
func (f *Fault) History() History { return f.in.History }

// Action is what was being executed, if anything.
func (f *Fault) Action() Action { return f.in.Action }

var faultSpec = spec[Fault]{
	meta: func(s *Fault) *Meta { return &s.meta },
	in: []field[Fault]{
		by("failure", func(s *Fault) *Failure { return &s.in.Failure }, sameFailure),
		value("where", func(s *Fault) *string { return &s.in.Where }),
		value("history", func(s *Fault) *History { return &s.in.History }),
		by("action", func(s *Fault) *Action { return &s.in.Action }, sameValue),
	},
}
