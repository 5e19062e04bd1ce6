package chain

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Outcome is what observers see of a call.
type Outcome[P any] struct {
	// Payload is what the caller got. When the call ended in an error it is the handler's partial output if there is one,
	// else the payload as the last link left it, so that it is not nil where the call's payload was not.
	Payload P
	Err     error   // nil, a *Violation, a *LinkError, a *PanicError or the handler's own error
	Verdict Verdict // what Err amounts to
	Link    string  // the link that blocked, failed or answered; "" when the handler decided
	// Answered says that the handler ran. It is false when an Around answered instead or a link ended the call before.
	Answered bool
	Duration time.Duration // zero unless some observer is registered with Timed
}

// callObserved runs a call and, whatever happens to it, its observers.
func (pl *plan[P]) callObserved(caller, ctx context.Context, p P, rec *record[P]) (out P, err error) {
	var start time.Time
	if pl.timed {
		start = time.Now()
	}
	returned := false
	defer func() {
		var took time.Duration
		if pl.timed {
			took = time.Since(start)
		}
		if returned {
			pl.observe(caller, p, out, err, rec, took)
			return
		}
		v := recover()
		pl.observe(caller, p, out, contained(v), rec, took)
		if v != nil { // one that the host lets pass: all others were contained
			panic(v)
		}
	}()
	out, err = pl.enter(ctx, p, rec)
	returned = true
	return out, err
}

// observe tells the observers. in is what the call was given, out and err what it returned.
func (pl *plan[P]) observe(ctx context.Context, in, out P, err error, rec *record[P], took time.Duration) {
	if len(pl.observers) == 0 {
		return
	}
	o := Outcome[P]{Payload: out, Err: err, Duration: took}
	if err == nil {
		o.Answered = len(pl.arounds) == 0 || answered(rec)
		if !o.Answered || rec.seen.Load()&nextFailed != 0 {
			o.Link = pl.answeredBy(rec)
		}
	} else {
		last, has, exit := rec.end()
		if exit != nil && err == ErrGoexit { //nolint:errorlint // identity is what tells
			o.Err = exit
		}
		switch {
		case pl.c.id.word && word(out) != nil:
		case has:
			o.Payload = last
		default:
			o.Payload = in
		}
		o.Verdict, o.Link = pl.verdict(ctx, o.Err)
		o.Answered = answered(rec)
	}
	if ctx.Done() != nil {
		ctx = context.WithoutCancel(ctx) // a call that was cancelled is observed too
	}
	pl.tellFrom(0, ctx, o)
}

// tellFrom tells the observers from the i-th on, also when one of them calls Goexit.
func (pl *plan[P]) tellFrom(i int, ctx context.Context, o Outcome[P]) { //nolint:revive // the context is not the point here
	defer func() {
		if i < len(pl.observers) {
			pl.tellFrom(i+1, ctx, o)
		}
	}()
	for ; i < len(pl.observers); i++ {
		switch n := pl.observers[i]; {
		case n.kind == KindOnError && (o.Err == nil || o.Verdict == Blocked), n.g.flags.Load()&off != 0:
		case n.mode == FireAndForget:
			pl.watchInBackground(ctx, n, o)
		default:
			pl.watch(ctx, n, o)
		}
	}
}

// answered says whether the handler ran. Where a link called next without its context meanwhile, that cannot be seen, and
// the benefit of the doubt is the handler's.
func answered[P any](rec *record[P]) bool {
	return rec.seen.Load()&reached != 0 || rec.frame != nil && rec.frame.lost != rec.frame.pl.b.lost.Load()
}

// answeredBy is the Around that returned a result of its own: it did not call next, or next failed.
func (pl *plan[P]) answeredBy(rec *record[P]) string {
	f := rec.frame
	if f == nil || f.lost != f.pl.b.lost.Load() {
		return ""
	}
	for _, n := range pl.arounds {
		if n.mode == Audit {
			continue
		}
		slot := slices.IndexFunc(pl.hops, func(h hop[P]) bool { return h.n == n })
		if x, _ := f.result(slot); f.state(slot).Load() == 0 || x.err != nil {
			return n.name
		}
	}
	return ""
}

// verdict classifies an error and names the link of this chain that caused it.
func (pl *plan[P]) verdict(ctx context.Context, err error) (v Verdict, link string) {
	defer func() {
		if recover() != nil { // in a method of the error
			v = Failed
		}
	}()
	if b, ok := asViolation(err); ok {
		if b.Chain == pl.c.name {
			link = b.Link
		}
		return Blocked, link
	}
	var le *LinkError
	if errors.As(err, &le) && le.Chain == pl.c.name {
		link = le.Link
	}
	var pe *PanicError
	if ctx.Err() == nil || errors.As(err, &pe) || errors.Is(err, ErrTimeout) || errors.Is(err, ErrGoexit) {
		return Failed, link
	}
	return Canceled, link
}

func (pl *plan[P]) watchInBackground(ctx context.Context, n *node[P], o Outcome[P]) {
	pl.c.cfg.Dispatcher.Go(ctx, func(ctx context.Context) { pl.watch(ctx, n, o) })
}

// watch runs one observer; whatever it does stays with it, but for a Goexit inline.
func (pl *plan[P]) watch(ctx context.Context, n *node[P], o Outcome[P]) {
	t, err := n.g.enter(nil)
	if err != nil {
		_ = pl.fail(n, err, unclear)
		return
	}
	var res ran[P]
	if n.timeout > 0 {
		res = runApart(ctx, n.g, n.timeout, func(ctx context.Context) ran[P] { return tell(ctx, n, o, nil) })
	} else {
		res = tell(ctx, n, o, func(err error) { pl.left(n, t, nil, err) })
	}
	res.found = n.g.judge(ctx, res.err, res.own, false)
	t.report(res.found)
	if res.err != nil {
		_ = pl.fail(n, res.err, res.found)
	}
}

// tell calls an observer as contain calls a hook.
func tell[P any](ctx context.Context, n *node[P], o Outcome[P], leave func(error)) ran[P] {
	return contain(ctx, func(ctx context.Context, p P) (P, error) {
		n.observe(ctx, o)
		return p, nil
	}, o.Payload, leave)
}
