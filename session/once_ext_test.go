package session_test

import (
	"context"
	"errors"
	"testing"

	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// A hook that chooses a budget wants a loop.
func TestBudgetOfAHookIsALoop(t *testing.T) {
	b := script(fails(errDown), answer("yes"))
	s := start(t, session.WithBackend(b), session.WithSetup(rewriteIn(ofSampling, func(p *stages.Sampling) *stages.Sampling { return p.WithLoopBudget(2) })))
	if res, err := s.Instruct(t.Context(), "Say yes."); err != nil || res.Text() != "yes" {
		t.Errorf("got %v, %v", res, err)
	}
}

// A plain call asks a failing backend once; a loop that somebody wants goes on.
func TestPlainCallAsksAFailingBackendOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		opts []session.InstructOption
		want int
	}{
		"plain":           {nil, 1},
		"a budget":        {[]session.InstructOption{session.LoopBudget(2)}, 2},
		"a strategy":      {[]session.InstructOption{session.Using(session.RejectionSampling{LoopBudget: 2})}, 2},
		"requirements":    {[]session.InstructOption{session.Require(mentions("yes"))}, session.DefaultLoopBudget},
		"a budget of one": {[]session.InstructOption{session.LoopBudget(1)}, 1},
	} {
		for _, streamed := range []bool{false, true} {
			calls := 0
			s := start(t, session.WithBackend(session.BackendFunc(func(context.Context, *stages.Generation) (*stages.Generation, error) {
				calls++
				return nil, errDown
			})))
			var err error
			if streamed {
				stream := s.Stream(t.Context(), "Say yes.", tc.opts...)
				for range stream.Text() { //nolint:errcheck // Result has it
				}
				_, err = stream.Result()
			} else {
				_, err = s.Instruct(t.Context(), "Say yes.", tc.opts...)
			}
			if !errors.Is(err, errDown) || calls != tc.want {
				t.Errorf("%s, streamed %v: %v after %d calls, want %d", name, streamed, err, calls, tc.want)
			}
		}
	}
}
