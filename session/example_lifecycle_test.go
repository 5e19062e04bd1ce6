package session_test

import (
	"context"
	"fmt"

	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// A long conversation keeps its newest turns.
func ExampleWithPruning() {
	ctx := context.Background()
	err := session.Run(ctx, func(ctx context.Context, s *session.Session) error {
		for _, q := range []string{"one", "two", "three"} {
			if _, err := s.Instruct(ctx, q); err != nil {
				return err
			}
		}
		for _, m := range s.History().All() {
			fmt.Println(m.Role, m.Text)
		}
		return nil
	}, session.WithBackend(echo()), session.WithPruning(session.KeepTurns(1)))
	fmt.Println(err)
	// Output:
	// user three
	// assistant three
	// <nil>
}

// Backends by name, of which an option or a hook of session_pre_init chooses one.
func ExampleWithBackends() {
	ctx, backends := context.Background(), session.NewBackends()
	_ = backends.Add("echo", func(context.Context, stages.Map[any]) (session.Backend, error) { return echo(), nil })
	_, err := session.Start(ctx, session.WithBackends(backends), session.WithBackendName("ehco", stages.Map[any]{}))
	fmt.Println(err)
	// Output:
	// session: start: session: unknown backend "ehco": did you mean "echo"?
}

// A fork goes on from what was said, and the session that it comes from does not hear of it.
func ExampleSession_Fork() {
	ctx := context.Background()
	_ = session.Run(ctx, func(ctx context.Context, s *session.Session) error {
		if _, err := s.Instruct(ctx, "one"); err != nil {
			return err
		}
		fork, err := s.Fork(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = fork.Close(ctx) }()
		_, err = fork.Instruct(ctx, "two")
		fmt.Println(s.History().Len(), fork.History().Len(), err)
		return err
	}, session.WithBackend(echo()))
	// Output:
	// 2 4 <nil>
}
