package session

import (
	"context"

	"github.com/maillon-go/maillon/stages"
)

// Backend answers: a client of a service, or a model in this process. Generate is the innermost Handler of the
// generation chain: it reads messages, tools, format and model options from the payload and returns the payload with an
// output, or an error. It must heed ctx and may be called concurrently.
//
// A backend may also be a Describer, and an io.Closer: the session closes its backend when it is closed itself.
type Backend interface {
	Generate(ctx context.Context, g *stages.Generation) (*stages.Generation, error)
}

// Describer is a Backend that says what it is. One that does not is called by the name of its type. Describe is asked
// once per session.
type Describer interface {
	Describe() stages.Backend
}

// BackendFunc is a function as a Backend.
type BackendFunc func(ctx context.Context, g *stages.Generation) (*stages.Generation, error)

// Generate calls f.
func (f BackendFunc) Generate(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
	return f(ctx, g)
}
