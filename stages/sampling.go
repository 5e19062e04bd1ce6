package stages

import "time"

// Sampling is the loop of a strategy: try, check, repair, until an answer passes or the budget is used up.
type Sampling struct {
	meta Meta
	in   SamplingFields
	out  SamplingResult
	done bool
}

// SamplingFields is what a Sampling carries from the start.
type SamplingFields struct {
	Strategy     Strategy          // how it samples
	Action       Action            // what is asked
	History      History           // the conversation that it is asked in
	Requirements List[Requirement] // what the answer has to fulfil
	LoopBudget   int               // steps at most, each of one try or several at once; below 1 is an error
}

// SamplingResult is what came of the loop.
type SamplingResult struct {
	Success       bool          // whether an answer passed
	Iterations    int           // tries made
	FinalResult   Output        // the answer that is returned, also when none passed
	FinalAction   Action        // what it answers
	FinalHistory  History       // the conversation that it was asked in
	FailureReason string        // why none passed
	Attempts      List[Attempt] // all tries with their findings
	Duration      time.Duration // from start to end
	Usage         Usage         // of all tries
	Err           error         // what ended the loop
}

// NewSampling makes the payload of one call.
func NewSampling(m Meta, f SamplingFields) *Sampling { return &Sampling{meta: m.versioned(), in: f} }

// Done gives the payload with its result, for the way out. s stays as it is.
func (s *Sampling) Done(res SamplingResult) *Sampling {
	n := *s
	n.out, n.done = res, true
	return &n
}

// HasResult says whether the result is there: true for After hooks.
func (s *Sampling) HasResult() bool { return s.done }

// Meta says which call this is.
func (s *Sampling) Meta() Meta { return s.meta }

// Strategy is how it samples.
func (s *Sampling) Strategy() Strategy { return s.in.Strategy }

// Action is what is asked.
func (s *Sampling) Action() Action { return s.in.Action }

// History is the conversation that it is asked in.
func (s *Sampling) History() History { return s.in.History }

// Requirements are what the answer has to fulfil.
func (s *Sampling) Requirements() List[Requirement] { return s.in.Requirements }

// LoopBudget is the number of steps at most, each of one try or several at once; the runtime refuses one below 1.
func (s *Sampling) LoopBudget() int { return s.in.LoopBudget }

// WithLoopBudget gives a copy with another loop budget.
func (s *Sampling) WithLoopBudget(v int) *Sampling {
	n := *s
	n.in.LoopBudget = v
	return &n
}

// Success says whether an answer passed.
func (s *Sampling) Success() bool { return s.out.Success }

// Iterations is the number of tries made.
func (s *Sampling) Iterations() int { return s.out.Iterations }

// FinalResult is the answer that is returned, also when none passed.
func (s *Sampling) FinalResult() Output { return s.out.FinalResult }

// WithFinalResult gives a copy with another final result.
func (s *Sampling) WithFinalResult(v Output) *Sampling {
	n := *s
	n.out.FinalResult = v
	return &n
}

// FinalAction is the action that the final result answers.
func (s *Sampling) FinalAction() Action { return s.out.FinalAction }

// FinalHistory is the conversation that the final action was asked in.
func (s *Sampling) FinalHistory() History { return s.out.FinalHistory }

// FailureReason is the reason why none passed.
func (s *Sampling) FailureReason() string { return s.out.FailureReason }

// Attempts are all tries with their findings, in order.
func (s *Sampling) Attempts() List[Attempt] { return s.out.Attempts }

// Duration is the time from start to end.
func (s *Sampling) Duration() time.Duration { return s.out.Duration }

// Usage is what all tries used together.
func (s *Sampling) Usage() Usage { return s.out.Usage }

// Err is the error that ended the loop, nil where none did.
func (s *Sampling) Err() error { return s.out.Err }

var samplingSpec = spec[Sampling]{
	meta: func(s *Sampling) *Meta { return &s.meta },
	done: func(s *Sampling) *bool { return &s.done },
	in: []field[Sampling]{
		by("strategy", func(s *Sampling) *Strategy { return &s.in.Strategy }, sameValue),
		by("action", func(s *Sampling) *Action { return &s.in.Action }, sameValue),
		value("history", func(s *Sampling) *History { return &s.in.History }),
		by("requirements", func(s *Sampling) *List[Requirement] { return &s.in.Requirements }, sameList[Requirement]),
		value("loop_budget", func(s *Sampling) *int { return &s.in.LoopBudget }),
	},
	out: []field[Sampling]{
		value("success", func(s *Sampling) *bool { return &s.out.Success }),
		value("iterations", func(s *Sampling) *int { return &s.out.Iterations }),
		by("final_result", func(s *Sampling) *Output { return &s.out.FinalResult }, Output.Equal),
		by("final_action", func(s *Sampling) *Action { return &s.out.FinalAction }, sameValue),
		value("final_history", func(s *Sampling) *History { return &s.out.FinalHistory }),
		value("failure_reason", func(s *Sampling) *string { return &s.out.FailureReason }),
		by("attempts", func(s *Sampling) *List[Attempt] { return &s.out.Attempts }, sameList[Attempt]),
		value("duration", func(s *Sampling) *time.Duration { return &s.out.Duration }),
		value("usage", func(s *Sampling) *Usage { return &s.out.Usage }),
		by("error", func(s *Sampling) *error { return &s.out.Err }, sameValue),
	},
}

// Iteration is one try of a strategy, after it was checked. A block ends the loop, unsuccessfully.
type Iteration struct {
	meta Meta
	in   IterationFields
}

