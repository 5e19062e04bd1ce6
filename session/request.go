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
	context.Context // of the call, in which the request is found

	base    stages.Meta // what the Metas of all its stages have in common
	parent  *request    // the call in which a hook made this one
	begun   time.Time
	cancel  context.CancelCauseFunc
	done    chan struct{} // closed at the end; nil until somebody waits for it. Guarded by the session's mutex
	ids     ids
	serial  atomic.Int64 // of correlation ids
	forgets atomic.Bool  // a reset has reached its handler

	// As they were when the call began.
	given
	conversation int // see Session.conversation
	options      stages.ModelOptions

	build  builder   // of the component
	decode *decoding // of the answer; nil leaves it text

	tools stages.List[stages.Callable] // that the model may be given
	sink  *sink                        // of a call that is streamed, else nil

	// Guarded by the session's mutex.
	executed bool
	log      []*exchange  // generations, oldest first
	few      [2]*exchange // room for the first of log
	usage    stages.Usage

	mu        sync.Mutex
	loops     *loop              // being sampled, a list
	flows     map[string]*flow   // being generated for a reader, by correlation id
	solvers   map[string]*solver // of generations and validations that the session's own backend does not answer, by correlation id
	reason    string             // why the last loop failed
	ran       []stages.ToolRun   // on the way to its final answer
	faulted   reported           // by error_occurred
	component component          // that is executed, once it was created
}

type requestKey struct{}

// Value finds the request in the contexts of its call.
func (r *request) Value(key any) any {
	if key == (requestKey{}) {
		return r
	}
	return r.Context.Value(key)
}

// enclosing is the request that ctx belongs to, or nil.
func enclosing(ctx context.Context) *request {
	r, _ := ctx.Value(requestKey{}).(*request)
	return r
}

// newID is a random id of 130 bits, 26 characters.
func newID() string { return rand.Text() }

// ids are the id of a request and the first correlation ids in it, as many as most requests need, in one string.
type ids string

const (
	idsAhead = 9
	idLen    = 26
)

func newIDs() ids {
	var b [idsAhead * (idLen + 2)]byte
	id := newID()
	for i := range idsAhead {
		at := b[i*(idLen+2):]
		copy(at, id)
		at[idLen], at[idLen+1] = '.', byte('1'+i)
	}
	return ids(b[:])
}

func (s ids) request() string { return string(s[:idLen]) }

// correlation is the nth id in the request, from 1.
func (s ids) correlation(n int64) string {
	if n > idsAhead {
		return s.request() + "." + strconv.FormatInt(n, 10)
	}
	end := n * (idLen + 2)
	return string(s[end-idLen-2 : end])
}

// begin lets a call into the session; end must be called with the request. All that happens in the call gets the context.
func (s *Session) begin(ctx context.Context) (context.Context, *request, error) {
	return s.beginWith(ctx, given{})
}

// beginWith is begin for a call that brings along what a session would know, where there is none.
func (s *Session) beginWith(ctx context.Context, from given) (context.Context, *request, error) {
	switch {
	case s.pipeline == nil: // the zero Session
		return nil, nil, ErrClosed
	case ctx == nil:
		return nil, nil, errNilContext
	}
	ctx, r, err := s.newRequest(ctx, from)
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
func (s *Session) newRequest(ctx context.Context, from given) (context.Context, *request, error) {
	s.mu.Lock()
	r := &request{
		parent: enclosing(ctx), begun: time.Now(), ids: newIDs(),
		given: from, conversation: s.conversation, options: s.options,
	}
	if !s.apart {
		r.given = given{backend: s.backend, history: s.history}
	}
	s.mu.Unlock()
	r.log = r.few[:0]
	r.base = stages.Meta{
		SessionID: s.id, RequestID: r.ids.request(), UserID: s.cfg.user, Labels: s.cfg.labels, Metadata: s.cfg.metadata,
	}
	ctx, r.cancel = context.WithCancelCause(ctx)
	generate := s.generateHere
	if s.apart {
		generate = s.generateWith(from)
	}
	ctx, err := stages.NewContext(ctx, stages.Info{
		RequestID: r.base.RequestID, Backend: r.backend, History: r.history, Logger: s.cfg.logger,
		Generate: generate, Depth: MaxDepth,
	})
	if err != nil {
		r.cancel(err)
		return nil, nil, fmt.Errorf("session: %w", err)
	}
	r.base.ParentRequestID = stages.From(ctx).ParentID()
	r.Context = ctx
	return r, r, nil
}

// end is for a defer, so that a call that panics or calls Goexit ends too.
func (s *Session) end(r *request) {
	s.mu.Lock()
	delete(s.live, r.base.RequestID)
	done := r.done
	s.mu.Unlock()
	r.cancel(nil)
	if done != nil {
		close(done)
	}
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
	m.CorrelationID = r.ids.correlation(r.serial.Add(1))
	m.Time = time.Now()
	return m
}

// firstFault says whether err was not reported yet, and remembers it.
func (r *request) firstFault(err error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.faulted.first(err)
}
