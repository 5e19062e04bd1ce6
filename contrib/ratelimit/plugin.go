package ratelimit

import (
	"container/list"
	"context"
	"errors"
	"sync/atomic"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

// Plugin is a rate limit. One instance may serve any number of sessions, which then share the limits; it has nothing to
// close. Safe for concurrent use.
type Plugin struct {
	set                      Settings
	buckets                  *buckets
	allowed, waited, refused atomic.Int64
}

var (
	_ stages.OnGenerationPreCall = (*Plugin)(nil)
	_ stages.ObserveGeneration   = (*Plugin)(nil)
)

// New makes a rate limit. The error says all that is wrong with the settings.
func New(s Settings) (*Plugin, error) {
	s, err := s.checked()
	if err != nil {
		return nil, err
	}
	return &Plugin{set: s, buckets: &buckets{set: s, by: map[string]*list.Element{}}}, nil
}

// Name is "rate_limit".
func (p *Plugin) Name() string { return "rate_limit" }

// HookOptions put the limit behind redaction and policy, and in front of budgets.
func (p *Plugin) HookOptions(hook string) []chain.Option {
	if hook == "generation_pre_call" {
		return []chain.Option{chain.Priority(30)}
	}
	return nil
}

// taken is what a call has used of a limit, as far as it is known before the answer.
type taken struct {
	key    string
	tokens int
}

type takenKey struct {
	p           *Plugin
	correlation string
}

// OnGenerationPreCall lets the call through, has it wait or refuses it.
func (p *Plugin) OnGenerationPreCall(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
	key, limited := p.key(ctx, g)
	if !limited {
		return g, nil
	}
	n := amounts{requests: 1}
	if p.set.Tokens > 0 {
		n[tokens] = max(p.set.Estimate(g), 0)
	}
	waited, err := p.buckets.of(key).take(ctx, n, p.set.MaxWait)
	if waited {
		p.waited.Add(1)
	}
	var refusal *Error
	switch {
	case errors.As(err, &refusal):
		p.refused.Add(1)
		return nil, chain.Refuse(err) // no fault of this link
	case err != nil:
		return nil, err
	}
	p.allowed.Add(1)
	if p.set.Tokens > 0 {
		stages.From(ctx).State().Store(takenKey{p, g.Meta().CorrelationID}, taken{key, n[tokens]})
	}
	return g, nil
}

// ObserveGeneration makes good what the estimate was wrong about.
func (p *Plugin) ObserveGeneration(ctx context.Context, o chain.Outcome[*stages.Generation]) {
	if p.set.Tokens == 0 || o.Payload == nil {
		return
	}
	var was taken
	var limited bool
	stages.From(ctx).State().Update(takenKey{p, o.Payload.Meta().CorrelationID}, func(v any) any {
		was, limited = v.(taken)
		return nil
	})
	if !limited {
		return
	}
	if diff := spent(o, was.tokens) - was.tokens; diff != 0 {
		p.buckets.of(was.key).correct(amounts{tokens: diff})
	}
}

// spent is how many tokens a call has taken: what was reported or else what was estimated, unless no model was asked
// or it failed without a word. Who leaves before the answer pays for it.
func spent(o chain.Outcome[*stages.Generation], estimate int) int {
	out, source := o.Payload.Output(), o.Payload.Source()
	silent := out.Text == "" && out.ToolCalls.Len() == 0
	switch {
	case o.Payload.HasResult() && (source == stages.SourceCache || source == stages.SourceShortCircuit && out.Usage.Total() <= 0):
		return 0 // a link's answer with usage is another model's, whose code names no source
	case !o.Payload.HasResult() && !o.Answered:
		return 0
	case out.Usage.Total() > 0:
		return out.Usage.Total()
	case o.Verdict == chain.Failed && silent:
		return 0
	}
	return estimate
}

// Succeed takes over what the Plugin that this one replaces has let through, of which config tells it when a reload changes its
// settings, as long as Per is the same: who has used up a limit begins with nothing left of the new one.
func (p *Plugin) Succeed(before any) {
	old, ok := before.(*Plugin)
	if ok && p.set.Per == old.set.Per && (p.set.Key == nil) == (old.set.Key == nil) {
		p.buckets.succeed(old.buckets)
	}
}

// Stats are counts since New.
type Stats struct {
	Allowed int64 // calls that went through
	Waited  int64 // calls that had to wait, whatever came of it
	Refused int64 // calls that came too early, or were too large
	Keys    int   // that are remembered now
}

// Stats is a snapshot.
func (p *Plugin) Stats() Stats {
	return Stats{Allowed: p.allowed.Load(), Waited: p.waited.Load(), Refused: p.refused.Load(), Keys: p.buckets.len()}
}
