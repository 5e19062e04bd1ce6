// Command streaming reads answers while they are made: sentence by sentence, through a link that takes a name out although
// the pieces cut it in two, up to a link that stops the answer, and with a link that can only judge the whole. It needs no
// key and no server: the model in model.go gives its answer in pieces.
//
//	go run ./examples/streaming
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.uber.org/zap"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

const task = "Tell a guest about the harbour."

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "streaming:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, w io.Writer) error {
	for _, part := range []struct {
		title   string
		links   func(*stages.Pipeline) error
		options []session.InstructOption
	}{
		{"Sentence by sentence", nothing, []session.InstructOption{session.Chunked(session.ChunkSentences)}},
		{"A name that the pieces cut is taken out", redact, nil},
		{"A link stops the answer", refuse, nil},
		{"A link judges the whole answer", polite, []session.InstructOption{session.Chunked(session.ChunkSentences)}},
	} {
		fmt.Fprintf(w, "%s:\n", part.title)
		m := &model{}
		err := session.Run(ctx, func(ctx context.Context, s *session.Session) error {
			return show(ctx, w, s, m, part.options)
		}, session.WithBackend(m), session.WithLogger(zap.L()), session.WithSetup(part.links))
		if err != nil {
			return fmt.Errorf("%s: %w", part.title, err)
		}
		fmt.Fprintln(w)
	}
	return nil
}

// show streams the answer, and asks for it a second time in one piece: both come to the same.
func show(ctx context.Context, w io.Writer, s *session.Session, m *model, options []session.InstructOption) error {
	fmt.Fprintf(w, "  %s\n", s.Pipeline().Streaming(ctx))
	stream := s.Stream(ctx, task, options...)
	var streamed strings.Builder
	for text, err := range stream.Text() {
		if err != nil {
			break // the error of Result, too
		}
		streamed.WriteString(text)
		fmt.Fprintf(w, "  %d of %d pieces  %q\n", m.given, len(pieces), text)
	}
	_, err := stream.Result()
	if done, blocked := stopped(err); done {
		fmt.Fprintf(w, "  stopped after %d of %d pieces: %v\n", m.given, len(pieces), blocked)
	} else if err != nil {
		return err
	}

	unary, errUnary := s.Instruct(ctx, task)
	if done, blocked := stopped(errUnary); done {
		fmt.Fprintf(w, "  unary: %v\n", blocked)
		return nil
	} else if errUnary != nil {
		return errUnary
	}
	fmt.Fprintf(w, "  unary, the same text: %v\n", unary.Text() == streamed.String())
	return nil
}

// stopped says whether a link blocked the call, and which.
func stopped(err error) (bool, error) {
	v, ok := errors.AsType[*chain.Violation](err)
	if !ok {
		return false, nil
	}
	return true, v
}
