package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

// timeline prints every stage of the pipeline's calls when it begins and when it ends, until stop is called. It is made
// of two plain links for each chain: an Outer Around that sees the begin, and an observer that sees the outcome. It is for
// calls that come one after the other.
func timeline(w io.Writer, p *stages.Pipeline) (stop func(), err error) {
	t := &printer{w: w, start: time.Now()}
	err = errors.Join(
		follow(t, p.Create, func(c *stages.Create) string { return c.Meta().ComponentKind }),
		follow(t, p.Component, nil),
		follow(t, p.Sampling, func(s *stages.Sampling) string {
			return fmt.Sprintf("%s, budget %d", s.Strategy().Name(), s.LoopBudget())
		}),
		follow(t, p.Generation, func(g *stages.Generation) string { return g.Backend().Name }),
		follow(t, p.Tool, nil),
		follow(t, p.Validation, func(v *stages.Validation) string { return fmt.Sprintf("%d requirement(s)", v.Requirements().Len()) }),
		follow(t, p.Iteration, func(i *stages.Iteration) string { return fmt.Sprintf("number %d, valid: %v", i.Number(), i.AllValid()) }),
		follow(t, p.Repair, func(r *stages.Repair) string { return string(r.Kind()) }),
		follow(t, p.HistoryChange, nil),
	)
	return t.stop, err
}

type printer struct {
	w      io.Writer
	start  time.Time
	depth  int
	remove []func()
}

func (t *printer) stop() {
	for _, remove := range t.remove {
		remove()
	}
}

func (t *printer) line(mark, what, detail string) {
	if detail != "" {
		what += " (" + detail + ")"
	}
	fmt.Fprintf(t.w, "%9.3f ms %s%s %s\n", float64(time.Since(t.start).Microseconds())/1000, strings.Repeat("  ", t.depth), mark, what)
}

// follow adds the two links to one chain.
func follow[P any](t *printer, c *chain.Chain[P], describe func(P) string) error {
	reg, err := c.Use(
		chain.Around("timeline-begin", func(next chain.Handler[P]) chain.Handler[P] {
			return func(ctx context.Context, p P) (P, error) {
				detail := ""
				if describe != nil {
					detail = describe(p)
				}
				t.line("▶", c.Name(), detail)
				t.depth++
				return next(ctx, p)
			}
		}, chain.Outer()),
		chain.Observe("timeline-end", func(_ context.Context, o chain.Outcome[P]) {
			t.depth--
			t.line("◀", c.Name(), o.Verdict.String())
		}),
	)
	if err == nil {
		t.remove = append(t.remove, reg.Remove)
	}
	return err
}
