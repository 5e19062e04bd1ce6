package chain

import (
	"context"
	"fmt"
)

// runConcurrent runs a batch of Concurrent hooks. The first block (or failure of a link that fails closed) cancels the
// others and is returned without waiting for them; of several that are there already, the first in order wins.
func (pl *plan[P]) runConcurrent(ctx context.Context, batch []step[P], p P, traced bool) error {
	cctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type vote struct {
		i   int
		res ran[P]
	}
	votes := make(chan vote, len(batch))
	runs := make([]*apart, len(batch)) // that have not voted
	waiting := 0
	for i := range batch {
		n := batch[i].n
		if n.g.flags.Load()&off != 0 {
			continue
		}
		waiting++
		a, err := n.g.startApart()
		if err != nil {
			votes <- vote{i, ran[P]{err: err, found: unclear}}
			continue
		}
		runs[i] = a
		go func() {
			defer a.end()
			v := vote{i, ran[P]{err: ErrGoexit, own: true, found: faulty}}
			defer func() { votes <- v }() // also when the hook, or a callback of its breaker, calls Goexit
			v.res = pl.runHook(cctx, n, p, traced, true, func(t ticket, _ error) { t.report(faulty) })
		}()
	}
	winner, verdict := len(batch), error(nil)
	for ; waiting > 0; waiting-- {
		var v vote
		if verdict == nil {
			select {
			case v = <-votes:
			case <-ctx.Done():
				outvoted(runs)
				return fmt.Errorf("chain %s: %w", pl.c.name, context.Cause(ctx))
			}
		} else {
			select {
			case v = <-votes:
			default:
				outvoted(runs)
				return verdict
			}
		}
		runs[v.i] = nil
		if verdict != nil && (v.i > winner || isCause(v.res.err, context.Canceled)) {
			continue
		}
		if _, err := pl.settle(batch[v.i].n, p, v.res); err != nil {
			winner, verdict = v.i, err
			cancel()
		}
	}
	return verdict
}

// outvoted leaves the runs behind that nobody waits for any more.
func outvoted(runs []*apart) {
	for _, a := range runs {
		if a != nil {
			a.abandon()
		}
	}
}
