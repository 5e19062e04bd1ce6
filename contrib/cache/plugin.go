package cache

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync/atomic"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

// Plugin is a response cache. One instance may serve any number of sessions; it has nothing to close. Safe for concurrent
// use.
type Plugin struct {
	set      Settings
	store    Store
	foreign  bool // the program gave some of the state
	flights  flights
	adapters *atomic.Pointer[string] // another text after each change of a backend's adapters
	n        counts
}

var (
	_ stages.WrapGeneration       = (*Plugin)(nil)
	_ stages.ObserveGeneration    = (*Plugin)(nil)
	_ stages.ObserveComponent     = (*Plugin)(nil)
	_ stages.ObserveAdapterLoad   = (*Plugin)(nil)
	_ stages.ObserveAdapterUnload = (*Plugin)(nil)
)

// New makes a cache. The error says all that is wrong with the settings.
func New(s Settings) (*Plugin, error) {
	foreign := s.Store != nil || s.Secret != nil || s.Tenant != nil
	s, err := s.checked()
	if err != nil {
		return nil, err
	}
	p := &Plugin{set: s, store: s.Store, foreign: foreign, adapters: &atomic.Pointer[string]{}}
	p.adapters.Store(new(string))
	if p.store == nil {
		if p.store, err = newMemory(s.MaxBytes, s.TTL); err != nil {
			return nil, fmt.Errorf("cache: %w", err)
		}
	}
	return p, nil
}

// Succeed takes over the answers of the Plugin that this one replaces, of which config tells it when a reload changes its
// settings. A change of Scope or MaxBytes begins with an empty cache, and so do a Store, a Secret and a Tenant of the program's. An
// answer that was there is kept for the shorter of the two TTLs.
func (p *Plugin) Succeed(before any) {
	old, ok := before.(*Plugin)
	if !ok || p.set.Scope != old.set.Scope || p.set.MaxBytes != old.set.MaxBytes || p.foreign || old.foreign {
		return
	}
	mine, theirs := p.store.(*memory), old.store.(*memory)
	p.store = &memory{answers: theirs.answers, evicted: theirs.evicted, ttl: mine.ttl}
	p.set.Secret, p.adapters = old.set.Secret, old.adapters
}

// Name is "response_cache".
func (p *Plugin) Name() string { return "response_cache" }

// HookOptions put the cache in front of other Arounds, such as retries, and let streams through as they come: what it
// answers was complete before, and what the backend answers it leaves alone.
func (p *Plugin) HookOptions(hook string) []chain.Option {
	if hook == "wrap_generation" {
		return []chain.Option{chain.Priority(20), stages.AcceptsChunks()}
	}
	return nil
}

// ObserveGeneration takes out an answer that a hook behind the cache has stopped.
func (p *Plugin) ObserveGeneration(ctx context.Context, o chain.Outcome[*stages.Generation]) {
	if !stopped(o.Verdict) || o.Payload == nil || !o.Payload.HasResult() {
		return
	}
	if key, ok := p.key(ctx, o.Payload); ok && p.release(ctx, key) {
		p.drop(ctx, key)
	}
}

// ObserveComponent takes out the answers of a call that failed or did not fulfil its requirements, so that they do not fail
// the next one too.
func (p *Plugin) ObserveComponent(ctx context.Context, o chain.Outcome[*stages.Component]) {
	if stopped(o.Verdict) || o.Verdict == chain.Allowed && o.Payload != nil && !o.Payload.Success() {
		for _, key := range p.held(ctx) {
			p.drop(ctx, key)
		}
	}
}

func stopped(v chain.Verdict) bool { return v == chain.Blocked || v == chain.Failed }

// ObserveAdapterLoad makes all answers unknown: the model is another one.
func (p *Plugin) ObserveAdapterLoad(context.Context, chain.Outcome[*stages.Adapter]) { p.adapted() }

// ObserveAdapterUnload makes all answers unknown.
func (p *Plugin) ObserveAdapterUnload(context.Context, chain.Outcome[*stages.Adapter]) { p.adapted() }

func (p *Plugin) adapted() {
	now := rand.Text()
	p.adapters.Store(&now)
}
