// Command tools answers questions in steps: the model thinks, asks for a tool, reads what came of it and thinks again, until
// it has an answer or its steps are used up (ReAct, https://arxiv.org/abs/2210.03629).
//
//	go run ./examples/tools
//
// The tools are typed functions, in toolbox.go. The loop is a program on top of a session, in agent.go: each half of a step
// is a stage of its own with a hook point that plugins know by name; those of this program are in plugins.go. The model is
// a small one that always says the same, in model.go: no key, no server.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"go.uber.org/zap"

	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

const budget = 5

func main() {
	if err := run(context.Background(), os.Stdout, model()); err != nil {
		fmt.Fprintln(os.Stderr, "tools:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, w io.Writer, backend session.Backend) (err error) {
	tools, err := toolbox()
	if err != nil {
		return err
	}
	s, err := session.Start(ctx,
		session.WithPipeline(stages.NewPipeline(stages.PipelineConfig{Logger: zap.L()})),
		session.WithLogger(zap.L()),
		session.WithBackend(backend),
		session.WithTools(tools...),
		session.WithPlugins(&coach{}, &privacy{}, &log{w: w}),
	)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close(ctx)) }()

	a := newAgent(s, tools, budget) //nolint:contextcheck // it binds stages and runs none
	for _, question := range []string{
		"Can a boat with a draught of 3.5 m enter the west harbour at high water?",
		"What is the meaning of the sea?",
	} {
		fmt.Fprintf(w, "== %s\n", question)
		answer, err := a.ask(ctx, question)
		switch {
		case errors.Is(err, errBudget):
			fmt.Fprintf(w, "no answer: %v\n", err)
		case err != nil:
			return err
		default:
			fmt.Fprintf(w, "answer: %s\n", answer)
		}
		if err := s.Reset(ctx, "next question"); err != nil {
			return err
		}
		fmt.Fprintln(w)
	}
	return nil
}
