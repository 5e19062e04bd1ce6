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

// direct asks without a session: only what is registered for the process runs, and for the block of code.
func direct(b session.Backend) asker {
	return func(ctx context.Context, prompt string) (string, error) {
		res, err := session.Instruct(ctx, b, stages.History{}, prompt)
		if err != nil {
			return "", err
		}
		return res.Text(), nil
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
