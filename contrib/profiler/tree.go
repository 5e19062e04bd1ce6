package profiler

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/maillon-go/maillon/stages"
)

// place is where a stage runs: the stages around it, outermost first.
var place = map[string][]string{
	"component":  {"component"},
	"sampling":   {"component", "sampling"},
	"generation": {"component", "sampling", "generation"},
	"tool":       {"component", "sampling", "tool"},
	"validation": {"component", "sampling", "validation"},
	"repair":     {"component", "sampling", "repair"},
}

// order is that of stages in a chart.
var order = []string{
	"session", "adapter_load", "reset", "create", "component", "sampling", "generation", "chunk", "tool", "validation", "repair",
	"adapter_unload", "cleanup",
}

// outermost is the scope of links that charts do not name.
const outermost = "process"

// tree is the time of a session, by what it was spent in.
type tree struct {
	mu     sync.Mutex
	root   frame
	frames int
	over   bool // the session was closed
}

// frame is a part of the time.
type frame struct {
	calls    int64
	took     time.Duration
	link     bool // took and calls are estimated from a sample
	children map[string]*frame
}

// child is the frame of that name in f.
func (t *tree) child(f *frame, name string, most int) *frame {
	c := f.children[name]
	if c == nil && t.frames >= most {
		name = other
		c = f.children[name]
	}
	if c == nil {
		if f.children == nil {
			f.children = map[string]*frame{}
		}
		c = new(frame)
		f.children[name] = c
		t.frames++
	}
	return c
}

// within is the frame at a path. A path ends where no more frames fit.
func (t *tree) within(path []string, most int) *frame {
	f := &t.root
	for _, name := range path {
		if f = t.child(f, name, most); f == f.children[other] {
			break
		}
	}
	return f
}

// linksKey is that of the links' own times in a request's state, until the stage that they are part of ends.
type linksKey struct{ p *Plugin }

type ownTime struct {
	calls int64
	took  time.Duration
}

// keep remembers a link's own time for the chart.
func (p *Plugin) keep(r *stages.Request, k linkKey, self time.Duration) {
	r.State().Update(linksKey{p}, func(old any) any {
		m, _ := old.(map[linkKey]ownTime)
		if m == nil {
			m = map[linkKey]ownTime{}
		}
		t := m[k]
		m[k] = ownTime{t.calls + 1, t.took + self}
		return m
	})
}

// kept takes the own times of the links of some chains.
func (p *Plugin) kept(ctx context.Context, chains ...string) map[linkKey]ownTime {
	s := stages.From(ctx).State()
	if _, ok := s.Load(linksKey{p}); !ok {
		return nil
	}
	took := map[linkKey]ownTime{}
	s.Update(linksKey{p}, func(old any) any {
		m, _ := old.(map[linkKey]ownTime)
		for k, t := range m {
			if slices.Contains(chains, k.chain) {
				took[k] = t
				delete(m, k)
			}
		}
		return m
	})
	return took
}

// frame adds the end of a stage to the session's chart. Calls that are made in others are left out: their time is part of
// the other's.
func (p *Plugin) frame(ctx context.Context, m stages.Meta, k key, took time.Duration) {
	links := p.kept(ctx, k.stage, "chunk")
	if m.ParentRequestID != "" {
		return
	}
	path := place[k.stage]
	if path == nil {
		path = []string{k.stage}
	}
	if k.kind != "" {
		slot := k.kind
		if k.name != "" && k.name != k.kind {
			slot += " " + k.name
		}
		path = append([]string{slot}, path...)
	}
	p.inTree(m.SessionID, func(t *tree) {
		f := t.within(path, p.maxKeys)
		f.calls++
		f.took += took
		for l, own := range links {
			at := f
			if l.chain == "chunk" {
				at = t.child(f, "chunk", p.maxKeys)
				at.calls += own.calls * int64(p.every)
				at.took += own.took * time.Duration(p.every)
			}
			name := clip(l.link)
			if l.scope != "" && l.scope != outermost {
				name = clip(l.scope) + "/" + name
			}
			at = t.child(at, name, p.maxKeys)
			at.link = true
			at.calls += own.calls * int64(p.every)
			at.took += own.took * time.Duration(p.every)
		}
	})
}

// inTree lets f have the chart of a session, if there is one.
func (p *Plugin) inTree(id string, f func(*tree)) {
	p.mu.RLock()
	t := p.trees[id]
	if t != nil {
		defer p.mu.RUnlock()
		t.mu.Lock()
		defer t.mu.Unlock()
		f(t)
		return
	}
	p.mu.RUnlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if t = p.trees[id]; t == nil && !p.room() {
		p.lost++
		return
	}
	if t == nil {
		t = new(tree)
		p.trees[id] = t
		p.age = append(p.age, id)
	}
	f(t)
}

// room makes room for one more chart, if it can. p.mu is held.
func (p *Plugin) room() bool {
	if len(p.trees) < p.sessions {
		return true
	}
	i := slices.IndexFunc(p.age, func(id string) bool { return p.trees[id].over })
	if i < 0 {
		return false
	}
	delete(p.trees, p.age[i])
	p.age = slices.Delete(p.age, i, i+1)
	return true
}

// closed lets the chart of a session give place to another.
func (p *Plugin) closed(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.trees[id]; t != nil {
		t.over = true
	}
}
