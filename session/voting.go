package session

import (
	"context"
	"strings"
	"unicode"

	"github.com/maillon-go/maillon/stages"
)

// DefaultSamples is how many answers MajorityVoting takes where it is chosen by name without a number.
const DefaultSamples = 5

// MajorityVoting takes several answers to the same question at once and returns the one that most of them agree on. Only
// answers that fulfil the requirements have a vote. Of answers with as many votes the one that came first wins, and of
// those that agree the first. Where none passes it asks the same again, up to the loop budget.
//
// By name, as a hook sets it, it is "majority_voting" with the optional settings "samples" and "loop_budget".
type MajorityVoting struct {
	Samples    int // answers at once; below 1 is an error
	LoopBudget int // steps at most; 0 is 1, and below that is an error
	// Key says what an answer votes for: two agree if it is the same. Nil compares the texts, but for their case, white
	// space and the punctuation around them.
	Key func(stages.Output) string
}

// Name is "majority_voting".
func (MajorityVoting) Name() string { return votingName }

// Settings hold the number of samples and the loop budget.
func (s MajorityVoting) Settings() stages.Map[any] {
	return stages.MapOf(map[string]any{settingSamples: s.Samples, settingBudget: orOne(s.LoopBudget)})
}

// Budget is the loop budget.
func (s MajorityVoting) Budget() int { return orOne(s.LoopBudget) }

// InFlight is the number of samples.
func (s MajorityVoting) InFlight() int { return s.Samples }

// RepairKind is stages.RepairIdentity.
func (MajorityVoting) RepairKind() stages.RepairKind { return stages.RepairIdentity }

// Repair asks the same again.
func (MajorityVoting) Repair(_ context.Context, f Failed) (stages.Action, stages.History, error) {
	return f.Start, f.StartHistory, nil
}

// Choose counts the votes.
func (s MajorityVoting) Choose(passed []stages.Attempt) int {
	key := s.Key
	if key == nil {
		key = func(o stages.Output) string { return normalised(o.Text) }
	}
	type candidate struct{ first, votes int }
	candidates := make(map[string]*candidate, len(passed))
	var winner *candidate
	for i, a := range passed {
		k := key(a.Result)
		c := candidates[k]
		if c == nil {
			c = &candidate{first: i}
			candidates[k] = c
		}
		c.votes++
		if winner == nil || c.votes > winner.votes || c.votes == winner.votes && c.first < winner.first {
			winner = c
		}
	}
	return winner.first
}

// normalised is a text in lower case, with single blanks, without white space and punctuation around it.
func normalised(text string) string {
	text = strings.TrimFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsPunct(r) })
	return strings.ToLower(strings.Join(strings.Fields(text), " "))
}
