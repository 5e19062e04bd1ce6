package session

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/maillon-go/maillon/stages"
)

// gate says what has to pass before text is released.
type gate uint8

const (
	gateChunk      gate = iota // the chunk stage
	gateGeneration             // the generation stage
	gateCall                   // all stages
)

// flow is one generation of a call that is streamed.
type flow struct {
	sink         *sink
	attempt      *attempt
	gate         gate
	early        bool // requirements may judge a part: no link behind it can rewrite the text
	requirements stages.List[stages.Requirement]

	mu   sync.Mutex
	done *take // the last that was complete
}

// newFlow decides how the text of a generation reaches the reader. Without a reader it is nil.
func (s *Session) newFlow(ctx context.Context, r *request, a *attempt, l *loop) *flow {
	if a == nil {
		return nil
	}
	f := &flow{sink: r.sink, attempt: a, requirements: l.requirements}
	how := s.pipeline.Streaming(ctx)
	by := how.Buffered()
	if l.plan.inFlight > 1 || l.plan.choose != nil {
		f.gate = gateCall
		by = append(by, "a strategy with several answers at once")
	}
	for _, q := range l.requirements.All() {
		if q.CheckPrefix == nil {
			f.gate = gateCall
			by = append(by, "a requirement")
			break
		}
	}
	f.early = len(how.Call) == 0 && len(how.Generation) == 0
	switch {
	case len(how.Call) > 0:
		f.gate = gateCall
	case len(how.Generation) > 0:
		f.gate = max(f.gate, gateGeneration)
	}
	if k := f.sink; f.gate > gateChunk {
		k.mu.Lock()
		said := k.buffered
		k.buffered = true
		k.mu.Unlock()
		if !said {
			k.event(ctx, EventBuffered, facts("by", by))
		}
	}
	return f
}

// newAttempt is nil where the call has no reader.
func (r *request) newAttempt() *attempt {
	if r.sink == nil {
		return nil
	}
	return &attempt{}
}

func (r *request) flowOf(m stages.Meta) *flow {
	if r.sink == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.flows[m.CorrelationID]
}

// flows adds a generation that is streamed, and takes it away again.
func (r *request) flowing(m stages.Meta, f *flow) (over func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.flows == nil {
		r.flows = map[string]*flow{}
	}
	r.flows[m.CorrelationID] = f
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.flows, m.CorrelationID)
	}
}

// admit refuses a request to the backend when it would be made in the place of one whose text was released.
func (f *flow) admit(ctx context.Context) error {
	if f == nil || f.sink.admits(claim{attempt: f.attempt, flow: f}) {
		return nil
	}
	f.sink.event(ctx, EventRetryRefused, stages.Map[any]{})
	return backoff.Permanent(ErrReleased)
}

// settled is a generation that has passed its stage: its text is released, if it was not before, as far as the gate allows.
func (f *flow) settled(ctx context.Context, g *stages.Generation) (_ *stages.Generation, cut *cutOff, err error) {
	f.mu.Lock()
	t := f.done
	f.mu.Unlock()
	k := f.sink
	if t != nil && t.cut != nil {
		return g, t.cut, nil
	}
	k.mu.Lock()
	by := k.by
	k.owed = f.gate == gateCall
	k.mu.Unlock()
	text := g.Output().Text
	switch {
	case f.gate == gateCall:
	case by.flow != f: // nothing of it was released
		if cut, err = prefixChecks(ctx, f.requirements, text); err != nil || cut != nil {
			return g, cut, err
		}
		chunking := k.chunking
		if chunking == ChunkRaw && g.Source() == stages.SourceCache && g.Chunks() > 1 {
			chunking = ChunkWords // it came in pieces, of which nothing is known any more
		}
		err = k.releaseAll(ctx, claim{f.attempt, f, nil}, chunking, text)
	case t == nil || by.screen != t.screen: // another answer than the one that the reader got a part of
		return g, nil, ErrReleased
	case text != t.screen.passed():
		k.discarded("generation")
		g = g.WithText(t.screen.passed())
	}
	k.mu.Lock()
	k.text = g.Output().Text
	k.mu.Unlock()
	return g, nil, err
}

// take is one answer of the backend on its way to the links and, where it is streamed, to the reader.
type take struct {
	f      *flow
	screen *screen
	ctx    context.Context // for links
	cancel context.CancelCauseFunc

	split    splitter
	received strings.Builder
	begun    time.Time
	first    time.Duration
	pieces   int
	cut      *cutOff
	err      error // of a link, a check or the reader
}

// cutOff is a requirement that an answer cannot fulfil any more.
type cutOff struct {
	requirement int
	verdict     stages.Verdict
}

// errEnough ends an answer that nobody has to wait for.
var errEnough = errors.New("session: the answer cannot fulfil a requirement any more")

