package main

import (
	"context"
	"errors"
	"io"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// through asks in a session: what is registered for the process runs, and what is registered for the session.
func through(s *session.Session) asker {
	return func(ctx context.Context, prompt string) (string, error) {
		res, err := s.Instruct(ctx, prompt)
		if err != nil {
			return "", err
		}
		return res.Text(), nil
	}
}

// direct asks without a session. There is no ready function for that, so the process's generation stage is bound around
// the backend here, as a session binds one of its own.
func direct(b session.Backend) asker {
	generate := stages.Bind(stages.Default, stages.Default.Generation, b.Generate)
	return func(ctx context.Context, prompt string) (string, error) {
		g, err := generate(ctx, stages.NewGeneration(stages.Meta{}, stages.GenerationFields{
			Messages: stages.ListOf(stages.Message{Role: stages.RoleUser, Text: prompt}),
		}))
		if err != nil {
			return "", err
		}
		return g.Output().Text, nil
	}
}

// block has a plugin for the calls that are made with its ctx, through any session or none, until release.
func block(ctx context.Context, w io.Writer, ask asker) (err error) {
	inside, release, err := stages.WithPlugins(ctx, chain.Before("topics", topics))
	if err != nil {
		return err
	}
	err = ask.tell(inside, w, forbidden)
	if err := errors.Join(err, release()); err != nil {
		return err
	}
	return ask.tell(inside, w, forbidden)
}
