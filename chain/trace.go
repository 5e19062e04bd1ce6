package chain

import "context"

// Traced names the link that a Tracer is told of.
type Traced struct {
	Chain, Link, Scope string
	Kind               Kind
	Mode               Mode
}

// Tracer is told when the hooks and Arounds of a sampled call (not its observers) start and end: the seam for spans and profilers. An Around's time
// includes what it wraps. Its methods run inline, concurrently; a panic in them is contained and logged.
type Tracer interface {
	// Sample decides whether a call is traced. It is asked once per call, so it must be cheap.
	Sample(ctx context.Context) bool
	// LinkStart returns the context that the link runs with, which LinkEnd gets back.
	LinkStart(ctx context.Context, link Traced) context.Context
	// LinkEnd gets what the link returned: nil, a block or its failure.
	LinkEnd(ctx context.Context, link Traced, err error)
}

// HandlerTracer is a Tracer that is also told when the handler of a sampled call starts and ends, so that it can tell the time
// of an Around from that of what it wraps. chain is the chain's name. err is what the handler returned, or an error of its
// own where it panicked or called Goexit.
type HandlerTracer interface {
	Tracer
	// HandlerStart returns the context that the handler runs with, which HandlerEnd gets back.
	HandlerStart(ctx context.Context, chain string) context.Context
	HandlerEnd(ctx context.Context, chain string, err error)
}
