package config

import (
	"github.com/samber/lo"

	"github.com/maillon-go/maillon/chain"
)

// linkTracer is a plugin that has a tracer; others are one themselves.
type linkTracer interface {
	LinkTracer() chain.Tracer
}

// tracer finds the plugin that is to trace the links.
func (b *builder) tracer(f fields) {
	v, ok := f.get("tracer")
	if !ok {
		return
	}
	name := v.text()
	m, made := b.out.plugins[name]
	if !made && b.out.names[name] == nil { // what is there and was not made has an error of its own
		b.problems.add(v.node, nearest(name, lo.Keys(b.out.plugins)), "tracer: there is no plugin %q", clip(name))
	}
	if !made {
		return
	}
	switch p := m.plugin.(type) {
	case linkTracer:
		b.out.tracer = p.LinkTracer()
	case chain.Tracer:
		b.out.tracer = p
	default:
		b.problems.add(v.node, "", "tracer: plugins of the kind %q trace no links", clip(m.kind))
	}
}

// trace gives the pipeline the file's tracer, or takes that of the file before away.
func (c *Config) trace(t chain.Tracer) {
	if t == nil && !c.traces {
		return
	}
	c.traces = t != nil
	c.opts.Pipeline.WithTracer(t)
}
