package session

import (
	"context"
	"slices"
	"strings"

	"github.com/maillon-go/maillon/stages"
)

// Failed is an answer that did not pass, with what led to it.
type Failed struct {
	stages.Attempt                             // what was asked, the answer and what was found about it
	Number         int                         // of the step, from 1, which is that of the attempt where each step is one
	Left           int                         // steps left, at least 1; with Escalate the last one is that Backend's
	Past           stages.List[stages.Attempt] // those of earlier steps, oldest first
	Start          stages.Action               // what the loop began with
	StartHistory   stages.History              // the history that it began with
	History        stages.History              // what preceded this attempt
	FailedHistory  stages.History              // the same, followed by the attempt and its answer
}

// Reasons say what is wrong with the answer, one for each requirement that did not pass: the reason of the check, else
// the description. The description of a requirement that is CheckOnly is not told.
func (f Failed) Reasons() (reasons []string) {
	for _, x := range f.Findings.All() {
		switch q := x.Requirement; {
		case x.Verdict.Passed():
		case x.Verdict.Reason != "":
			reasons = append(reasons, x.Verdict.Reason)
		case q.CheckOnly || q.Description == "":
			reasons = append(reasons, "a requirement is not fulfilled")
		default:
			reasons = append(reasons, "not fulfilled: "+q.Description)
		}
	}
	return reasons
}

// TemplateRepair asks the same again and adds what was wrong with the last answer. The answer itself is not shown.
// By name, as a hook sets it, it is "template_repair" with the settings of RejectionSampling.
type TemplateRepair struct {
	LoopBudget  int // steps at most; below 1 is an error
	Concurrency int // attempts of a step, at once; 0 is 1
}

// Name is "template_repair".
func (TemplateRepair) Name() string { return templateName }

// Settings hold the loop budget and the concurrency.
func (s TemplateRepair) Settings() stages.Map[any] { return loopSettings(s.LoopBudget, s.Concurrency) }

// Budget is the loop budget.
func (s TemplateRepair) Budget() int { return s.LoopBudget }

// InFlight is the concurrency.
func (s TemplateRepair) InFlight() int { return orOne(s.Concurrency) }

// RepairKind is stages.RepairTemplate.
func (TemplateRepair) RepairKind() stages.RepairKind { return stages.RepairTemplate }

// Repair adds the reasons to what the loop began with, so that those of earlier attempts do not pile up.
func (TemplateRepair) Repair(_ context.Context, f Failed) (stages.Action, stages.History, error) {
	return &repaired{f.Start, "\n\nAn earlier answer was turned down:" + bullets(f.Reasons())}, f.StartHistory, nil
}

// MultiTurn shows the model its failed answer as a turn of the conversation and asks for a better one. The turns that
// led to the final answer become part of the session's history. By name, as a hook sets it, it is "multi_turn" with the
// settings of RejectionSampling.
type MultiTurn struct {
	LoopBudget  int // steps at most; below 1 is an error
	Concurrency int // attempts of a step, at once; 0 is 1
}

// Name is "multi_turn".
func (MultiTurn) Name() string { return multiTurnName }

// Settings hold the loop budget and the concurrency.
func (s MultiTurn) Settings() stages.Map[any] { return loopSettings(s.LoopBudget, s.Concurrency) }

// Budget is the loop budget.
func (s MultiTurn) Budget() int { return s.LoopBudget }

// InFlight is the concurrency.
func (s MultiTurn) InFlight() int { return orOne(s.Concurrency) }

// RepairKind is stages.RepairMultiTurn.
func (MultiTurn) RepairKind() stages.RepairKind { return stages.RepairMultiTurn }

// Repair answers the failed attempt with the reasons.
func (MultiTurn) Repair(_ context.Context, f Failed) (stages.Action, stages.History, error) {
	return Reply("That answer was turned down:" + bullets(f.Reasons()) + "\n\nPlease answer again."), f.FailedHistory, nil
}

// Reply is a message of the user as an action, for a Strategy that goes on with the conversation.
func Reply(text string) stages.Action { return reply(text) }

type reply string

func (reply) Kind() string { return stages.KindMessage }
func (reply) Name() string { return "" }
func (m reply) Messages() ([]stages.Message, error) {
	return []stages.Message{{Role: stages.RoleUser, Text: string(m)}}, nil
}

// repaired is an action with a text behind its last message.
type repaired struct {
	stages.Action
	more string
}

func (r *repaired) Messages() ([]stages.Message, error) {
	m, err := r.Action.Messages()
	if err != nil || len(m) == 0 {
		return m, err
	}
	m = slices.Clone(m)
	m[len(m)-1].Text += r.more
	return m, nil
}

func bullets(lines []string) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString("\n- " + l)
	}
	return b.String()
}
