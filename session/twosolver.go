package session

import (
	"context"
	"fmt"

	"github.com/maillon-go/maillon/stages"
)

// TwoSolverMode says what the strong backend of a TwoSolver is shown.
type TwoSolverMode string

// The modes. The zero value is FreshStart.
const (
	FreshStart   TwoSolverMode = "fresh_start"   // what the loop began with, and nothing of the fast attempts
	ContinueChat TwoSolverMode = "continue_chat" // all fast attempts with the feedback to each, as a conversation
	BestAttempt  TwoSolverMode = "best_attempt"  // what the loop began with, the best of the fast answers and the feedback to it
)

// TwoSolver lets the session's backend, a fast one, try with feedback on each failed answer, and where none of its
// answers passes, asks a strong backend once. This is the System 1 and System 2 of Booch et al., "Thinking Fast and Slow
// in AI" (2021).
//
// All that goes for a generation goes for the strong backend's too: the same links see it, with what the backend says of
// itself, which is asked once for each loop; the model options are those of the call. stages.From(ctx).Backend is the
// session's also then. The session does not close the strong backend. It may ask for tools, in which case it is asked
// again with what they returned.
//
// By name, as a hook sets it, it is "two_solver" with the setting "strong" and the optional settings "judge", "loop_budget"
// and "mode". The two backends may be values, or names: those of WithBackends, opened without settings when they are
// first needed, once for each session, and closed with it.
type TwoSolver struct {
	Strong     Backend       // answers the last attempt; nil is an error
	LoopBudget int           // attempts of the fast backend at most; below 1 is an error
	Mode       TwoSolverMode // what the strong backend is shown; "" is FreshStart
	// Judge decides on the requirements that a model decides on, of the strong backend's answer too, and its reasons are
	// the feedback: see Judge. Nil leaves it to the session's backend. The session does not close it.
	Judge Backend
	// Feedback says what is wrong with a failed answer, for the model that tries next. It may ask a judge, such as by
	// stages.From(ctx).Generate. Its error ends the loop. With BestAttempt it is asked once more, about the best answer,
	// of which only the attempt is told then. Nil lists Reasons.
	Feedback func(ctx context.Context, f Failed) (string, error)
}

// Name is "two_solver".
func (TwoSolver) Name() string { return twoSolverName }

// Settings hold the loop budget and the mode.
func (s TwoSolver) Settings() stages.Map[any] {
	return stages.MapOf(map[string]any{settingBudget: s.LoopBudget, settingMode: string(s.mode())})
}

// Budget is the loop budget, which the strong backend's attempt comes on top of.
func (s TwoSolver) Budget() int { return s.LoopBudget }

// Escalate is the strong backend.
func (s TwoSolver) Escalate() Backend { return s.Strong }

// JudgedBy is the judge, nil for the session's backend.
func (s TwoSolver) JudgedBy() Backend { return s.Judge }

// RepairKind is stages.RepairTwoSolver.
func (TwoSolver) RepairKind() stages.RepairKind { return stages.RepairTwoSolver }

// Repair answers the failed attempt with the feedback to it. The strong backend gets what the mode says.
func (s TwoSolver) Repair(ctx context.Context, f Failed) (stages.Action, stages.History, error) {
	if f.Left > 1 {
		return s.reply(ctx, f)
	}
	switch s.mode() {
	case ContinueChat:
		return s.reply(ctx, f)
	case BestAttempt:
		return s.improve(ctx, f)
	default:
		return f.Start, f.StartHistory, nil
	}
}

func (s TwoSolver) reply(ctx context.Context, f Failed) (stages.Action, stages.History, error) {
	feedback, err := s.feedback(ctx, f)
	return Reply("That answer was turned down:" + feedback + "\n\nPlease answer again."), f.FailedHistory, err
}

func (s TwoSolver) improve(ctx context.Context, f Failed) (stages.Action, stages.History, error) {
	most := passes(f.Attempt)
	of := f
	for _, a := range f.Past.All() {
		if n := passes(a); n > most {
			most, of = n, Failed{Attempt: a, Number: f.Number, Left: f.Left, Start: f.Start, StartHistory: f.StartHistory}
		}
	}
	feedback, err := s.feedback(ctx, of)
	return &repaired{
		f.Start, "\n\nThis is the best answer so far:\n" + of.Result.Text + "\n\nIt was turned down:" + feedback + "\n\nPlease give a better one.",
	}, f.StartHistory, err
}

func (s TwoSolver) feedback(ctx context.Context, f Failed) (string, error) {
	if s.Feedback == nil {
		return bullets(f.Reasons()), nil
	}
	text, err := s.Feedback(ctx, f)
	if err != nil {
		return "", fmt.Errorf("feedback: %w", err)
	}
	return "\n" + text, nil
}

func (s TwoSolver) mode() TwoSolverMode {
	if s.Mode == "" {
		return FreshStart
	}
	return s.Mode
}

func (s TwoSolver) valid() error {
	switch s.mode() {
	case FreshStart, ContinueChat, BestAttempt:
		return nil
	}
	return fmt.Errorf("%w: strategy %q: there is no mode %q", ErrOption, twoSolverName, s.Mode)
}
