package session

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"

	"github.com/maillon-go/maillon/stages"
)

// Match asks for an answer in which re matches. The description is shown to the model; the expression is not.
func Match(description string, re *regexp.Regexp) stages.Requirement {
	return matching(description, re, stages.Verdict{Ruling: stages.Pass}, stages.Verdict{
		Ruling: stages.Fail, Reason: "it lacks what it has to have: " + description,
	})
}

// NoMatch asks for an answer in which re matches nowhere. The description is shown to the model; the expression is not. A
// stream is stopped by the match, of which the first part may have been released.
func NoMatch(description string, re *regexp.Regexp) stages.Requirement {
	return matching(description, re, stages.Verdict{
		Ruling: stages.Fail, Reason: "it has what it must not have: " + description,
	}, stages.Verdict{Ruling: stages.Pass})
}

// matching makes a requirement of the verdicts on a text that matches and on one that does not.
func matching(description string, re *regexp.Regexp, found, missing stages.Verdict) stages.Requirement {
	ahead := re != nil && looksAhead(re)
	return ofText(description, func(text string, final bool) (stages.Verdict, error) {
		if re == nil {
			return stages.Verdict{}, fmt.Errorf("%w: a match without an expression", ErrOption)
		}
		at := re.FindStringIndex(text)
		if at == nil || !final && ahead && at[1] == len(text) { // what follows can undo the match
			return stages.Verdict{}, nil
		}
		return found, nil
	}, missing)
}

// looksAhead says that a match depends on the character after it.
func looksAhead(re *regexp.Regexp) bool {
	tree, err := syntax.Parse(re.String(), syntax.Perl)
	return err != nil || anyOp(tree, syntax.OpEndLine, syntax.OpEndText, syntax.OpWordBoundary, syntax.OpNoWordBoundary)
}

func anyOp(tree *syntax.Regexp, ops ...syntax.Op) bool {
	return slices.Contains(ops, tree.Op) || slices.ContainsFunc(tree.Sub, func(sub *syntax.Regexp) bool { return anyOp(sub, ops...) })
}
