package session

import (
	"context"
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/maillon-go/maillon/stages"
)

// DefaultToolConcurrency is how many tools run at a time unless WithToolConcurrency says otherwise.
const DefaultToolConcurrency = 4

// WithToolConcurrency sets how many of the tools that a model asks for in one answer run at a time; 1 runs them one after
// the other, in the model's order. Their results are told to the model in that order in any case.
func WithToolConcurrency(n int) Option {
	return option(func(c *config) error {
		if n < 1 {
			return fmt.Errorf("%w: tool concurrency %d, it must be at least 1", ErrOption, n)
		}
		c.toolLimit = n
		return nil
	})
}

// runTools runs what one answer of the model asks for and returns the runs in the order of the calls. The first error, one
// of a link, cancels the others, and no further one begins: their chain refuses a context that is done.
func (s *Session) runTools(
	ctx context.Context, r *request, m stages.Meta, calls stages.List[stages.ToolCall], available stages.List[stages.Callable],
) ([]*stages.Tool, error) {
	runs := make([]*stages.Tool, calls.Len())
	run := func(ctx context.Context, i int) (err error) {
		c := calls.At(i)
		runs[i], err = s.invoke(ctx, stages.NewTool(r.after(m), stages.ToolFields{
			CallID: c.ID, Name: c.Name, Arguments: c.Arguments, Available: available, Source: stages.ToolFromModel,
		}))
		return err
	}
	if calls.Len() == 1 {
		return runs, run(ctx, 0)
	}
	g, inside := errgroup.WithContext(ctx)
	g.SetLimit(s.cfg.toolLimit)
	exited, caught := make([]bool, len(runs)), make([]error, len(runs))
	for i := range runs {
		g.Go(func() error {
			exited[i] = true // unless it returns
			caught[i] = contain(func() error { return run(inside, i) })
			exited[i] = false
			return caught[i]
		})
	}
	err := g.Wait()
	for i := range runs {
		s.passOn(caught[i])
		if exited[i] {
			runtime.Goexit() // as where the tool runs on the caller's goroutine
		}
	}
	if err != nil {
		return nil, err
	}
	return runs, nil
}
