package chain

import "context"

// incumbent is the link whose place n is a candidate for, or nil.
func (pl *plan[P]) incumbent(n *node[P]) *node[P] {
	if n.candidateFor == "" || n.mode != Audit {
		return nil
	}
	var found *node[P]
	for _, e := range pl.order { // of the innermost scope
		if e.name == n.candidateFor && e.kind == n.kind && e.mode == Sequential {
			found = e
		}
	}
	return found
}

// choice is what a hook wants of one call.
type choice struct {
	v       *Violation
	rewrote bool
	failed  bool
}

func (c choice) String() string {
	switch {
	case c.v != nil && c.v.Code != "":
		return "block " + c.v.Code
	case c.v != nil:
		return "block"
	case c.rewrote:
		return "rewrite"
	case c.failed:
		return "fail"
	}
	return "allow"
}

// chose says what a hook wants, before mode and policy.
func (pl *plan[P]) chose(p P, res ran[P]) choice {
	switch v, ok := asViolation(res.err); {
	case ok && !res.own:
		return choice{v: v}
	case res.err != nil:
		return choice{failed: true}
	}
	return choice{rewrote: !pl.c.id.same(p, res.p)}
}

// runBeside runs steps[k] and then, on the payload that it got, its candidates. What they say is compared and counted; a
// link that failed, or that is off, was not asked.
func (pl *plan[P]) runBeside(ctx context.Context, k int, p P, rec *record[P]) (P, int, error) {
	n := pl.steps[k].n
	leaving := func(n *node[P]) func(ticket, error) {
		return func(t ticket, err error) {
			_, _ = pl.stopped(k, p, p, err, rec)
			pl.left(n, t, rec, err)
		}
	}
	asked := n.g.flags.Load()&off == 0
	out, err := p, error(nil)
	var said ran[P]
	if asked {
		said = pl.runHook(ctx, n, p, rec.traced, false, leaving(n))
		out, err = pl.settle(n, p, said)
	}
	for _, c := range pl.beside[n] {
		if c.g.flags.Load()&off != 0 {
			continue
		}
		res := pl.runHook(ctx, c, p, rec.traced, false, leaving(c))
		if asked {
			pl.compare(n, c, p, said, res)
		}
		if _, e := pl.settle(c, p, res); err == nil && e != nil { // it fails closed
			err = e
		}
	}
	return out, k + 1, err
}

// compare counts a disagreement between a link and a candidate for its place.
func (pl *plan[P]) compare(n, c *node[P], p P, incumbent, candidate ran[P]) {
	is, would := pl.chose(p, incumbent), pl.chose(p, candidate)
	agree := is.failed || would.failed || (is.v != nil) == (would.v != nil) && is.rewrote == would.rewrote
	if agree && is.rewrote && would.rewrote {
		agree = pl.equal(incumbent.p, candidate.p)
	}
	if !agree {
		c.g.disagreements.Add(1)
		pl.keepCase(c, p, would, &is)
	}
}

// equal compares two rewrites; a comparison that panics finds no difference.
func (pl *plan[P]) equal(a, b P) (same bool) {
	if pl.c.id.isNil(a) || pl.c.id.isNil(b) {
		return true // one of them failed
	}
	if pl.c.cfg.Policy.Equal == nil {
		return pl.c.id.same(a, b)
	}
	defer func() {
		if recover() != nil {
			same = true
		}
	}()
	return pl.c.cfg.Policy.Equal(a, b)
}

// keepCase keeps a differing call of a link in Audit mode. Those of a candidate are its disagreements, with what the link
// in place said.
func (pl *plan[P]) keepCase(n *node[P], p P, would choice, is *choice) {
	if n.mode != Audit || n.cases == 0 || is == nil && pl.incumbent(n) != nil {
		return
	}
	k := Case{Candidate: would.String()}
	if is != nil {
		k.Incumbent = is.String()
	}
	if n.casePayloads {
		k.Payload = p
	}
	if label := pl.c.cfg.Label; label != nil {
		func() {
			defer func() { _ = recover() }()
			k.Call = label(p)
		}()
	}
	n.g.cases.add(k)
}
