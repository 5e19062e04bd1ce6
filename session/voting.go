package session

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
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
	// space, quotes, brackets and the marks of sentences around them; a JSON object or array, alone or in a fenced block, as
	// the value that it is, but for the case and the white space of strings.
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
		key = vote
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

// vote is what an answer votes for by default.
func vote(o stages.Output) string {
	if v, ok := composite(unfence(o.Text)); ok {
		if b, err := json.Marshal(canonical(v)); err == nil { // with its keys sorted
			return string(b)
		}
	}
	return folded(strings.TrimFunc(o.Text, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.In(r, unicode.Quotation_Mark, unicode.Sentence_Terminal, unicode.Ps, unicode.Pe) || strings.ContainsRune("*_,;:", r)
	}))
}

// folded is a text in lower case, with single blanks.
func folded(text string) string { return strings.ToLower(strings.Join(strings.Fields(text), " ")) }

// composite reads a text that is one JSON object or array.
func composite(text []byte) (v any, ok bool) {
	if len(text) == 0 || text[0] != '{' && text[0] != '[' {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, false
	}
	_, err := d.Token()
	return v, errors.Is(err, io.EOF)
}

// canonical is a JSON value in a form that does not depend on how it was written.
func canonical(v any) any {
	switch x := v.(type) {
	case map[string]any:
		for k := range x {
			x[k] = canonical(x[k])
		}
	case []any:
		for i := range x {
			x[i] = canonical(x[i])
		}
	case string:
		return folded(x)
	case json.Number:
		if f, err := x.Float64(); err == nil && math.Abs(f) < 1<<53 { // beyond that it would not be exact
			return f + 0 // no negative zero
		}
	}
	return v
}
