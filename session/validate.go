package session

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

// maxChecks is how many checks of one validation run at a time.
var maxChecks = max(4, runtime.GOMAXPROCS(0))

// Report is what a validation found.
type Report struct {
	Passed    bool                        // every requirement is fulfilled
	Findings  stages.List[stages.Finding] // one for each requirement, in their order
	RequestID string
	Duration  time.Duration
}

// Validate checks the session's last answer. Its checks run concurrently; an error of one of them, which is not the same
// as a requirement that is not fulfilled, fails the validation. ErrNoOutput means that there is no answer yet.
func (s *Session) Validate(ctx context.Context, requirements ...stages.Requirement) (*Report, error) {
	ctx, r, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer s.end(r)
	var last *answered
	s.mu.Lock()
	if s.hasLast {
		a := s.last
		last = &a
	}
	s.mu.Unlock()
	return s.report(ctx, r, last, requirements)
}

// report checks an answer, nil for none yet.
func (s *Session) report(ctx context.Context, r *request, last *answered, requirements []stages.Requirement) (*Report, error) {
	if last == nil {
		return nil, ErrNoOutput
	}
	target := last.Target
	r.base.ComponentKind, r.base.ComponentName = last.kind, last.name
	v, err := s.validate(ctx, r.meta(), stages.ListOf(requirements...), target, r.options)
	if err != nil {
		return nil, s.failed(ctx, r, stages.FaultFields{
			Failure: failure(err, stages.FaultValidation), Where: "validation", History: target.History, Action: target.Action,
		})
	}
	return &Report{
		Passed: v.AllPassed(), Findings: v.Results(), RequestID: r.base.RequestID, Duration: time.Since(r.begun),
	}, nil
}

// validate runs the validation stage. An error that the stage ended in is returned after its hooks have seen it.
func (s *Session) validate(
	ctx context.Context, m stages.Meta, requirements stages.List[stages.Requirement], t stages.Target, o stages.ModelOptions,
) (*stages.Validation, error) {
	v, err := s.call.validation(ctx, stages.NewValidation(m, stages.ValidationFields{
		Requirements: requirements, Target: t, ModelOptions: o, Kind: kindOf(requirements),
	}))
	if err == nil && !v.HasResult() {
		err = noResult("validation")
	}
	if err != nil {
		return nil, err
	}
	return v, v.Err()
}

// kindOf says who checks: a model, where at least one requirement leaves it to one.
func kindOf(requirements stages.List[stages.Requirement]) stages.ValidationKind {
	for _, q := range requirements.All() {
		if judged(q) {
			return stages.ValidateByJudge
		}
	}
	return stages.ValidateInGo
}

// check is the handler of the validation stage. Its error is part of the result.
func (s *Session) check(ctx context.Context, v *stages.Validation) (*stages.Validation, error) {
	r, err := s.requestOf(v.Meta())
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	findings, log, err := s.runChecks(ctx, r, v)
	if err != nil {
		s.fault(ctx, r, v.Meta(), stages.FaultFields{
			Failure: failure(err, stages.FaultValidation), Where: "validation", History: v.History(), Action: v.Target().Action,
		})
	}
	return v.Done(stages.ValidationResult{Results: findings, Log: log, Duration: time.Since(begun), Err: err}), nil
}

// runChecks checks concurrently. The first error cancels the other checks and what they find is left out. The log has the
// generations that judging took, also those of a validation that failed.
func (s *Session) runChecks(ctx context.Context, r *request, v *stages.Validation) (
	found stages.List[stages.Finding], log stages.List[stages.Exchange], err error,
) {
	requirements, t := v.Requirements(), v.Target()
	if requirements.Len() == 0 {
		return found, log, nil
	}
	findings, logs := make([]stages.Finding, requirements.Len()), make([]stages.List[stages.Exchange], requirements.Len())
	for i, q := range requirements.All() {
		findings[i].Requirement = q
		if judged(q) && q.Description == "" {
			return found, log, &finalError{fmt.Errorf("%w: %s", ErrNoCheck, q)}
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(maxChecks)
	exited, caught := make([]bool, len(findings)), make([]error, len(findings))
	for i, q := range requirements.All() {
		g.Go(func() error {
			exited[i] = true // unless it returns
			err := contain(func() (err error) {
				switch {
				case q.Check != nil:
					findings[i].Verdict, err = q.Check(ctx, t)
				case q.CheckPrefix != nil:
					findings[i].Verdict, err = q.CheckPrefix(ctx, t.Output.Text, true)
				default:
					findings[i].Verdict, logs[i], err = s.judge(ctx, r, q, t, v)
				}
				return err
			})
			exited[i] = false
			if caught[i] = err; err != nil {
				return checkFailed(q, err)
			}
			return nil
		})
	}
	err = g.Wait()
	for i, f := range findings {
		s.passOn(caught[i])
		log = log.Append(logs[i].Slice()...)
		if err == nil && exited[i] {
			err = fmt.Errorf("session: check of %q: %w", f.Requirement, chain.ErrGoexit)
		}
	}
	if err != nil {
		return found, log, err
	}
	return stages.ListOf(findings...), log, nil
}

// checkFailed is the error of a check. That of a function is final; a model may judge another answer.
func checkFailed(q stages.Requirement, err error) error {
	err = fmt.Errorf("session: check of %q: %w", q, err)
	if judged(q) {
		return err
	}
	return &finalError{err}
}
