package session

import (
	"context"
	"sync"
	"time"
	"unicode/utf8"

	"go.uber.org/zap"

	"github.com/maillon-go/maillon/stages"
)

// The kinds of streaming_event.
const (
	EventBuffered     = "buffered"      // nothing is released for now; "by" names what is the reason
	EventFirstChunk   = "first_chunk"   // the reader is about to get the first chunk; "after" is the time.Duration since the start
	EventToolCall     = "tool_call"     // the model asks for the tool "name"
	EventRetryRefused = "retry_refused" // the model would have been asked again, but text was released
)

// sink is the reader's side of a call that is streamed.
type sink struct {
	s        *Session // from start on, like r
	yield    func(string, error) bool
	r        *request
	chunking Chunking

	mu       sync.Mutex // held while the reader has a chunk
	by       claim      // whose text was released last
	text     string     // of the answer that was released
	owed     bool       // the answer has to be released at the end of the call
	chunks   int
	runes    int
	buffered bool // and said so
	over     bool
	gone     bool // the reader wants no more
	panicked bool // in the loop's body
	panic    any

	events sync.Mutex
	meta   stages.Meta

	stopping sync.Mutex
	cancel   context.CancelCauseFunc
	stopped  error
}

// claim is what text comes from. The reader gets the text of one attempt, and of one request of each of its generations.
type claim struct {
	attempt *attempt
	flow    *flow
	screen  *screen
}

// attempt is one try of a sampling loop.
type attempt struct{ _ byte }

// start begins the stream of a request.
func (k *sink) start(ctx context.Context, s *Session, r *request, by Chunking) {
	if by == "" {
		by = ChunkRaw
	}
	k.s, k.r, k.chunking, k.owed, k.meta = s, r, by, true, r.meta()
	r.sink = k
	k.stopping.Lock()
	k.cancel = r.cancel
	if k.stopped != nil {
		r.cancel(k.stopped)
	}
	k.stopping.Unlock()
	k.tell(ctx, stages.StreamEventFields{Phase: stages.StreamStart, Data: facts("chunking", string(by))})
}

// end tells what came of it, once.
func (k *sink) end(ctx context.Context, res *Result, err error) {
	if err == nil && !res.Success {
		err = ErrUnfulfilled
	}
	k.mu.Lock()
	data := facts("chunks", k.chunks).With("runes", k.runes)
	k.mu.Unlock()
	k.tell(ctx, stages.StreamEventFields{Phase: stages.StreamEnd, Data: data, Success: err == nil, Err: err})
}

func facts(name string, value any) stages.Map[any] { return stages.MapOf(map[string]any{name: value}) }

func (k *sink) event(ctx context.Context, kind string, data stages.Map[any]) {
	if k != nil {
		k.tell(ctx, stages.StreamEventFields{Phase: stages.StreamAt, Kind: kind, Data: data})
	}
}

// tell fires a streaming hook. All of one stream have one correlation id.
func (k *sink) tell(ctx context.Context, f stages.StreamEventFields) {
	k.events.Lock()
	defer k.events.Unlock()
	m := k.meta
	m.Time = time.Now()
	// Nothing but observers sit in this chain, and what goes wrong in them goes nowhere.
	_, _ = k.s.call.stream(context.WithoutCancel(ctx), stages.NewStreamEvent(m, f))
}

// stop lets the reader get nothing more.
func (k *sink) stop(cause error) {
	k.stopping.Lock()
	defer k.stopping.Unlock()
	if k.stopped == nil {
		k.stopped = cause
	}
	if k.cancel != nil {
		k.cancel(cause)
	}
}

func (k *sink) halted() error {
	k.stopping.Lock()
	defer k.stopping.Unlock()
	return k.stopped
}

// close makes sure that the reader's loop is not called any more. It waits for it where it runs on another goroutine.
func (k *sink) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.over = true
}

// hasReleased says that the reader has got text.
func (k *sink) hasReleased() bool {
	if k == nil {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.chunks > 0
}

// admits says whether the model may be asked: not for an answer in the place of one that was released.
func (k *sink) admits(c claim) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.by.attempt == nil || k.by.attempt == c.attempt && k.by.flow != c.flow
}

// release gives the reader a chunk and waits until it comes back for more. An error ends the call.
func (k *sink) release(ctx context.Context, c claim, chunk string) error {
	if chunk == "" {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.halted(); err != nil {
		return err
	}
	switch {
	case k.over:
		return ErrStreamClosed
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case k.by != c && k.by.attempt != nil && (k.by.attempt != c.attempt || k.by.flow == c.flow):
		return ErrReleased
	}
	if k.by = c; k.chunks == 0 {
		k.event(ctx, EventFirstChunk, facts("after", time.Since(k.r.begun)))
	}
	k.chunks++
	k.runes += utf8.RuneCountInString(chunk)
	return k.give(chunk)
}

// give calls the loop's body. Its panic waits until the call has ended; a Goexit, such as that of a failed test, goes on.
func (k *sink) give(chunk string) (err error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		k.gone = true
		if v := recover(); v != nil {
			k.panicked, k.panic = true, v
		}
		err = ErrStreamClosed
		k.stop(err)
	}()
	more := k.yield(chunk, nil)
	returned = true
	if !more {
		k.gone = true
		k.stop(ErrStreamClosed)
		return ErrStreamClosed
	}
	return nil
}

// releaseAll gives the reader a text that has passed as a whole.
func (k *sink) releaseAll(ctx context.Context, c claim, by Chunking, text string) error {
	return split(by, text, func(chunk string) error { return k.release(ctx, c, chunk) })
}

// answered releases the answer of the call, unless that was done before: then it stays what the reader got.
func (k *sink) answered(ctx context.Context, c *stages.Component) (*stages.Component, error) {
	if k == nil {
		return c, nil
	}
	k.mu.Lock()
	owed, text, released, at := k.owed, k.text, k.chunks > 0, k.by.attempt
	k.mu.Unlock()
	switch res := c.Result(); {
	case owed && c.Success():
		return c, k.releaseAll(ctx, claim{attempt: at, flow: &flow{}}, k.chunking, res.Text)
	case !owed && released && res.Text != text:
		k.discarded("component")
		res.Text = text
		return c.WithResult(res), nil
	}
	return c, nil
}

// discarded tells of a change that came too late.
func (k *sink) discarded(stage string) {
	k.s.cfg.logger.Warn("a link that accepts chunks rewrote text that was released: discarded",
		zap.String("chain", stage), zap.String("field", "text"), zap.String("request", k.meta.RequestID))
}
