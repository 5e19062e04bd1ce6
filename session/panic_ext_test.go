package session_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// panicking registers a hook that panics as net/http wants it.
func panicking[P any](of func(*stages.Pipeline) *chain.Chain[P]) func(*stages.Pipeline) error {
	return rewriteOut(of, func(P) P { panic(http.ErrAbortHandler) })
}

type abortingComponent struct{}

func (abortingComponent) Kind() string                        { return "aborting" }
func (abortingComponent) Name() string                        { return "" }
func (abortingComponent) Messages() ([]stages.Message, error) { panic(http.ErrAbortHandler) }

// What PassPanic lets through goes through the session too, from whichever stage; anything else stays inside.
func TestPassPanic(t *testing.T) {
	t.Parallel()
	abort := func() (stages.Output, error) { panic(http.ErrAbortHandler) }
	for _, tc := range []struct {
		name    string
		setup   func(*stages.Pipeline) error
		backend session.Backend
		tool    stages.Callable
		check   stages.Requirement
	}{
		{name: "create", setup: panicking(ofCreate)},
		{name: "component", setup: panicking(ofComponent)},
		{name: "sampling", setup: panicking(ofSampling)},
		{name: "generation", setup: panicking(ofGeneration)},
		{name: "validation", setup: panicking(ofValidation)},
		{name: "iteration", setup: panicking(ofIteration)},
		{name: "repair", setup: panicking(ofRepair)},
		{name: "tool", setup: panicking(ofTool)},
		{name: "the backend", backend: script(abort)},
		{name: "the tool itself", tool: toolThat(func() (any, error) { panic(http.ErrAbortHandler) })},
		{name: "a check", check: requirement(func() (stages.Verdict, error) { panic(http.ErrAbortHandler) })},
		{name: "a component", setup: rewriteOut(ofCreate, func(c *stages.Create) *stages.Create { return c.WithComponent(abortingComponent{}) })},
	} {
		for _, pass := range []bool{true, false} {
			name := tc.name + ", kept inside"
			if pass {
				name = tc.name + ", let through"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				tc := tc
				if tc.backend == nil || !pass {
					tc.backend = story()
				}
				if tc.name == "the backend" && !pass {
					tc.backend = script(abort)
				}
				if tc.tool.Call == nil {
					tc.tool = tideTool()
				}
				if tc.check.Check == nil {
					tc.check = mentions("High water")
				}
				p := stages.NewPipeline(stages.PipelineConfig{PassPanic: func(v any) bool { return pass && v == http.ErrAbortHandler }})
				s := start(t, session.WithPipeline(p), session.WithBackend(tc.backend), session.WithTools(tc.tool), session.WithSetup(func(p *stages.Pipeline) error {
					if tc.setup == nil {
						return nil
					}
					return tc.setup(p)
				}))
				var err error
				v := func() (v any) {
					defer func() { v = recover() }()
					_, err = s.Instruct(t.Context(), "When?", session.Require(tc.check))
					return nil
				}()
				var contained *chain.PanicError
				switch {
				case pass:
					if v != http.ErrAbortHandler {
						t.Errorf("%v came through, the error is %v", v, err)
					}
				case v != nil:
					t.Errorf("%v came through", v)
				case tc.name == "the tool itself": // the model is told
					if err != nil {
						t.Error(err)
					}
				case !errors.As(err, &contained) || contained.Value != http.ErrAbortHandler:
					t.Errorf("got %v", err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				if err := s.Close(ctx); err != nil { // nothing is in flight any more
					t.Errorf("Close: %v", err)
				}
			})
		}
	}
}

// So does a panic in a check of a part of an answer, with a reader and without one.
func TestPassPanicOfAPrefix(t *testing.T) {
	t.Parallel()
	q := stages.Requirement{Description: "x", CheckPrefix: func(context.Context, string, bool) (stages.Verdict, error) { panic(http.ErrAbortHandler) }}
	for _, way := range calls {
		for name, b := range map[string]session.Backend{"in one piece": echo(), "in pieces": inPieces("a ", "b")} {
			for at := range 2 {
				p := stages.NewPipeline(stages.PipelineConfig{PassPanic: func(v any) bool { return v == http.ErrAbortHandler }})
				s := start(t, session.WithPipeline(p), session.WithBackend(b))
				v := func() (v any) {
					defer func() { v = recover() }()
					res, err := way.give(t, s, "When?", session.Require(q), session.Using(session.RejectionSampling{LoopBudget: 1, Concurrency: 1 + at}))
					t.Errorf("%s, %s: got %v, %v", way.name, name, res, err)
					return nil
				}()
				if v != http.ErrAbortHandler {
					t.Errorf("%s, %s: %v came through", way.name, name, v)
				}
			}
		}
	}
}
