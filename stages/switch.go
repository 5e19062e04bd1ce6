package stages

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"

	"github.com/samber/lo"

	"github.com/maillon-go/maillon/chain"
)

// switches are the modes that SetMode has set.
type switches struct {
	mu    sync.Mutex
	modes []switched // the last one last
	reg   *Registration
}

type switched struct {
	link string
	mode chain.Mode
}

// SetMode switches the mode of a link while the program runs, of audit to sequential, say, once its would-blocks look
// right. The link is given by name, for all chains that have one, or as chain/name; it must be there, registered in this
// pipeline. Calls in flight end as they began, and the link keeps its breaker and counts. It is an Override, and has the
// last word over those that were registered before the first SetMode. Of two that are about one link, by name and as
// chain/name, the later holds. ClearMode takes it back.
//
// Where the link does not come to run in that mode, because an override of the process outranks one of a session, or one
// was registered later, that is an error and nothing is changed.
func (p *Pipeline) SetMode(link string, mode chain.Mode) error {
	if !p.has(link) {
		return fmt.Errorf("stages: SetMode: there is no link %q here%s", link, didYouMean(link, p.linkNames()))
	}
	return p.switches.set(p, link, &switched{link, mode})
}

// ClearMode takes back what SetMode did to a link. It may be called any number of times.
func (p *Pipeline) ClearMode(link string) error {
	return p.switches.set(p, link, nil)
}

// set puts what is to hold now, or nothing, in the place of what was said about a link.
func (s *switches) set(p *Pipeline, link string, now *switched) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	modes := lo.Reject(s.modes, func(m switched, _ int) bool { return m.link == link })
	if now != nil {
		modes = append(modes, *now)
	}
	if err := s.put(p, modes); err != nil {
		return err
	}
	if now != nil {
		if in, mode := p.otherwise(link, now.mode); in != "" {
			err := fmt.Errorf("stages: SetMode: another override keeps %s in mode %s", in, mode)
			return errors.Join(err, s.put(p, s.modes))
		}
	}
	s.modes = modes
	return nil
}

// put registers modes in the place of those that are there.
func (s *switches) put(p *Pipeline, modes []switched) (err error) {
	var entries []any
	for _, m := range modes {
		entries = append(entries, Override(m.link, chain.InMode(m.mode)))
	}
	ctx := context.Background() // no plugin is initialised
	if s.reg == nil {
		s.reg, err = p.Register(ctx, entries...)
		return err
	}
	return s.reg.Replace(ctx, entries...)
}

// otherwise is a link of that name, as chain/name, that runs in another mode, and which.
func (p *Pipeline) otherwise(link string, mode chain.Mode) (in string, other chain.Mode) {
	for plan, l := range p.called(link) {
		if l.Mode != mode {
			return plan + "/" + l.Name, l.Mode
		}
	}
	return "", mode
}

func (p *Pipeline) has(link string) bool {
	for range p.called(link) {
		return true
	}
	return false
}

// called are the links of a name, or chain/name, that are registered in this pipeline, with their chains.
func (p *Pipeline) called(link string) iter.Seq2[string, chain.PlannedLink] {
	in, name, ok := strings.Cut(link, "/")
	if !ok {
		in, name = "", link
	}
	return func(yield func(string, chain.PlannedLink) bool) {
		for _, plan := range p.Explain() {
			for _, l := range plan.Links {
				if l.Name == name && (in == "" || in == plan.Chain) && l.Scope == p.scopeName() && !yield(plan.Chain, l) {
					return
				}
			}
		}
	}
}

func (p *Pipeline) scopeName() string {
	if p.scope {
		return "session"
	}
	return "process"
}

func (p *Pipeline) linkNames() (names []string) {
	for _, plan := range p.Explain() {
		for _, l := range plan.Links {
			names = append(names, l.Name)
		}
	}
	return names
}
