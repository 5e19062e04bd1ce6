package scenario

import (
	"fmt"
	"strings"
	"sync"

	"github.com/maillon-go/maillon/bench/measure"
	"github.com/maillon-go/maillon/bench/peers"
)

// Scenario is one kind of work.
type Scenario struct {
	Name  string // stable
	Doc   string
	Cells []Cell
}

// Cell is the work of one peer. In scenarios that are not about links, Links is what grows instead: messages, sessions.
type Cell struct {
	Scenario, Peer string
	Grade          peers.Grade // empty where there is one form only
	Links          int
	Build          func() measure.Work
}

// ID is the cell's name.
func (c Cell) ID() string {
	if c.Grade == "" {
		return fmt.Sprintf("%s/links=%d/%s", c.Scenario, c.Links, c.Peer)
	}
	return fmt.Sprintf("%s/links=%d/%s/%s", c.Scenario, c.Links, c.Grade, c.Peer)
}

// All are the scenarios, in the order of reports.
func All() []Scenario {
	all := []Scenario{
		noop(), rewrite(), blockFirst(), blockLast(), backendError(), timeoutIdle(), timeoutFires(), concurrent(), background(),
		parallel(), instruct(), realistic(), variants(), request(), disabled(), history(), sessions(),
	}
	for _, s := range all {
		for i := range s.Cells {
			s.Cells[i].Scenario = s.Name
		}
	}
	return all
}

var byID = sync.OnceValue(func() map[string]Cell {
	m := map[string]Cell{}
	for _, s := range All() {
		for _, c := range s.Cells {
			m[c.ID()] = c
		}
	}
	return m
})

// Find gives the cell of an id.
func Find(id string) (Cell, bool) {
	c, ok := byID()[id]
	return c, ok
}

// must is for what is right by construction.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Rivals are the cells of other projects, and of none, whose id begins with a prefix.
func Rivals(prefix string) []Cell {
	var out []Cell
	for _, s := range All() {
		for _, c := range s.Cells {
			if p, ok := peers.ByName(c.Peer); ok && !p.Ours && strings.HasPrefix(c.ID(), prefix) {
				out = append(out, c)
			}
		}
	}
	return out
}
