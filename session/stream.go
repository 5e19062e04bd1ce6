package session

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/maillon-go/maillon/stages"
)

// Errors of streams.
var (
	// ErrStreaming means that a stream has no result yet: it was not read to its end.
	ErrStreaming = errors.New("session: the stream has not ended")
	// ErrStreamClosed means that the reader stopped reading before the stream had ended, or began after Close.
	ErrStreamClosed = errors.New("session: the stream was closed by its reader")
	// ErrStreamRead means that a stream was read a second time.
	ErrStreamRead = errors.New("session: a stream can be read once")
	// ErrReleased means that the model would have been asked again after text of its first answer had been released.
	ErrReleased = errors.New("session: no retry: text was released")
	// ErrStreamText means that a Streamer returned another text than it had emitted.
	ErrStreamText = errors.New("session: the backend answered with another text than it had streamed")
)

// Stream is a call whose answer is read while it is made: an instruction, a message or a component. It works while it is read, on the goroutine of its
// reader, and has no goroutine of its own: one that is never read does nothing and leaves nothing behind. Its methods may
// be called concurrently; it can be read once.
type Stream struct {
	on   Caller
	ctx  context.Context
	i    instruction
	opts []InstructOption
	bad  error // why there is nothing to call

	mu    sync.Mutex
	state streamState
	sink  *sink
	res   *Result
	err   error
}

type streamState uint8

const (
	unread streamState = iota
	reading
	ended
)

// Stream is Instruct with an answer that can be read as it comes. The same stages run, with the same links, and find the
// same: text is released when all of them that can stop or rewrite it have let it pass. Where the links are such that this
// takes the whole generation or the whole call, which stages.Pipeline.Streaming tells, or where there are requirements that
// cannot judge a part of an answer (see stages.Requirement.CheckPrefix), the stream is buffered, and released in chunks at
// the end.
//
// The call begins when the stream is read. Once text is released the model is not asked again: an answer that then turns out
// not to fulfil the requirements, or breaks off, is the last one.
func (s *Session) Stream(ctx context.Context, description string, opts ...InstructOption) *Stream {
	return &Stream{on: s, ctx: ctx, i: task(description), opts: opts}
}

// StreamChat is Chat with an answer that can be read as it comes: see Stream.
func (s *Session) StreamChat(ctx context.Context, text string, opts ...InstructOption) *Stream {
	return &Stream{on: s, ctx: ctx, i: message(text), opts: opts}
}

// StreamAct is Act with an answer that can be read as it comes: see Stream.
func (s *Session) StreamAct(ctx context.Context, action stages.Action, opts ...InstructOption) *Stream {
	i, err := act(action)
	return &Stream{on: s, ctx: ctx, i: i, opts: opts, bad: err}
}

func (a *apart) Stream(ctx context.Context, description string, opts ...InstructOption) *Stream {
	return &Stream{on: a, ctx: ctx, i: task(description), opts: opts}
}

func (a *apart) StreamChat(ctx context.Context, text string, opts ...InstructOption) *Stream {
	return &Stream{on: a, ctx: ctx, i: message(text), opts: opts}
}

func (a *apart) StreamAct(ctx context.Context, action stages.Action, opts ...InstructOption) *Stream {
	i, err := act(action)
	return &Stream{on: a, ctx: ctx, i: i, opts: opts, bad: err}
}

// StreamInstruct is Session.Stream without a session: see On.
func StreamInstruct(
	ctx context.Context, backend Backend, history stages.History, description string, opts ...InstructOption,
) *Stream {
	return On(backend, history).Stream(ctx, description, opts...)
}

// StreamChat is Session.StreamChat without a session: see On.
func StreamChat(ctx context.Context, backend Backend, history stages.History, text string, opts ...InstructOption) *Stream {
	return On(backend, history).StreamChat(ctx, text, opts...)
}

// StreamAct is Session.StreamAct without a session: see On.
func StreamAct(
	ctx context.Context, backend Backend, history stages.History, action stages.Action, opts ...InstructOption,
) *Stream {
	return On(backend, history).StreamAct(ctx, action, opts...)
}

// Text runs the call and yields the released chunks of the answer, each with a nil error. When the call fails the last item
// is an empty text with the error of Result; when it succeeds with an answer that does not fulfil the requirements, with
// ErrUnfulfilled. What the model says before it asks for tools is part of the stream, unless it is buffered up to the end of
// the call; of Result it never is.
//
// Breaking out of the loop cancels the backend and ends the call with ErrStreamClosed; nothing is added to the history then.
// The session must not be closed within the loop: Close waits for the call.
func (st *Stream) Text() iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		k, err := st.begin(yield)
		if err != nil {
			yield("", err)
			return
		}
		err = st.read(k)
		switch {
		case k.panicked:
			panic(k.panic) // of the loop's body, now that everything has ended
		case k.gone:
		case err != nil:
			yield("", err)
		}
	}
}

func (st *Stream) begin(yield func(string, error) bool) (*sink, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	switch {
	case st.state == ended && errors.Is(st.err, ErrStreamClosed) && st.sink == nil:
		return nil, ErrStreamClosed
	case st.state != unread:
		return nil, ErrStreamRead
	}
	st.state, st.sink = reading, &sink{yield: yield}
	return st.sink, nil
}

// read makes the call.
func (st *Stream) read(k *sink) (last error) {
	var res *Result
	err := errCutShort
	defer func() {
		k.close()
		st.mu.Lock()
		defer st.mu.Unlock()
		st.state, st.res, st.err = ended, res, err
	}()
	if st.bad != nil {
		err = st.bad
		return err
	}
	i := st.i
	i.sink = k
	res, err = st.on.run(st.ctx, i, st.opts)
	if stopped := k.halted(); err != nil && stopped != nil && !leadsTo(err, stopped) {
		err = fmt.Errorf("%w: %w", stopped, err)
	}
	if err == nil && !res.Success {
		return ErrUnfulfilled
	}
	return err
}

var errCutShort = errors.New("session: the call ended in a panic or in runtime.Goexit")

// Result is what came of the instruction, as Instruct would return it. It is ErrStreaming until the stream was read to its
// end. Of an answer that does not fulfil the requirements, and was not released, it has the text all the same.
func (st *Stream) Result() (*Result, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.state != ended {
		return nil, ErrStreaming
	}
	return st.res, st.err
}

// Close ends the stream if it has not ended yet: the backend is cancelled and no further chunk is released. It does not wait
// for a loop that is reading the stream, in which it may be called. It always returns nil, and is for a defer.
func (st *Stream) Close() error {
	st.mu.Lock()
	defer st.mu.Unlock()
	switch st.state {
	case unread:
		st.state, st.err = ended, ErrStreamClosed
	case reading:
		st.sink.stop(ErrStreamClosed)
	}
	return nil
}
