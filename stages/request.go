package stages

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	"go.uber.org/zap"
)

// DefaultDepth is how deep requests may be nested where Info says nothing else.
const DefaultDepth = 8

// Errors of nested calls.
var (
	ErrTooDeep     = errors.New("stages: requests are nested too deep")
	ErrNoGenerator = errors.New("stages: no model can be called from here")
)

// Info is what the runtime knows of a request when it begins.
type Info struct {
	RequestID string
	Backend   Backend
	History   History     // what the request is made in
	Logger    *zap.Logger // nil logs nothing
	// Generate calls the model for a hook. The runtime begins a request of its own in it, with the ctx that it gets.
	Generate func(ctx context.Context, messages []Message, o ModelOptions) (Output, error)
	// Depth is how deep requests may be nested below a call from outside, which is 1 deep; 0 is DefaultDepth.
	Depth int
}

// NewContext begins a request: hooks that get the context reach it by From. The request's parent is the one that ctx
// belongs to, if any. ErrTooDeep means that the limit is reached, of this request or of one that it is nested in.
func NewContext(ctx context.Context, i Info) (context.Context, error) {
	parent := From(ctx)
	c := &requestContext{Context: ctx, request: Request{
		id: i.RequestID, parent: parent.id, root: cmp.Or(parent.root, i.RequestID), depth: parent.depth + 1, limit: i.Depth,
		backend: i.Backend, history: i.History, logger: i.Logger, generate: i.Generate,
	}}
	r := &c.request
	if r.limit <= 0 {
		r.limit = DefaultDepth
	}
	if parent.limit > 0 {
		r.limit = min(r.limit, parent.limit)
	}
	if r.depth > r.limit {
		return nil, fmt.Errorf("%w: request %q would be number %d, the limit is %d", ErrTooDeep, r.id, r.depth, r.limit)
	}
	if r.logger == nil {
		r.logger = nop
	}
	return c, nil
}

// From is the request that ctx belongs to: what a hook may use besides its payload. It is never nil. Outside of a request
// all it has is a logger that logs nothing: state is not kept, and Generate returns ErrNoGenerator.
func From(ctx context.Context) *Request {
	if r, ok := ctx.Value(requestKey{}).(*Request); ok {
		return r
	}
	return none
}

type requestKey struct{}

var (
	nop  = zap.NewNop()
	none = &Request{logger: nop}
)

// requestContext is the one allocation of a request.
type requestContext struct {
	context.Context
	request Request
}

func (c *requestContext) Value(key any) any {
	if key == (requestKey{}) {
		return &c.request
	}
	return c.Context.Value(key)
}

// Request is one call of the runtime with all the stages that it goes through. Safe for concurrent use.
type Request struct {
	id, parent, root string
	depth, limit     int
	backend          Backend
	history          History
	logger           *zap.Logger
	generate         func(ctx context.Context, messages []Message, o ModelOptions) (Output, error)
	state            State
}

// ID is the request's id, as in Meta.
func (r *Request) ID() string { return r.id }

// ParentID is the id of the request in which a hook made this one, or "".
func (r *Request) ParentID() string { return r.parent }

// RootID is the id of the call from outside that this request is nested in, however deep; its own where it is that call.
func (r *Request) RootID() string { return r.root }

// Depth is the number of requests from the call from outside, which is 1, to this one. It is 0 outside of a request.
func (r *Request) Depth() int { return r.depth }

// Logger is where hooks log to. It is never nil.
func (r *Request) Logger() *zap.Logger { return r.logger }

// Backend is what answers the request.
func (r *Request) Backend() Backend { return r.backend }

// State is what the hooks of this request share. Outside of a request it keeps nothing.
func (r *Request) State() *State {
	if r == none {
		return nil
	}
	return &r.state
}

// Snapshot is what a hook may know of the history in which a request is made.
type Snapshot struct {
	Len      int  // messages
	LastTurn Turn // the newest exchange
	Tokens   int  // estimated; see History.Tokens
}

// History describes the conversation as it was when the request began.
func (r *Request) History() Snapshot {
	return Snapshot{Len: r.history.Len(), LastTurn: r.history.LastTurn(), Tokens: r.history.Tokens()}
}

// Generate calls the model from a hook. The call is a request of its own that goes through all stages, with this one as
// its parent. ErrTooDeep stops a hook that would call itself forever, ErrNoGenerator says that there is no model here.
func (r *Request) Generate(ctx context.Context, messages []Message, o ModelOptions) (Output, error) {
	if r.generate == nil {
		return Output{}, ErrNoGenerator
	}
	if From(ctx).depth < r.depth { // a context from elsewhere must not reset the depth
		ctx = context.WithValue(ctx, requestKey{}, r)
	}
	if d := From(ctx); d.depth >= d.limit {
		return Output{}, fmt.Errorf("%w: request %q is number %d, the limit is %d", ErrTooDeep, d.id, d.depth, d.limit)
	}
	return r.generate(ctx, messages, o)
}

// State is a small map that the hooks of a request share. Keys are compared with ==: use a type of your own, as with
// context keys. The zero value is empty, and a nil State keeps nothing. Safe for concurrent use.
type State struct {
	mu     sync.Mutex
	values map[any]any
}

// Load is the value of key, and whether there is one.
func (s *State) Load(key any) (any, bool) {
	if s == nil {
		return nil, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.values[key]
	return v, ok
}

// Store sets the value of key.
func (s *State) Store(key, value any) {
	s.Update(key, func(any) any { return value })
}

// Update sets the value of key to what f makes of it, which is nil where there is none, and returns the new one. Nobody
// else reads or writes the state meanwhile, so f must not use it.
func (s *State) Update(key any, f func(old any) any) any {
	if s == nil {
		return f(nil)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.values == nil {
		s.values = map[any]any{}
	}
	v := f(s.values[key])
	s.values[key] = v
	return v
}
