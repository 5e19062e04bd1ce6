// Command instruct-validate-repair gives one instruction with three requirements to the small language model in the box,
// once with each way of going on after an answer that does not fulfil them. It needs no key and no server.
//
//	go run ./examples/instruct-validate-repair
//	go run ./examples/instruct-validate-repair -seed 7   # this one does not always succeed
//
// For each attempt it prints what was added to the question, the answer, and what is wrong with it. What it prints comes
// from hooks at sampling_iteration and sampling_repair; the strategies know nothing of them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"go.uber.org/zap"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/ngram"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

const (
	prompt      = "Write a note about tonight's tide."
	defaultSeed = 155
	attempts    = 5
)

func main() {
	seed := flag.Uint64("seed", defaultSeed, "the model's seed: the same one gives the same texts")
	flag.Parse()
	backend := func() session.Backend { return ngram.NewBackend(ngram.WithSeed(*seed)) }
	if err := run(context.Background(), os.Stdout, backend); err != nil {
		fmt.Fprintln(os.Stderr, "instruct-validate-repair:", err)
		os.Exit(1)
	}
}

// requirements: the first two are shown to the model, the last one is only checked.
func requirements() []stages.Requirement {
	secret := session.Check("No e-mail address.", func(text string) (bool, string) {
		return !strings.Contains(text, "@"), "it gives an e-mail address away"
	})
	secret.CheckOnly = true
	return []stages.Requirement{
		session.Check("Use at most 16 words.", func(text string) (bool, string) {
			n := len(strings.Fields(text))
			return n <= 16, fmt.Sprintf("it has %d words", n)
		}),
		session.Check("Give a time.", func(text string) (bool, string) {
			return clock.MatchString(text), "it gives no time"
		}),
		secret,
	}
}

var clock = regexp.MustCompile(`\b\d\d:\d\d\b`)

func run(ctx context.Context, w io.Writer, backend func() session.Backend) error {
	for _, strategy := range []session.Strategy{
		session.RejectionSampling{LoopBudget: attempts},
		session.TemplateRepair{LoopBudget: attempts},
		session.MultiTurn{LoopBudget: attempts},
	} {
		if err := sample(ctx, w, backend(), strategy); err != nil {
			return fmt.Errorf("%s: %w", strategy.Name(), err)
		}
	}
	return nil
}

func sample(ctx context.Context, w io.Writer, b session.Backend, strategy session.Strategy) (err error) {
	p := stages.NewPipeline(stages.PipelineConfig{Logger: zap.L()})
	s, err := session.Start(ctx, session.WithBackend(b), session.WithPipeline(p), session.WithLogger(zap.L()), session.WithSetup(printing(w)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close(ctx)) }()

	fmt.Fprintf(w, "== %s\n\n", strategy.Name())
	res, err := s.Instruct(ctx, prompt, session.Require(requirements()...), session.Using(strategy))
	if err != nil {
		return err
	}
	if res.Success {
		fmt.Fprintf(w, "success after %d attempts, %d tokens: %s\n", res.Attempts.Len(), res.Usage.Total(), res)
	} else {
		fmt.Fprintf(w, "%s; the best one: %s\n", res.FailureReason, res)
	}
	fmt.Fprintf(w, "the history has %d messages\n\n", s.History().Len())
	return nil
}

// printing shows every attempt, and how the strategy goes on.
func printing(w io.Writer) func(*stages.Pipeline) error {
	return func(p *stages.Pipeline) error {
		_, err1 := p.Iteration.Use(chain.After("attempts", func(_ context.Context, i *stages.Iteration) (*stages.Iteration, error) {
			fmt.Fprintf(w, "%d. %s\n", i.Number(), i.Result().Text)
			for _, f := range i.Results().All() {
				if !f.Verdict.Passed() {
					fmt.Fprintf(w, "   ✗ %s\n", f.Verdict.Reason)
				}
			}
			return i, nil
		}))
		_, err2 := p.Repair.Use(chain.After("repairs", func(_ context.Context, r *stages.Repair) (*stages.Repair, error) {
			m, err := r.RepairAction().Messages()
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(w, "   repair by %s, %d turns kept, %q\n", r.Kind(), r.RepairHistory().Len(), short(m[len(m)-1].Text))
			return r, nil
		}))
		return errors.Join(err1, err2)
	}
}

// short is the end of a text, where repairs are.
func short(text string) string {
	const most = 72
	if r := []rune(text); len(r) > most {
		return "…" + string(r[len(r)-most:])
	}
	return text
}
