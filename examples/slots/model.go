package main

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// model answers from a script, by what it is asked for and how often it was. It takes no formats, so that the runtime puts the
// schemas into its prompts.
type model struct {
	mu    sync.Mutex
	asked map[string]int
}

func newModel() session.Backend { return &model{asked: map[string]int{}} }

func (m *model) Describe() stages.Backend {
	return stages.Backend{Name: "script", Provider: "local", Model: "harbour"}
}

var script = []struct {
	about   string // what the question has in it
	answers []string
}{
	{"harbour master", []string{
		"She is called Marie and 12 metres long.",
		`{"ship":"Marie","metres":"twelve","needs":{"water":true,"power":false}}`,
		"```json\n{\"ship\":\"Marie\",\"metres\":12,\"needs\":{\"water\":true,\"power\":false}}\n```",
	}},
	{"a metre longer", []string{`{"ship":"Marie","metres":13,"needs":{"water":true,"power":false}}`}},
	{"served first", []string{`{"value":["Anna","Marie"]}`}},
	{"berths", []string{"Two, I think.", "Three?"}},
}

func (m *model) Generate(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
	messages := g.Messages()
	question := messages.At(messages.Len() - 1).Text
	if !strings.Contains(question, "JSON schema") {
		return nil, fmt.Errorf("asked without a schema: %q", question)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range script {
		if n := m.asked[s.about]; strings.Contains(question, s.about) && n < len(s.answers) {
			m.asked[s.about]++
			return g.Done(stages.GenerationResult{Output: stages.Output{Text: s.answers[n], FinishReason: stages.FinishStop}}), nil
		}
	}
	return nil, fmt.Errorf("no answer to %q", question)
}
