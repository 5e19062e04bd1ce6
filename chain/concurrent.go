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
	voted := make([]bool, len(batch)) // or has no vote
	waiting := 0
	for i := range batch {
		n := batch[i].n
		if n.g.flags.Load()&off != 0 {
			voted[i] = true
			continue
		}
		waiting++
		if !n.g.startRunning() {
			votes <- vote{i, ran[P]{err: ErrAbandoned}}
			continue
		}
		go func() {
			defer n.g.running.Add(-1)
			ch := make(chan ran[P], 1)
			defer func() { votes <- vote{i, <-ch} }() // also when the hook calls Goexit
			ch <- pl.runHook(cctx, n, p, traced, true, func(t ticket) {
				t.report(faulty)
				ch <- ran[P]{err: ErrGoexit, own: true}
			})
		}()
	}
	winner, verdict := len(batch), error(nil)
	for ; waiting > 0; waiting-- {
		var v vote
		if verdict == nil {
			select {
			case v = <-votes:
			case <-ctx.Done():
				outvoted(batch, voted)
				return fmt.Errorf("chain %s: %w", pl.c.name, context.Cause(ctx))
			}
		} else {
			select {
			case v = <-votes:
			default:
				outvoted(batch, voted)
				return verdict
			}
		}
		voted[v.i] = true
		if verdict != nil && (v.i > winner || isCause(v.res.err, context.Canceled)) {
			continue
		}
		if _, err := pl.settle(batch[v.i].n, p, v.res.p, v.res.err); err != nil {
			winner, verdict = v.i, err
			cancel()
		}
	}
	return verdict
}

// outvoted counts the runs that nobody waits for any more.
func outvoted[P any](batch []step[P], voted []bool) {
	for i := range batch {
		if !voted[i] {
			batch[i].n.g.abandoned.Add(1)
		}
	}
}
