package session

import (
	"context"
	"fmt"

	"github.com/maillon-go/maillon/stages"
)

// Reset makes the session forget its conversation, but for the system messages that it started with. The reason is for
// hooks and logs. When a link blocks or fails, or answers without calling what it wraps, nothing is forgotten. A call in flight still returns its answer, which belongs to the
// forgotten conversation and is not recorded.
func (s *Session) Reset(ctx context.Context, reason string) error {
	ctx, r, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer s.end(r)
	p, err := s.call.reset(ctx, stages.NewReset(r.meta(), stages.ResetFields{
		PreviousHistory: r.history, NewHistory: systemMessages(s.cfg.history), Reason: reason,
	}))
	if err == nil && r.forgets.Load() {
		err = s.forget(ctx, r, p)
	}
	if err != nil {
		return fmt.Errorf("session: reset: %w", err)
	}
	return nil
}

// mayForget is the handler of the reset stage. The links after it may still block.
func (s *Session) mayForget(_ context.Context, p *stages.Reset) (*stages.Reset, error) {
	r, err := s.requestOf(p.Meta())
	if err != nil {
		return nil, err
	}
	r.forgets.Store(true)
	return p, nil
}

// forget does what all links of the reset stage have allowed.
func (s *Session) forget(ctx context.Context, r *request, p *stages.Reset) error {
	s.mu.Lock()
	if s.over {
		s.mu.Unlock()
		return ErrClosed
	}
	previous := s.history
	s.history, s.last, s.hasLast = p.NewHistory(), answered{}, false
	s.conversation++
	s.mu.Unlock()
	s.changed(ctx, r, stages.HistoryChangeFields{
		Kind: stages.ChangeReset, Previous: previous, Resulting: p.NewHistory(), Removed: previous.Messages(), Reason: p.Reason(),
	})
	return nil
}

// changed fires context_update.
func (s *Session) changed(ctx context.Context, r *request, f stages.HistoryChangeFields) {
	f.HistoryKind = s.cfg.historyKind
	// Nothing but observers sit in this chain, and it tells of what has happened already.
	_, _ = s.call.history(context.WithoutCancel(ctx), stages.NewHistoryChange(r.meta(), f))
}

// systemMessages are the system messages that a conversation begins with.
func systemMessages(h stages.History) stages.History {
	var out stages.History
	for _, m := range h.All() {
		if m.Role != stages.RoleSystem {
			break
		}
		out = out.Append(m)
	}
	return out
}
