package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// reasoning is the first half of a step: the model says what to do next. Links may write the prompt.
type reasoning struct {
	Step, Left int    // this step, and how many are left after it
	Prompt     string // what the model is asked
	Thought    string // why it wants what it wants
	Call       stages.ToolCall
}

// observation is the second half: a tool runs. Links may write the text, before the model reads it.
type observation struct {
	Step    int
	Call    stages.ToolCall
	Text    string
	Success bool
}

// The hook points have names in the whole process, so that a plugin has a method for them (OnReactPreReasoning) and a
// configuration file can name them.
var (
	reasoningStage = must(stages.AddHook[reasoning](stages.HookPoint{
		Name: "react_pre_reasoning", Position: chain.KindBefore, Writable: []string{"prompt"},
	}))
	observationStage = must(stages.AddHook[observation](stages.HookPoint{
		Name: "react_post_observation", Position: chain.KindAfter, Writable: []string{"text"},
	}))
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// errBudget means that the steps were used up.
var errBudget = errors.New("out of steps")

// agent answers questions with tools, step by step. It is for one question at a time.
type agent struct {
	session *session.Session
	tools   []stages.Callable
	budget  int
	reason  chain.Handler[*reasoning]
	observe chain.Handler[*observation]
}

func newAgent(s *session.Session, tools []stages.Callable, budget int) *agent {
	a := &agent{session: s, tools: tools, budget: budget}
	p := s.Pipeline()
	a.reason = stages.Bind(p, reasoningStage.In(p), a.think)
	a.observe = stages.Bind(p, observationStage.In(p), a.act)
	return a
}

// ask goes on until the model runs a tool that is marked as control flow: what it returns is the answer.
func (a *agent) ask(ctx context.Context, question string) (string, error) {
	prompt := a.introduction(question)
	for step := 1; step <= a.budget; step++ {
		r, err := a.reason(ctx, &reasoning{Step: step, Left: a.budget - step, Prompt: prompt})
		if err != nil {
			return "", err
		}
		o, err := a.observe(ctx, &observation{Step: step, Call: r.Call})
		if err != nil {
			return "", err
		}
		if o.Success && a.ends(r.Call.Name) {
			return o.Text, nil
		}
		prompt = "Observation: " + o.Text
	}
	return "", fmt.Errorf("%w after %d", errBudget, a.budget)
}

func (a *agent) ends(tool string) bool {
	for _, t := range a.tools {
		if t.Name == tool {
			return t.ControlFlow
		}
	}
	return false
}

// action is how the model asks for a tool.
var action = regexp.MustCompile(`(?m)^Action: (\w+) (\{.*\})$`)

// think is the handler of the first half. The session sees to it that the answer has the form that it must have.
func (a *agent) think(ctx context.Context, r *reasoning) (*reasoning, error) {
	res, err := a.session.Instruct(ctx, r.Prompt,
		session.Name("react"), session.Using(session.MultiTurn{LoopBudget: 2}),
		session.Require(session.Match("End with a line like this: Action: tool {arguments as JSON}", action)))
	if err != nil {
		return nil, err
	}
	found := action.FindStringSubmatch(res.Text())
	if found == nil {
		return nil, errors.New("the model does not say what to do next")
	}
	out := *r
	out.Thought, _, _ = strings.Cut(strings.TrimPrefix(res.Text(), "Thought: "), "\n")
	out.Call = stages.ToolCall{Name: found[1], Arguments: stages.JSON(found[2])}
	return &out, nil
}

// act is the handler of the second half. What goes wrong with a tool is an observation like any other.
func (a *agent) act(ctx context.Context, o *observation) (*observation, error) {
	run, err := a.session.RunTool(ctx, o.Call.Name, o.Call.Arguments)
	if err != nil {
		return nil, err
	}
	out := *o
	out.Call, out.Text, out.Success = run.Call, run.Output, run.Success
	return &out, nil
}

// introduction tells the model of the tools.
func (a *agent) introduction(question string) string {
	var b strings.Builder
	b.WriteString("Answer the question with the help of these tools:\n")
	for _, t := range a.tools {
		fmt.Fprintf(&b, "- %s: %s Arguments: %s\n", t.Name, t.Description, t.Parameters)
	}
	b.WriteString("Write one line \"Thought: \" with what you think. You are then told what you observe.\n\nQuestion: " + question)
	return b.String()
}
