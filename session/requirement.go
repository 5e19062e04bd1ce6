package session

import (
	"context"
	"fmt"

	"github.com/maillon-go/maillon/stages"
)

// Check makes a requirement of a function of the answer's text. The description is shown to the model and should say
// what is asked for; the reason, which may be empty, says what is wrong with an answer that is not ok. The function may
// be called concurrently.
//
// For checks that fail, take time or look at more than the text, fill in a stages.Requirement.
func Check(description string, f func(text string) (ok bool, reason string)) stages.Requirement {
	return stages.Requirement{Description: description, Check: func(_ context.Context, t stages.Target) (stages.Verdict, error) {
		if f == nil {
			return stages.Verdict{}, fmt.Errorf("%w: a check without a function", ErrOption)
		}
		ok, reason := f(t.Output.Text)
		if ok {
			return stages.Verdict{Ruling: stages.Pass}, nil
		}
		return stages.Verdict{Ruling: stages.Fail, Reason: reason}, nil
	}}
}

// CheckOnly keeps a requirement from the model: it is checked, but the model is not told of it.
func CheckOnly(r stages.Requirement) stages.Requirement {
	r.CheckOnly = true
	return r
}
