package profiler

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

var _ chain.HandlerTracer = (*Plugin)(nil)

// handlerName stands for the handler of a chain among its links.
const handlerName = "(handler)"

// linkKey is what a row of links is of.
type linkKey struct{ chain, scope, link string }

type linkRow struct {
	mu sync.Mutex
	LinkCounts
	self  histogram
	total time.Duration
}

// span is one run of a link or handler, and the context that it runs with.
type span struct {
	context.Context
	p     *Plugin
	key   linkKey
	up    *span           // the Around that it runs in the next of
	req   *stages.Request // that it is part of
	holds bool            // it is an Around: what runs in its next is not its own time
	begun time.Time

	mu     sync.Mutex
	inside int       // spans that run in its next
	since  time.Time // when the first of them began
	next   time.Duration
	over   bool
}

type spanKey struct{ p *Plugin }

// Value finds the span in the contexts that are derived from it.
func (s *span) Value(k any) any {
	if k == (spanKey{s.p}) {
		return s
	}
	return s.Context.Value(k)
}

// Sample says at random whether the links of a call are timed. A count would be no cheaper, and where calls come in a pattern
// it would meet the same ones over and over.
func (p *Plugin) Sample(context.Context) bool { return rand.Uint64() <= p.most } //nolint:gosec // a sample is no secret

// LinkStart begins to time a link.
func (p *Plugin) LinkStart(ctx context.Context, l chain.Traced) context.Context {
	return p.start(ctx, linkKey{l.Chain, l.Scope, l.Link}, l.Kind == chain.KindAround, l.Mode == chain.FireAndForget)
}

// LinkEnd adds up what the link took.
func (p *Plugin) LinkEnd(ctx context.Context, _ chain.Traced, err error) { p.end(ctx, err) }

// HandlerStart begins to time a handler.
func (p *Plugin) HandlerStart(ctx context.Context, name string) context.Context {
	return p.start(ctx, linkKey{name, "", handlerName}, false, false)
}

// HandlerEnd adds up what the handler took.
func (p *Plugin) HandlerEnd(ctx context.Context, _ string, err error) { p.end(ctx, err) }

func (p *Plugin) start(ctx context.Context, k linkKey, holds, background bool) context.Context {
	s := &span{Context: ctx, p: p, key: k, req: stages.From(ctx), holds: holds, begun: time.Now()}
	// An Around of another chain, or of a call that a hook makes, does not wait in its next for this one.
	if up, _ := ctx.Value(spanKey{p}).(*span); up != nil && up.holds && up.key.chain == k.chain && up.req == s.req && !background {
		s.up = up
		up.enter(s.begun)
	}
	return s
}

func (p *Plugin) end(ctx context.Context, err error) {
	s, ok := ctx.Value(spanKey{p}).(*span)
	if !ok {
		return
	}
	now := time.Now()
	self, total, first := s.end(now)
	if !first {
		return
	}
	if s.up != nil {
		s.up.leave(now)
	}
	v := verdictOf(err)
	locked(p, s.key, func() map[linkKey]*linkRow { return p.links }, linkKey{link: other}, func(r *linkRow) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.Samples++
		switch v {
		case chain.Blocked:
			r.Blocked++
		case chain.Failed, chain.Canceled:
			r.Errors++
		}
		r.self.add(self)
		r.total += total
	})
	if s.key.link != handlerName && s.req.ID() != "" {
		p.keep(s.req, s.key, self)
	}
}

// enter is the begin of something in the span's next. Several may run at the same time.
func (s *span) enter(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inside++; s.inside == 1 {
		s.since = now
	}
}

func (s *span) leave(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inside--; s.inside == 0 {
		s.next += now.Sub(s.since)
	}
}

// end says how long the span took, and how much of that was its own. It does so once.
func (s *span) end(now time.Time) (self, total time.Duration, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first, s.over = !s.over, true
	next := s.next
	if s.inside > 0 { // it did not wait for it
		next += now.Sub(s.since)
	}
	total = now.Sub(s.begun)
	return max(0, total-next), total, first
}

// verdictOf is what an error amounts to.
func verdictOf(err error) chain.Verdict {
	if err == nil {
		return chain.Allowed
	}
	var v *chain.Violation
	switch {
	case errors.As(err, &v):
		return chain.Blocked
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, session.ErrStreamClosed):
		return chain.Canceled
	}
	return chain.Failed
}
