package stages

import "time"

// Validation is an answer being checked against its requirements.
type Validation struct {
	meta Meta
	in   ValidationFields
	out  ValidationResult
	done bool
}

// ValidationFields is what a Validation carries from the start.
type ValidationFields struct {
	Requirements List[Requirement] // what is checked
	Target       Target            // the answer, with what led to it
	ModelOptions ModelOptions      // of the model that judges
	Kind         ValidationKind    // who checks
}

// ValidationResult is what was found.
type ValidationResult struct {
	Results  List[Finding]  // one for each requirement
	Log      List[Exchange] // the generations that judging took
	Duration time.Duration  // from start to end
	Err      error          // why the validation itself failed
}

// NewValidation makes the payload of one call.
func NewValidation(m Meta, f ValidationFields) *Validation {
	return &Validation{meta: m.versioned(), in: f}
}

// Done gives the payload with its result, for the way out. val stays as it is.
func (val *Validation) Done(res ValidationResult) *Validation {
	n := *val
	n.out, n.done = res, true
	return &n
}

// HasResult says whether the result is there: true for After hooks.
func (val *Validation) HasResult() bool { return val.done }

// Meta says which call this is.
func (val *Validation) Meta() Meta { return val.meta }

// Requirements are what is checked.
func (val *Validation) Requirements() List[Requirement] { return val.in.Requirements }

// WithRequirements gives a copy with other requirements.
func (val *Validation) WithRequirements(v List[Requirement]) *Validation {
	n := *val
	n.in.Requirements = v
	return &n
}

// Target is the answer, with what led to it.
func (val *Validation) Target() Target { return val.in.Target }

// ModelOptions are the options for the model that judges, where one does.
func (val *Validation) ModelOptions() ModelOptions { return val.in.ModelOptions }

// WithModelOptions gives a copy with other model options.
func (val *Validation) WithModelOptions(v ModelOptions) *Validation {
	n := *val
	n.in.ModelOptions = v
	return &n
}

// Kind is the kind of validation: who checks.
func (val *Validation) Kind() ValidationKind { return val.in.Kind }

// Results are the findings, one for each requirement.
func (val *Validation) Results() List[Finding] { return val.out.Results }

// WithResults gives a copy with other results.
func (val *Validation) WithResults(v List[Finding]) *Validation {
	n := *val
	n.out.Results = v
	return &n
}

// Log has the generations that judging took.
func (val *Validation) Log() List[Exchange] { return val.out.Log }

// Duration is the time from start to end.
func (val *Validation) Duration() time.Duration { return val.out.Duration }

// Err is the reason why the validation itself failed, nil where it did not.
func (val *Validation) Err() error { return val.out.Err }

// History is what the model saw before the action that is checked.
func (val *Validation) History() History { return val.in.Target.History }

// AllPassed says that the validation took place and every result is a pass. It and the counts follow Results.
func (val *Validation) AllPassed() bool {
	return val.done && val.out.Err == nil && allPassed(val.out.Results)
}

// Passed is the number of results that are a pass.
func (val *Validation) Passed() int { return countPassed(val.out.Results) }

// Failed is the number of results that are no pass: those that could not be decided too.
func (val *Validation) Failed() int { return val.out.Results.Len() - val.Passed() }

var validationSpec = spec[Validation]{
	meta: func(s *Validation) *Meta { return &s.meta },
	done: func(s *Validation) *bool { return &s.done },
	in: []field[Validation]{
		by("requirements", func(s *Validation) *List[Requirement] { return &s.in.Requirements }, sameList[Requirement]),
		by("target", func(s *Validation) *Target { return &s.in.Target }, sameTarget),
		by("model_options", func(s *Validation) *ModelOptions { return &s.in.ModelOptions }, sameOptions),
		value("kind", func(s *Validation) *ValidationKind { return &s.in.Kind }),
		derived[Validation]("history"),
	},
	out: []field[Validation]{
		by("results", func(s *Validation) *List[Finding] { return &s.out.Results }, sameList[Finding]),
		by("log", func(s *Validation) *List[Exchange] { return &s.out.Log }, sameList[Exchange]),
		value("duration", func(s *Validation) *time.Duration { return &s.out.Duration }),
		by("error", func(s *Validation) *error { return &s.out.Err }, sameValue),
		derived[Validation]("all_passed"),
		derived[Validation]("passed"),
		derived[Validation]("failed"),
	},
}
