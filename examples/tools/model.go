package main

import (
	"context"
	"strings"

	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// script is what the model says to a message that has the text, the first one that fits.
var script = []struct{ text, says string }{
	{"That answer was turned down", "Thought: I need the table of the tides.\nAction: tide {\"harbour\":\"west\"}"},
	{"draught of 3.5 m", "I need the table of the tides."}, // without an action
	{"/properties/harbour", "Thought: There is no west harbour here; the north one is the nearest.\nAction: tide {\"harbour\":\"north\"}"},
	{"\"depth\":4.2", "Thought: Now I know the depth.\nAction: clearance {\"depth\":4.2,\"draught\":3.5}"},
	{"0.7 m", "Thought: That is enough.\nAction: finish {\"answer\":\"Yes, at 06:40, with 0.7 m below the keel, in the north harbour.\"}"},
	{"This is your last step", "Thought: My last step, and still nothing.\nAction: tide {\"harbour\":\"south\"}"}, // written by a plugin
	{"", "Thought: Perhaps the south harbour knows.\nAction: tide {\"harbour\":\"south\"}"},
}

// model is a backend that always says the same to the same message.
func model() session.Backend {
	return session.BackendFunc(func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
		last := g.Messages().At(g.Messages().Len() - 1).Text
		for _, line := range script {
			if strings.Contains(last, line.text) {
				return g.Done(stages.GenerationResult{Output: stages.Output{Text: line.says, FinishReason: stages.FinishStop}}), nil
			}
		}
		return nil, session.ErrNoAnswer
	})
}