// IterationFields is what an Iteration carries from the start.
type IterationFields struct {
	Number    int           // from 1, each once even when tries run concurrently
	Attempt   Attempt       // what was asked, answered and found
	Remaining int           // tries left
	Elapsed   time.Duration // since the loop began
}

// NewIteration makes the payload of one call.
func NewIteration(m Meta, f IterationFields) *Iteration {
	return &Iteration{meta: m.versioned(), in: f}
}

// Meta says which call this is.
func (i *Iteration) Meta() Meta { return i.meta }

// Number is the number of the try, from 1; each is given once, even when tries run concurrently.
func (i *Iteration) Number() int { return i.in.Number }

// Attempt is what was asked, what was answered and what was found.
func (i *Iteration) Attempt() Attempt { return i.in.Attempt }

// Remaining is the number of tries left.
func (i *Iteration) Remaining() int { return i.in.Remaining }

// Elapsed is the time since the loop began.
func (i *Iteration) Elapsed() time.Duration { return i.in.Elapsed }

// Action is what was asked.
func (i *Iteration) Action() Action { return i.in.Attempt.Action }

// Result is the answer.
func (i *Iteration) Result() Output { return i.in.Attempt.Result }

// Results are the findings, one for each requirement.
func (i *Iteration) Results() List[Finding] { return i.in.Attempt.Findings }

// Err is why there is no answer, or nothing that was found about it; nil where there is.
func (i *Iteration) Err() error { return i.in.Attempt.Err }

// AllValid says that there is an answer and every result is a pass.
func (i *Iteration) AllValid() bool { return i.in.Attempt.Passed() }

// Passed is the number of results that are a pass.
func (i *Iteration) Passed() int { return countPassed(i.in.Attempt.Findings) }

// Failed is the number of results that are no pass.
func (i *Iteration) Failed() int { return i.Results().Len() - i.Passed() }

var iterationSpec = spec[Iteration]{
	meta: func(s *Iteration) *Meta { return &s.meta },
	in: []field[Iteration]{
		value("number", func(s *Iteration) *int { return &s.in.Number }),
		by("attempt", func(s *Iteration) *Attempt { return &s.in.Attempt }, sameAttempt),
		value("remaining", func(s *Iteration) *int { return &s.in.Remaining }),
		value("elapsed", func(s *Iteration) *time.Duration { return &s.in.Elapsed }),
		derived[Iteration]("action"),
		derived[Iteration]("result"),
		derived[Iteration]("results"),
		derived[Iteration]("all_valid"),
		derived[Iteration]("passed"),
		derived[Iteration]("failed"),
	},
}

// Repair is how a strategy wants to go on after an answer that did not pass. It comes between two tries, so never
// after the last. A block ends the loop, unsuccessfully.
type Repair struct {
	meta Meta
	in   RepairFields
}

// RepairFields is what a Repair carries from the start.
type RepairFields struct {
	Kind          RepairKind    // how it repairs
	Failed        Attempt       // what did not pass
	History       History       // the conversation without the failure
	FailedHistory History       // the conversation with the failure
	RepairAction  Action        // what will be asked next
	RepairHistory History       // the conversation that it will be asked in
	Number        int           // from 1
	Past          List[Attempt] // earlier tries that did not pass
}

// NewRepair makes the payload of one call.
func NewRepair(m Meta, f RepairFields) *Repair { return &Repair{meta: m.versioned(), in: f} }

// Meta says which call this is.
func (r *Repair) Meta() Meta { return r.meta }

// Kind is the kind of repair.
func (r *Repair) Kind() RepairKind { return r.in.Kind }

// Failed is the try that did not pass.
func (r *Repair) Failed() Attempt { return r.in.Failed }

// History is the conversation without the failure.
func (r *Repair) History() History { return r.in.History }

// FailedHistory is the conversation with the failure.
func (r *Repair) FailedHistory() History { return r.in.FailedHistory }

// RepairAction is what will be asked next.
func (r *Repair) RepairAction() Action { return r.in.RepairAction }

// WithRepairAction gives a copy with another repair action.
func (r *Repair) WithRepairAction(v Action) *Repair {
	n := *r
	n.in.RepairAction = v
	return &n
}

// RepairHistory is the conversation that the repair action will be asked in.
func (r *Repair) RepairHistory() History { return r.in.RepairHistory }

// WithRepairHistory gives a copy with another repair history.
func (r *Repair) WithRepairHistory(v History) *Repair {
	n := *r
	n.in.RepairHistory = v
	return &n
}

// Number is the number of the repair, from 1.
func (r *Repair) Number() int { return r.in.Number }

// Past is all earlier tries that did not pass, oldest first.
func (r *Repair) Past() List[Attempt] { return r.in.Past }

var repairSpec = spec[Repair]{
	meta: func(s *Repair) *Meta { return &s.meta },
	in: []field[Repair]{
		value("kind", func(s *Repair) *RepairKind { return &s.in.Kind }),
		by("failed", func(s *Repair) *Attempt { return &s.in.Failed }, sameAttempt),
		value("history", func(s *Repair) *History { return &s.in.History }),
		value("failed_history", func(s *Repair) *History { return &s.in.FailedHistory }),
		by("repair_action", func(s *Repair) *Action { return &s.in.RepairAction }, sameValue),
		value("repair_history", func(s *Repair) *History { return &s.in.RepairHistory }),
		value("number", func(s *Repair) *int { return &s.in.Number }),
		by("past", func(s *Repair) *List[Attempt] { return &s.in.Past }, sameList[Attempt]),
	},
}
