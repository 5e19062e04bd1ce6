package session_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// read is what a reader got of a stream.
type read struct {
	stream *session.Stream
	chunks []string
	last   error // the error item
}

func (r read) text() string                     { return strings.Join(r.chunks, "") }
func (r read) result() (*session.Result, error) { return r.stream.Result() }

// streamed reads a stream to its end.
func streamed(tb testing.TB, st *session.Stream) read {
	tb.Helper()
	r := read{stream: st}
	for chunk, err := range st.Text() {
		switch {
		case r.last != nil:
			tb.Error("an item behind the error")
		case err != nil:
			r.last = err
		case chunk == "":
			tb.Error("an empty chunk")
		default:
			r.chunks = append(r.chunks, chunk)
		}
	}
	return r
}

// inBothWays makes the same call without a reader and with one, each in a session of its own, and compares verdict, history
// and totals (behaviour 41). What the reader got is returned.
func inBothWays(t *testing.T, fresh func() []session.Option, opts ...session.InstructOption) read {
	t.Helper()
	s := start(t, fresh()...)
	unary := verdict(s.Instruct(t.Context(), "go", opts...)) + fmt.Sprint(texts(s.History()), s.Totals())
	s = start(t, fresh()...)
	r := streamed(t, s.Stream(t.Context(), "go", opts...))
	if got := verdict(r.result()) + fmt.Sprint(texts(s.History()), s.Totals()); got != unary {
		t.Errorf("streamed\n  %s\nunary\n  %s", got, unary)
	}
	return r
}

// pieces is a backend that streams answers in pieces, one answer for each request.
type pieces struct {
	mu      sync.Mutex
	answers [][]string
	asked   int
	emitted int
	err     error                            // at the end of each answer
	stopped error                            // what emit said
	before  func(context.Context, int) error // before the n-th piece
}

func inPieces(texts ...string) *pieces { return &pieces{answers: [][]string{texts}} }

func (b *pieces) next() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked++
	a := b.answers[0]
	if len(b.answers) > 1 {
		b.answers = b.answers[1:]
	}
	return a
}

func (b *pieces) done(g *stages.Generation, text string) (*stages.Generation, error) {
	if b.err != nil {
		return nil, b.err
	}
	return g.Done(stages.GenerationResult{Output: stages.Output{Text: text, FinishReason: stages.FinishStop}}), nil
}

func (b *pieces) Generate(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
	return b.done(g, strings.Join(b.next(), ""))
}

func (b *pieces) GenerateStream(ctx context.Context, g *stages.Generation, emit func(string) error) (*stages.Generation, error) {
	var text strings.Builder
	for i, p := range b.next() {
		if b.before != nil {
			if err := b.before(ctx, i); err != nil {
				return nil, err
			}
		}
		text.WriteString(p)
		if err := emit(p); err != nil {
			b.mu.Lock()
			b.stopped = err
			b.mu.Unlock()
			return nil, err
		}
		b.mu.Lock()
		b.emitted++
		b.mu.Unlock()
	}
	return b.done(g, text.String())
}

func (b *pieces) Describe() stages.Backend { return stages.Backend{Name: "pieces", Provider: "test"} }

// observed is a logger that keeps what it is told.
func observed() (*zap.Logger, *observer.ObservedLogs) {
	core, log := observer.New(zap.WarnLevel)
	return zap.New(core), log
}

// registerStream records chunks and what is told of streams.
func (r *recorder) registerStream(p *stages.Pipeline) error {
	_, err := p.Stream.Use(chain.Observe("record", func(_ context.Context, o chain.Outcome[*stages.StreamEvent]) {
		r.add(o.Payload.Hook(), o.Payload, o.Err)
	}))
	return errors.Join(err, hooks(r, p.Chunk, "generation_stream_chunk", "", "", ""))
}