func (s *Session) newTake(ctx context.Context, r *request, g *stages.Generation, f *flow) *take {
	t := &take{f: f, ctx: ctx, screen: s.newScreen(ctx, r, g.Meta(), f != nil), begun: time.Now()}
	if f != nil {
		t.split.by = f.sink.chunking
	}
	return t
}

// from asks the backend.
func (t *take) from(ctx context.Context, b Backend, g *stages.Generation) (out *stages.Generation, err error) {
	if t == nil {
		if out, err = b.Generate(ctx, g); err == nil && (out == nil || !out.HasResult()) {
			err = fmt.Errorf("%w: %s", ErrNoAnswer, g.Backend().Name)
		}
		return out, err
	}
	if st, ok := b.(Streamer); ok && t.f != nil {
		var cancel context.CancelCauseFunc
		ctx, cancel = context.WithCancelCause(ctx)
		defer cancel(nil)
		t.cancel = cancel
		out, err = st.GenerateStream(ctx, g, t.emit)
	} else {
		out, err = b.Generate(ctx, g)
	}
	if t.err == nil {
		if err == nil && (out == nil || !out.HasResult()) {
			err = fmt.Errorf("%w: %s", ErrNoAnswer, g.Backend().Name)
		}
		if err != nil || t.screen == nil {
			return out, err
		}
		t.err = t.complete(out.Output().Text)
	}
	if t.err != errEnough { //nolint:errorlint // its own
		return out, t.err
	}
	return t.cutShort(g, out)
}

// emit takes a piece of the answer.
func (t *take) emit(piece string) error {
	if t.err != nil || piece == "" {
		return t.err
	}
	if t.pieces++; t.pieces == 1 {
		t.first = time.Since(t.begun)
	}
	t.received.WriteString(piece)
	if t.err = t.split.write(piece, func(chunk string) error { return t.pass(chunk, false) }); t.err != nil {
		t.cancel(t.err)
	}
	return t.err
}

// complete takes the rest of the answer.
func (t *take) complete(text string) error {
	rest, ok := strings.CutPrefix(text, t.received.String())
	switch {
	case !ok:
		return ErrStreamText
	case text == "":
		return nil
	case t.f == nil:
		return t.pass(text, true)
	}
	t.received.WriteString(rest)
	if err := t.split.write(rest, func(chunk string) error { return t.pass(chunk, false) }); err != nil {
		return err
	}
	return t.pass(t.split.rest(), true)
}

// pass puts a chunk through the chunk stage and gives what comes out to the reader.
func (t *take) pass(chunk string, final bool) (err error) {
	piece, err := t.screen.add(t.ctx, chunk, final)
	if err != nil || t.f == nil {
		return err
	}
	if t.f.early {
		if t.cut, err = prefixChecks(t.ctx, t.f.requirements, t.screen.passed()); err != nil {
			return err
		}
		if t.cut != nil {
			return errEnough
		}
	}
	if t.f.gate == gateChunk {
		return t.f.sink.release(t.ctx, claim{t.f.attempt, t.f, t.screen}, piece)
	}
	return nil
}

// cutShort makes an answer of what came before a requirement could not be fulfilled any more. The reader does not get it.
func (t *take) cutShort(g, out *stages.Generation) (*stages.Generation, error) {
	if _, err := t.screen.add(t.ctx, "", true); err != nil {
		return out, err
	}
	var res stages.GenerationResult
	if out != nil {
		res = answerOf(out, 0)
	}
	res.Output.Text, res.Output.FinishReason, res.Output.ToolCalls = t.received.String(), stages.FinishCutOff, stages.List[stages.ToolCall]{}
	return g.Done(res), nil
}

// partial is what there is of an answer that failed. What the chunk stage has not passed is no part of it, where there is a
// chunk stage: neither text, nor tool calls and the raw response, which no link of an answer that failed gets to see.
func (t *take) partial(res stages.GenerationResult) stages.GenerationResult {
	if t == nil {
		return res
	}
	if t.pieces > 0 {
		res.Chunks, res.FirstChunk = t.pieces, t.first
	}
	t.leave(&res)
	if t.screen != nil {
		res.Output.ToolCalls, res.Output.Raw = stages.List[stages.ToolCall]{}, ""
	}
	return res
}

// leave puts the text there that the chunk stage has passed. Where it has taken something out, what the backend sent goes too.
func (t *take) leave(res *stages.GenerationResult) {
	if t.screen == nil {
		return
	}
	if text := t.screen.passed(); text != res.Output.Text {
		res.Output.Text, res.Output.Raw = text, ""
	}
}

// finish is the answer as the chunk stage has left it.
func (t *take) finish(res stages.GenerationResult) stages.GenerationResult {
	if t == nil {
		return res
	}
	if res.Chunks == 0 && t.pieces > 0 {
		res.Chunks, res.FirstChunk = t.pieces, t.first
	}
	t.leave(&res)
	if t.f != nil {
		t.f.mu.Lock()
		t.f.done = t
		t.f.mu.Unlock()
	}
	return res
}
