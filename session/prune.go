package session

import (
	"context"
	"fmt"

	"go.uber.org/zap"

	"github.com/maillon-go/maillon/internal/errlog"
	"github.com/maillon-go/maillon/stages"
)

// Pruner decides what a session forgets of a conversation that has become too long. KeepTurns, KeepTokens and Summarize
// are Pruners.
//
// Prune is asked when the session starts and after each turn, one call at a time in each session. It may call the model by
// stages.From(ctx).Generate. Where it fails the conversation stays as it was: its error is logged and reported by
// error_occurred, and the call that it came after does not fail.
type Pruner interface {
	Prune(ctx context.Context, p Past) (Cut, error)
}

// Past is a conversation as a Pruner gets it, a copy.
type Past struct {
	System []stages.Message // the system messages that it begins with; they stay
	// Turns are what follows, oldest first. Each begins with a question and ends before the next one, so that the calls of
	// tools and their results are together.
	Turns [][]stages.Message
}

// Tokens is the estimated length of the conversation, in tokens.
func (p Past) Tokens() int {
	n := tokens(p.System)
	for _, t := range p.Turns {
		n += tokens(t)
	}
	return n
}

// Cut is what a Pruner makes of a conversation. The zero Cut leaves it as it is.
type Cut struct {
	Turns      int    // how many of the oldest turns are dropped; the newest one stays in any case
	Summary    string // goes in their place, as a message of the user; may be empty
	Reason     string // for hooks
	TokenLimit int    // that made it necessary, for hooks; may be 0
}

// WithPruning lets the session forget the oldest turns of a long conversation. Each of several Pruners gets what the one
// before has left. The system messages at the beginning stay, and a turn stays or goes as a whole. Every change fires
// context_prune. Calls in flight still see the history as it was when they began.
func WithPruning(pruners ...Pruner) Option {
	return option(func(c *config) error {
		for _, p := range pruners {
			if v, ok := p.(interface{ check() error }); ok {
				if err := v.check(); err != nil {
					return err
				}
			}
			if p != nil {
				c.pruners = append(c.pruners, p)
			}
		}
		return nil
	})
}

// pruning is the state of a session's pruning, guarded by its mutex.
type pruning struct {
	by    *request // that prunes now, or nil
	again bool     // the history has grown meanwhile
}

// prune asks the Pruners what to do with the history as it is now. While one call prunes, others leave it to that one: they
// cannot wait for it, since it may be waiting for them.
func (s *Session) prune(ctx context.Context, r *request) {
	if len(s.cfg.pruners) == 0 || !s.beginPruning(r) {
		return
	}
	defer s.endPruning(r) // also when a Pruner calls Goexit
	for again := true; again; again = s.pruneAgain(ctx) {
		for _, p := range s.cfg.pruners {
			if err := s.pruneBy(ctx, r, p); err != nil {
				s.cfg.logger.Warn("the history was not pruned", errlog.Field(err, false), zap.String("session", s.id))
				s.fault(ctx, r, r.identity(), stages.FaultFields{
					Failure: failure(err, stages.FaultComponent), Where: "context_prune", History: s.History(),
				})
			}
		}
	}
}

func (s *Session) beginPruning(r *request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if by := s.pruning.by; by != nil {
		s.pruning.again = s.pruning.again || !by.nests(r)
		return false
	}
	s.pruning = pruning{by: r}
	return true
}

// pruneAgain says whether there is more to do, and ends the pruning where not.
func (s *Session) pruneAgain(ctx context.Context) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	again := s.pruning.again && ctx.Err() == nil
	s.pruning.again = false
	if !again {
		s.pruning.by = nil
	}
	return again
}

func (s *Session) endPruning(r *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pruning.by == r {
		s.pruning = pruning{}
	}
}

// pruneBy asks one Pruner and does what it says.
func (s *Session) pruneBy(ctx context.Context, r *request, p Pruner) error {
	s.mu.Lock()
	history, conversation := s.history, s.conversation
	s.mu.Unlock()
	past := pastOf(history)
	if len(past.Turns) < 2 { // the newest one stays
		return nil
	}
	var cut Cut
	if err := s.contain(func() (err error) {
		cut, err = p.Prune(ctx, past)
		return err
	}); err != nil {
		return fmt.Errorf("session: pruning the history: %w", err)
	}
	drop := min(cut.Turns, len(past.Turns)-1)
	if drop < 1 {
		return nil
	}
	past = pastOf(history) // p had the other one for itself
	kept, f := stages.NewHistory(past.System...), stages.HistoryChangeFields{
		Kind: stages.ChangePrune, Reason: cut.Reason, TokenLimit: cut.TokenLimit,
	}
	if cut.Summary != "" {
		m := stages.Message{Role: stages.RoleUser, Text: cut.Summary}
		kept, f.Added = kept.Append(m), stages.ListOf(m)
	}
	var removed []stages.Message
	for i, t := range past.Turns {
		if i < drop {
			removed = append(removed, t...)
		} else {
			kept = kept.Append(t...)
		}
	}
	f.Removed = stages.ListOf(removed...)
	s.mu.Lock()
	if s.over || s.conversation != conversation {
		s.mu.Unlock()
		return nil
	}
	// Nothing but turns at its end has come to it meanwhile.
	f.Previous = s.history
	f.Resulting = kept.Append(s.history.Tail(s.history.Len() - history.Len()).Messages().Slice()...)
	s.history = f.Resulting
	s.mu.Unlock()
	f.TokensFreed = f.Previous.Tokens() - f.Resulting.Tokens()
	s.changed(ctx, r, f)
	return nil
}

// pastOf takes a conversation apart. A turn begins with a message of the user or the system that does not follow another
// one, unless the result of a call before it comes after it.
func pastOf(h stages.History) (p Past) {
	messages := h.Messages().Slice()
	head := 0
	for head < len(messages) && messages[head].Role == stages.RoleSystem {
		head++
	}
	p.System, messages = messages[:head:head], messages[head:]
	caller := map[string]int{} // by the id of a call, the message that made it
	opened := make([]int, len(messages))
	for i, m := range messages {
		opened[i] = i
		for _, c := range m.ToolCalls.All() {
			caller[c.ID] = i
		}
		if at, ok := caller[m.ToolCallID]; ok && m.Role == stages.RoleTool {
			opened[i] = at
		}
	}
	starts, earliest := []int(nil), len(messages)
	for i := len(messages) - 1; i >= 0; i-- {
		earliest = min(earliest, opened[i])
		if i == 0 || asks(messages[i]) && !asks(messages[i-1]) && earliest >= i {
			starts = append(starts, i)
		}
	}
	p.Turns = make([][]stages.Message, len(starts))
	end := len(messages)
	for i, at := range starts {
		p.Turns[len(starts)-1-i] = messages[at:end:end]
		end = at
	}
	return p
}

func asks(m stages.Message) bool { return m.Role == stages.RoleUser || m.Role == stages.RoleSystem }

func tokens(messages []stages.Message) (n int) {
	for _, m := range messages {
		n += m.Tokens()
	}
	return n
}
