package session

import (
	"context"

	"github.com/maillon-go/maillon/stages"
)

// Check makes a requirement of a function of the answer's text. The description is shown to the model and should say
// what is asked for; the reason, which may be empty, says what is wrong with an answer that is not ok. The function may
// be called concurrently.
//
// For checks that fail, take time or look at more than the text, fill in a stages.Requirement.
func Check(description string, f func(text string) (ok bool, reason string)) stages.Requirement {
	r := stages.Requirement{Description: description}
	if f != nil {
		r.Check = func(_ context.Context, t stages.Target) (stages.Verdict, error) {
			ok, reason := f(t.Output.Text)
			if ok {
				return stages.Verdict{Ruling: stages.Pass}, nil
			}
			return stages.Verdict{Ruling: stages.Fail, Reason: reason}, nil
		}
	}
	return r
}
