// Command plugins shows plugins of every kind, on the small model in the box: a function, a struct, a group, and a stage
// of one's own; and where they are registered: for the process, for a session, for a block of code.
//
//	go run ./examples/plugins
//
// The plugins are in kinds.go, the stage of one's own is in crossing.go, the three scopes are in scopes.go.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"go.uber.org/zap"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/ngram"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "plugins:", err)
		os.Exit(1)
	}
}

const (
	question  = "Write a note about tonight's tide."
	forbidden = "Write a note about a crate of dynamite."
)

func run(ctx context.Context, w io.Writer) (err error) {
	// For the process: the journal sees every generation, whoever asks for it.
	journal, err := stages.Default.Register(ctx, &journal{w: w})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, journal.Remove(ctx)) }()

	// For this session alone: a function, and a group of a struct and another function.
	s, err := session.Start(ctx,
		session.WithBackend(ngram.NewBackend(ngram.WithSeed(1))),
		session.WithUser("ines"),
		session.WithLogger(zap.L()),
		session.WithPlugins(chain.After("redact", redact), security(60), &pilot{}),
	)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close(ctx)) }()

	heading(w, "The generation stage of the session: the group's links come first")
	for _, l := range s.Pipeline().Generation.Explain().Links {
		fmt.Fprintf(w, "%-8s %-30s priority %d, from the %s\n", l.Ring, l.Name, l.Priority, l.Scope)
	}

	heading(w, "In the session")
	for _, prompt := range []string{question, forbidden, question, question} {
		if err := through(s).tell(ctx, w, prompt); err != nil {
			return err
		}
	}

	heading(w, "A stage of one's own, in the session")
	if err := cross(ctx, w, s.Pipeline()); err != nil {
		return err
	}

	heading(w, "Without the session: only what is registered for the process runs")
	ask := direct(ngram.NewBackend(ngram.WithSeed(1)))
	if err := ask.tell(ctx, w, forbidden); err != nil {
		return err
	}

	heading(w, "Without the session, in a block of code with a plugin, and after it")
	return block(ctx, w, ask)
}

// asker is a call of the model.
type asker func(ctx context.Context, prompt string) (text string, err error)

// tell asks and prints how it went. A block is a part of the story, every other error ends it.
func (ask asker) tell(ctx context.Context, w io.Writer, prompt string) error {
	fmt.Fprintf(w, "asked:   %s\n", prompt)
	text, err := ask(ctx, prompt)
	var blocked *chain.Violation
	switch {
	case errors.As(err, &blocked):
		fmt.Fprintf(w, "blocked: by %s [%s]: %s\n", blocked.Link, blocked.Code, blocked.Reason)
	case err != nil:
		return err
	default:
		fmt.Fprintf(w, "answer:  %s\n", text)
	}
	return nil
}

func heading(w io.Writer, text string) { fmt.Fprintf(w, "\n== %s\n\n", text) }
