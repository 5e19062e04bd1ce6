package stages

import (
	"context"
	"fmt"
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
func (p *Pipeline) SetMode(link string, mode chain.Mode) error {
	if !p.has(link) {
		return fmt.Errorf("stages: SetMode: there is no link %q here%s", link, didYouMean(link, p.linkNames()))
	}
	return p.switches.set(p, link, switched{link, mode})
}

// ClearMode takes back what SetMode did to a link. It may be called any number of times.
func (p *Pipeline) ClearMode(link string) error {
	return p.switches.set(p, link)
}

// set puts what is to hold now in the place of what was said about a link.
func (s *switches) set(p *Pipeline, link string, now ...switched) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	modes := append(lo.Reject(s.modes, func(m switched, _ int) bool { return m.link == link }), now...)
	var entries []any
	for _, m := range modes {
		entries = append(entries, Override(m.link, chain.InMode(m.mode)))
	}
	ctx := context.Background() // no plugin is initialised
	var err error
	if s.reg == nil {
		s.reg, err = p.Register(ctx, entries...)
	} else {
		err = s.reg.Replace(ctx, entries...)
	}
	if err == nil {
		s.modes = modes
	}
	return err
}

func (p *Pipeline) has(link string) bool {
	in, name, ok := strings.Cut(link, "/")
	if !ok {
		in, name = "", link
	}
	for _, plan := range p.Explain() {
		for _, l := range plan.Links {
			if l.Name == name && (in == "" || in == plan.Chain) && l.Scope == p.scopeName() {
				return true
			}
		}
	}
	return false
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
