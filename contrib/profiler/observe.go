package profiler

import (
	"context"
	"errors"
	"time"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

var (
	_ stages.ObserveSession       = (*Plugin)(nil)
	_ stages.ObserveReset         = (*Plugin)(nil)
	_ stages.ObserveCleanup       = (*Plugin)(nil)
	_ stages.ObserveCreate        = (*Plugin)(nil)
	_ stages.ObserveComponent     = (*Plugin)(nil)
	_ stages.ObserveSampling      = (*Plugin)(nil)
	_ stages.ObserveGeneration    = (*Plugin)(nil)
	_ stages.ObserveStream        = (*Plugin)(nil)
	_ stages.ObserveValidation    = (*Plugin)(nil)
	_ stages.ObserveRepair        = (*Plugin)(nil)
	_ stages.ObserveTool          = (*Plugin)(nil)
	_ stages.ObserveAdapterLoad   = (*Plugin)(nil)
	_ stages.ObserveAdapterUnload = (*Plugin)(nil)
)

// payload is what all payloads have.
type payload interface{ Meta() stages.Meta }

// ended books the end of a stage. failed says that it did although its chain returned no error. more may be nil.
func ended[P payload](ctx context.Context, p *Plugin, stage string, o chain.Outcome[P], failed bool, more func(*row)) {
	m := o.Payload.Meta()
	k := keyOf(m, stage)
	p.add(k, func(r *row) {
		r.end(o.Verdict, failed, o.Duration)
		if more != nil {
			more(r)
		}
	})
	p.frame(ctx, m, k, o.Duration)
}

// ObserveSession books the start of a session.
func (p *Plugin) ObserveSession(ctx context.Context, o chain.Outcome[*stages.Session]) {
	ended(ctx, p, "session", o, false, nil)
}

// ObserveReset books a reset.
func (p *Plugin) ObserveReset(ctx context.Context, o chain.Outcome[*stages.Reset]) {
	ended(ctx, p, "reset", o, false, nil)
}

// ObserveCleanup books the end of a session, whose chart may then give place to another.
func (p *Plugin) ObserveCleanup(ctx context.Context, o chain.Outcome[*stages.Cleanup]) {
	ended(ctx, p, "cleanup", o, false, nil)
	p.closed(o.Payload.Meta().SessionID)
}

// ObserveCreate books the making of a component.
func (p *Plugin) ObserveCreate(ctx context.Context, o chain.Outcome[*stages.Create]) {
	ended(ctx, p, "create", o, false, nil)
}

// ObserveComponent books the execution of a component, and how often backends were asked again for one generation.
func (p *Plugin) ObserveComponent(ctx context.Context, o chain.Outcome[*stages.Component]) {
	c := o.Payload
	unfulfilled := o.Err == nil && c.HasResult() && !c.Success()
	ended(ctx, p, "component", o, false, func(r *row) {
		r.use(c.Usage())
		if unfulfilled {
			r.Unfulfilled++
		}
	})
	n, _ := stages.From(ctx).State().Load(answersKey{p})
	answers, _ := n.(int)
	if again := c.Log().Len() - answers; again > 0 {
		p.add(keyOf(c.Meta(), "generation"), func(r *row) { r.Retries += int64(again) })
	}
}

// answersKey is that of the number of generations of a request that a backend answered.
type answersKey struct{ p *Plugin }

// ObserveGeneration books a generation, with its tokens when they were spent.
func (p *Plugin) ObserveGeneration(ctx context.Context, o chain.Outcome[*stages.Generation]) {
	g := o.Payload
	if o.Answered {
		stages.From(ctx).State().Update(answersKey{p}, func(old any) any {
			n, _ := old.(int)
			return n + 1
		})
	}
	ended(ctx, p, "generation", o, false, func(r *row) {
		switch {
		case !g.HasResult():
		case g.Source() == stages.SourceBackend:
			r.use(g.Output().Usage)
			if g.FirstChunk() > 0 {
				r.first.add(g.FirstChunk())
			}
		default:
			r.Cached++
		}
	})
}

// ObserveSampling books a sampling loop.
func (p *Plugin) ObserveSampling(ctx context.Context, o chain.Outcome[*stages.Sampling]) {
	s := o.Payload
	ended(ctx, p, "sampling", o, s.Err() != nil, func(r *row) {
		r.use(s.Usage())
		if o.Err == nil && s.HasResult() && s.Err() == nil && !s.Success() {
			r.Unfulfilled++
		}
	})
}

// ObserveRepair books a repair, which is a retry of the loop that it belongs to.
func (p *Plugin) ObserveRepair(ctx context.Context, o chain.Outcome[*stages.Repair]) {
	ended(ctx, p, "repair", o, false, nil)
	if o.Err == nil {
		p.add(keyOf(o.Payload.Meta(), "sampling"), func(r *row) { r.Retries++ })
	}
}

// ObserveValidation books a validation.
func (p *Plugin) ObserveValidation(ctx context.Context, o chain.Outcome[*stages.Validation]) {
	v := o.Payload
	ended(ctx, p, "validation", o, v.Err() != nil, func(r *row) {
		if o.Err == nil && v.HasResult() && v.Err() == nil && !v.AllPassed() {
			r.Unfulfilled++
		}
	})
}

// ObserveTool books a run of a tool. One that was not successful has failed.
func (p *Plugin) ObserveTool(ctx context.Context, o chain.Outcome[*stages.Tool]) {
	ended(ctx, p, "tool", o, o.Payload.HasResult() && !o.Payload.Success(), nil)
}

// ObserveAdapterLoad books the loading of an adapter.
func (p *Plugin) ObserveAdapterLoad(ctx context.Context, o chain.Outcome[*stages.Adapter]) {
	ended(ctx, p, "adapter_load", o, false, nil)
}

// ObserveAdapterUnload books the unloading of an adapter.
func (p *Plugin) ObserveAdapterUnload(ctx context.Context, o chain.Outcome[*stages.Adapter]) {
	ended(ctx, p, "adapter_unload", o, false, nil)
}

// streamKey is that of the time when a request's stream began.
type streamKey struct{ p *Plugin }

// ObserveStream books a stream, from its start to its end, and the time until its reader got the first chunk.
func (p *Plugin) ObserveStream(ctx context.Context, o chain.Outcome[*stages.StreamEvent]) {
	e, state := o.Payload, stages.From(ctx).State()
	k := keyOf(e.Meta(), "stream")
	switch e.Phase() {
	case stages.StreamStart:
		state.Store(streamKey{p}, e.Meta().Time)
	case stages.StreamAt:
		if after, ok := e.Data().Get("after"); ok && e.Kind() == session.EventFirstChunk {
			if d, ok := after.(time.Duration); ok {
				p.add(k, func(r *row) { r.first.add(d) })
			}
		}
	case stages.StreamEnd:
		began, _ := state.Load(streamKey{p})
		at, ok := began.(time.Time)
		if !ok {
			at = e.Meta().Time
		}
		v, unfulfilled := verdictOf(e.Err()), errors.Is(e.Err(), session.ErrUnfulfilled)
		p.add(k, func(r *row) {
			if unfulfilled {
				v = chain.Allowed
				r.Unfulfilled++
			}
			r.end(v, false, e.Meta().Time.Sub(at))
		})
	}
}
