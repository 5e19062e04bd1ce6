package session

import (
	"context"

	"github.com/maillon-go/maillon/stages"
)

// MustUse asks the model to use a tool: it counts when it was run on the way to this answer, not to an earlier one, and
// succeeded.
func MustUse(tool string) stages.Requirement {
	return ofTools("Use the tool "+tool+".", func(runs stages.List[stages.ToolRun]) (bool, string) {
		asked := false
		for _, r := range runs.All() {
			if r.Call.Name == tool {
				if r.Success {
					return true, ""
				}
				asked = true
			}
		}
		if asked {
			return false, "the tool " + tool + " was asked for, but without success"
		}
		return false, "the tool " + tool + " was not used"
	})
}

// MustNotUse asks the model not to use a tool. To ask for it is enough to fail, even where it was refused.
func MustNotUse(tool string) stages.Requirement {
	return ofTools("Do not use the tool "+tool+".", func(runs stages.List[stages.ToolRun]) (bool, string) {
		for _, r := range runs.All() {
			if r.Call.Name == tool {
				return false, "the tool " + tool + " was used"
			}
		}
		return true, ""
	})
}

func ofTools(description string, f func(stages.List[stages.ToolRun]) (ok bool, reason string)) stages.Requirement {
	return stages.Requirement{Description: description, Check: func(_ context.Context, t stages.Target) (stages.Verdict, error) {
		ok, reason := f(t.Tools)
		if ok {
			return stages.Verdict{Ruling: stages.Pass}, nil
		}
		return stages.Verdict{Ruling: stages.Fail, Reason: reason}, nil
	}}
}
