package session

import (
	"context"

	"github.com/maillon-go/maillon/stages"
)

// Backend answers: a client of a service, or a model in this process. Generate is the innermost Handler of the
// generation chain: it reads messages, tools, format and model options from the payload and returns the payload with an
// output, or an error. It must heed ctx and may be called concurrently.
//
// A backend may also be a Describer, a Streamer, an AdapterLoader and an io.Closer: the session closes its backend when it
// is closed itself. Errors should be a *BackendError where their kind is known.
type Backend interface {
	Generate(ctx context.Context, g *stages.Generation) (*stages.Generation, error)
}

// Describer is a Backend that says what it is. One that does not is called by the name of its type. Describe is asked
// once per session.
type Describer interface {
	Describe() stages.Backend
}

// Streamer is a Backend that gives its answer piece by piece. GenerateStream is Generate, but calls emit with each piece of
// the answer's text as it comes, in order and never concurrently. The output that it returns is the whole answer: its text
// is all that was emitted. An error of emit means that nobody wants the rest: the backend gives up the request and returns
// that error. It returns only when emit will not be called any more.
type Streamer interface {
	Backend
	GenerateStream(ctx context.Context, g *stages.Generation, emit func(text string) error) (*stages.Generation, error)
}

// AdapterLoader is a Backend that can load adapters, such as a LoRA, by name. Settings are the backend's own. Both heed ctx
// and may be called concurrently.
type AdapterLoader interface {
	Backend
	LoadAdapter(ctx context.Context, name string, settings stages.Map[any]) error
	UnloadAdapter(ctx context.Context, name string) error
}

// BackendFunc is a function as a Backend.
type BackendFunc func(ctx context.Context, g *stages.Generation) (*stages.Generation, error)

// Generate calls f.
func (f BackendFunc) Generate(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
	return f(ctx, g)
}
