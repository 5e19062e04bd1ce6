package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

const prompt = "Write a note about tonight's tide: high water is at 06:40, and the harbour office has the address office@harbour.example."

// quickstart is an instruction with a plugin that redacts, and one that blocks.
func quickstart(ctx context.Context, w io.Writer, s *session.Session, _ session.Backend) error {
	address := regexp.MustCompile(`\S+@\S*\w`)
	_, err := s.Pipeline().Generation.Use(
		chain.Before("topics", func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			if m := g.Messages(); strings.Contains(m.At(m.Len()-1).Text, "dynamite") {
				return nil, chain.Block("not a topic of ours", chain.Code("topic"))
			}
			return g, nil
		}),
		chain.After("redact", func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			return g.WithText(address.ReplaceAllString(g.Output().Text, "[address]")), nil
		}),
	)
	if err != nil {
		return err
	}
	res, err := s.Instruct(ctx, prompt, session.Require(short))
	if err != nil {
		return err
	}
	answer(w, res)
	_, err = s.Instruct(ctx, "Write a note about a crate of dynamite.")
	var blocked *chain.Violation
	if !errors.As(err, &blocked) {
		return fmt.Errorf("the call should have been blocked, got %w", err)
	}
	fmt.Fprintf(w, "blocked: %v\n", blocked)
	return nil
}

// short is a requirement that a model may miss at first.
var short = session.Check("Use at most 16 words.", func(text string) (bool, string) {
	n := len(strings.Fields(text))
	return n <= 16, fmt.Sprintf("it has %d words", n)
})

// instructValidateRepair tries again with what was wrong.
func instructValidateRepair(ctx context.Context, w io.Writer, s *session.Session, _ session.Backend) error {
	res, err := s.Instruct(ctx, prompt, session.Using(session.TemplateRepair{LoopBudget: 4}), session.Require(
		short, session.Check("Begin with the word Ahoy.", func(text string) (bool, string) {
			return strings.HasPrefix(text, "Ahoy"), "it does not begin with Ahoy"
		})))
	if err != nil {
		return err
	}
	answer(w, res)
	return nil
}

// entry is what the slot gives.
type entry struct {
	Ship   string `json:"ship"`
	Metres int    `json:"metres" jsonschema:"length over all, in whole metres"`
	Water  bool   `json:"water" jsonschema:"whether it needs water"`
}

// slots has a typed answer.
func slots(ctx context.Context, w io.Writer, s *session.Session, _ session.Backend) error {
	read := session.NewSlot[string, entry]("read report", "Read what the harbour master has written down about a ship.")
	e, err := read.Call(ctx, s, "Marie, some twelve metres. Wants water, no power.")
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%+v\n", e)
	return nil
}

// tools gives the model a typed function.
func tools(ctx context.Context, w io.Writer, s *session.Session, _ session.Backend) error {
	type arguments struct {
		Harbour string `json:"harbour" jsonschema:"which harbour" enum:"north,south"`
	}
	tide, err := session.NewTool("tide", "Time of the next high water.", func(_ context.Context, a arguments) (string, error) {
		fmt.Fprintf(w, "the model asks for the tide of the %s harbour\n", a.Harbour)
		return "06:40", nil
	}, session.ToolTimeout(time.Second))
	if err != nil {
		return err
	}
	res, err := s.Instruct(ctx, "When is the next high water in the north harbour? Use the tool.", session.Tools(tide))
	if err != nil {
		return err
	}
	answer(w, res)
	return nil
}

// streaming shows the answer while it is made, word by word.
func streaming(ctx context.Context, w io.Writer, s *session.Session, _ session.Backend) error {
	stream := s.Stream(ctx, prompt, session.Chunked(session.ChunkWords))
	for text, err := range stream.Text() {
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s|", text)
	}
	res, err := stream.Result()
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "\n%d tokens\n", res.Usage.Total())
	return nil
}

// twoSolvers has the model try, and asks it once more as the strong one, afresh, where that does not succeed.
func twoSolvers(ctx context.Context, w io.Writer, s *session.Session, strong session.Backend) error {
	res, err := s.Instruct(ctx, prompt, session.Using(session.TwoSolver{Strong: strong, LoopBudget: 2, Mode: session.BestAttempt}), session.Require(
		session.Check("End with \"Keep clear of the bar.\"", func(text string) (bool, string) {
			return strings.HasSuffix(text, "Keep clear of the bar."), "it does not warn of the bar"
		})))
	if err != nil {
		return err
	}
	answer(w, res)
	return nil
}

func answer(w io.Writer, res *session.Result) {
	fmt.Fprintf(w, "%s\n", res)
	if res.Success {
		fmt.Fprintf(w, "after %d attempts\n", res.Attempts.Len())
	} else {
		fmt.Fprintf(w, "after %d attempts, and it does not fulfil everything: %s\n", res.Attempts.Len(), res.FailureReason)
	}
}
