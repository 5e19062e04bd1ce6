// Command two-solvers lets a fast model try with feedback, and asks a strong one once where it does not succeed: the three
// modes say what the strong one is shown. The fast model is the small one in the box; the strong one is a few lines in
// strong.go that stand for a model that is better and dearer. It needs no key and no server.
//
//	go run ./examples/two-solvers
//
// A link of the generation chain counts the tokens of each backend: it sees both, and does not know of the strategy. The last
// run is one in which a hook chooses the strategy, by name, for a call that knows nothing of two solvers.
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
	"github.com/maillon-go/maillon/contrib/ngram"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

func main() {
	fast := func() session.Backend { return ngram.NewBackend(ngram.WithSeed(1)) }
	if err := run(context.Background(), os.Stdout, fast, strong{}); err != nil {
		fmt.Fprintln(os.Stderr, "two-solvers:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, w io.Writer, fast func() session.Backend, strong session.Backend) error {
	for _, mode := range []session.TwoSolverMode{session.FreshStart, session.ContinueChat, session.BestAttempt} {
		fmt.Fprintf(w, "== %s\n\n", mode)
		err := solve(ctx, w, fast(), nil, session.Using(session.TwoSolver{Strong: strong, LoopBudget: 2, Mode: mode}))
		if err != nil {
			return fmt.Errorf("%s: %w", mode, err)
		}
	}
	fmt.Fprintf(w, "== chosen by a hook\n\n")
	named := session.NewBackends()
	if err := named.Add("strong", func(context.Context, stages.Map[any]) (session.Backend, error) { return strong, nil }); err != nil {
		return err
	}
	return solve(ctx, w, fast(), []session.Option{session.WithBackends(named), session.WithSetup(choose)})
}

// choose is a hook that lets two solvers answer every instruction. It names the strong one.
func choose(p *stages.Pipeline) error {
	_, err := p.Component.Use(chain.Before("two solvers", func(_ context.Context, c *stages.Component) (*stages.Component, error) {
		return c.WithStrategy(stages.NamedStrategy("two_solver", stages.MapOf(map[string]any{
			"strong": "strong", "loop_budget": 1,
		}))), nil
	}))
	return err
}

func solve(
	ctx context.Context, w io.Writer, fast session.Backend, more []session.Option, opts ...session.InstructOption,
) (err error) {
	p := stages.NewPipeline(stages.PipelineConfig{Logger: zap.L()})
	bill := map[string]int{} // generations come one after the other here
	s, err := session.Start(ctx, append([]session.Option{
		session.WithBackend(fast), session.WithPipeline(p), session.WithLogger(zap.L()), session.WithSetup(printing(w, bill)),
	}, more...)...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close(ctx)) }()

	res, err := s.Instruct(ctx, "Write a note about tonight's tide.", append(opts, session.Require(
		session.Check("Give high water and low water.", func(text string) (bool, string) {
			lower := strings.ToLower(text)
			return strings.Contains(lower, "high water") && strings.Contains(lower, "low water"), "it does not give high water and low water"
		}),
		session.Check("End with \"Keep clear of the bar.\"", func(text string) (bool, string) {
			return strings.HasSuffix(text, "Keep clear of the bar."), "it does not warn of the bar"
		})))...)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "\nsuccess: %v after %d attempts\ntokens:  ngram %d, strong %d\n\n", res.Success, res.Attempts.Len(), bill["ngram"], bill["strong"])
	return nil
}

// printing shows what each backend is asked and answers, and adds up its tokens.
func printing(w io.Writer, bill map[string]int) func(*stages.Pipeline) error {
	return func(p *stages.Pipeline) error {
		_, err := p.Generation.Use(chain.After("bill", func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			name := g.Backend().Name
			bill[name] += g.Output().Usage.Total()
			for _, m := range g.Messages().All() {
				fmt.Fprintf(w, "  %-10s %s\n", m.Role+":", strings.ReplaceAll(m.Text, "\n", "\n             "))
			}
			fmt.Fprintf(w, "%s> %s\n", name, g.Output().Text)
			return g, nil
		}))
		return err
	}
}
