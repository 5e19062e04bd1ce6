package session

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maillon-go/maillon/stages"
)

// MaxDepth is how deep calls may nest: a hook that calls the model begins a request of depth 2, a hook of that request
// one of depth 3, and so on. Deeper ones fail with stages.ErrTooDeep. The depth is that of the ctx that the hook got: a hook
// that calls with another one, such as context.Background(), begins anew at depth 1, and nothing stops it from calling
// itself for ever.
const MaxDepth = stages.DefaultDepth

// request is one call of a session from begin to end. Handlers find it by the request id of their payload, which no link
// can change, so that they work when a link passes on a context of its own.
type request struct {
	base    stages.Meta // what the Metas of all its stages have in common
	parent  *request    // the call in which a hook made this one
	begun   time.Time
	cancel  context.CancelCauseFunc
	done    chan struct{} // closed at the end
	serial  atomic.Int64  // of correlation ids
	forgets atomic.Bool   // a reset has reached its handler

	// As they were when the call began.
	history      stages.History
	conversation int // see Session.conversation
	backend      stages.Backend
	options      stages.ModelOptions

	tools stages.List[stages.Callable] // that the model may be given
	sink  *sink                        // of a call that is streamed, else nil

	// Guarded by the session's mutex.
	executed bool
	log      []*exchange // generations, oldest first
	usage    stages.Usage

	mu        sync.Mutex
	loops     map[string]*loop // being sampled, by correlation id
	flows     map[string]*flow // being generated for a reader, by correlation id
	reason    string           // why the last loop failed
	faulted   reported         // by error_occurred
	component component        // that is executed, once it was created
}

type requestKey struct{}

// enclosing is the request that ctx belongs to, or nil.
func enclosing(ctx context.Context) *request {
	r, _ := ctx.Value(requestKey{}).(*request)
	return r
}

// newID is a random id of 130 bits.
func newID() string { return rand.Text() }

// begin lets a call into the session; end must be called with the request. All that happens in the call gets the context.
func (s *Session) begin(ctx context.Context) (context.Context, *request, error) {
	switch {
	case s.pipeline == nil: // the zero Session
		return nil, nil, ErrClosed
	case ctx == nil:
		return nil, nil, errNilContext
	}
	ctx, r, err := s.newRequest(ctx)
	if err != nil {
		return nil, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over || s.closing && !s.within(r.parent) {
		r.cancel(ErrClosed)
		return nil, nil, ErrClosed
	}
	s.live[r.base.RequestID] = r
	return ctx, r, nil
}

// newRequest makes a request that is not let in yet.
func (s *Session) newRequest(ctx context.Context) (context.Context, *request, error) {
	s.mu.Lock()
	r := &request{
		parent: enclosing(ctx), begun: time.Now(), done: make(chan struct{}),
		history: s.history, conversation: s.conversation, backend: s.backend, options: s.options,
	}
	s.mu.Unlock()
	r.base = stages.Meta{
		SessionID: s.id, RequestID: newID(), UserID: s.cfg.user, Labels: s.cfg.labels, Metadata: s.cfg.metadata,
	}
	ctx, r.cancel = context.WithCancelCause(ctx)
	ctx, err := stages.NewContext(ctx, stages.Info{
		RequestID: r.base.RequestID, Backend: r.backend, History: r.history, Logger: s.cfg.logger,
		Generate: s.generateFor, Depth: MaxDepth,
	})
	if err != nil {
		r.cancel(err)
		return nil, nil, fmt.Errorf("session: %w", err)
	}
	r.base.ParentRequestID = stages.From(ctx).ParentID()
	return context.WithValue(ctx, requestKey{}, r), r, nil
}

// end is for a defer, so that a call that panics or calls Goexit ends too.
func (s *Session) end(r *request) {
	s.mu.Lock()
	delete(s.live, r.base.RequestID)
	s.mu.Unlock()
	r.cancel(nil)
	close(r.done)
}

// within says that r, or a request that it is nested in, is a live one of this session. s.mu is held.
func (s *Session) within(r *request) bool {
	for ; r != nil; r = r.parent {
		if s.live[r.base.RequestID] == r {
			return true
		}
	}
	return false
}

// nests says that inner is r or nested in it.
func (r *request) nests(inner *request) bool {
	for ; inner != nil; inner = inner.parent {
		if inner == r {
			return true
		}
	}
	return false
}

// requestOf finds the request that a payload belongs to.
func (s *Session) requestOf(m stages.Meta) (*request, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.live[m.RequestID]; r != nil {
		return r, nil
	}
	return nil, fmt.Errorf("session: %s of a request that is over", m.CorrelationID)
}

// meta is the Meta of a new run through a stage, with a correlation id of its own.
func (r *request) meta() stages.Meta { return r.after(r.identity()) }

// identity is what the Metas have in common, with the component that is executed.
func (r *request) identity() stages.Meta {
	m := r.base
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.component.action != nil {
		m.ComponentKind, m.ComponentName = r.component.kind, r.component.name
	}
	return m
}

// after is the Meta of a stage within the one that m belongs to.
func (r *request) after(m stages.Meta) stages.Meta {
	m.CorrelationID = r.base.RequestID + "." + strconv.FormatInt(r.serial.Add(1), 10)
	m.Time = time.Now()
	return m
}

// firstFault says whether err was not reported yet, and remembers it.
func (r *request) firstFault(err error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.faulted.first(err)
}
