package session_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/middleware"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// streamEvents writes down the streaming hooks.
type streamEvents struct {
	mu  sync.Mutex
	all []*stages.StreamEvent
}

func (e *streamEvents) register(p *stages.Pipeline) error {
	_, err := p.Stream.Use(chain.Observe("events", func(_ context.Context, o chain.Outcome[*stages.StreamEvent]) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.all = append(e.all, o.Payload)
	}))
	return err
}

func (e *streamEvents) names() (names []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, x := range e.all {
		names = append(names, strings.TrimSpace(string(x.Phase())+" "+x.Kind()))
	}
	return names
}

func (e *streamEvents) end(tb testing.TB) *stages.StreamEvent {
	tb.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	var ends []*stages.StreamEvent
	for _, x := range e.all {
		if x.Phase() == stages.StreamEnd {
			ends = append(ends, x)
		}
		if x.Meta().CorrelationID != e.all[0].Meta().CorrelationID {
			tb.Error("a stream with two correlation ids")
		}
	}
	if len(ends) != 1 {
		tb.Fatalf("%d ends: %v", len(ends), e.all)
	}
	return ends[0]
}

var (
	keep     = func(_ context.Context, p *stages.Generation) (*stages.Generation, error) { return p, nil }
	prefixed = stages.Requirement{
		Description: "no x",
		Check: func(_ context.Context, t stages.Target) (stages.Verdict, error) {
			return noX(t.Output.Text), nil
		},
		CheckPrefix: func(_ context.Context, text string, _ bool) (stages.Verdict, error) {
			if v := noX(text); v.Ruling == stages.Fail {
				return v, nil
			}
			return stages.Verdict{}, nil
		},
	}
)

func noX(text string) stages.Verdict {
	if strings.Contains(text, "x") {
		return stages.Verdict{Ruling: stages.Fail, Reason: "there is an x"}
	}
	return stages.Verdict{Ruling: stages.Pass}
}

// Behaviours 40, 41: what the reader gets, when, and that the unary call says the same.
func TestStreamSameAsUnary(t *testing.T) {
	t.Parallel()
	rewriteText := func(text string) chain.Handler[*stages.Generation] {
		return func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			return g.WithText(text), nil
		}
	}
	block := blocking[*stages.Generation]
	for _, tc := range []struct {
		name   string
		back   func() *pieces
		setup  func(p *stages.Pipeline) error
		opts   []session.InstructOption
		chunks []string
		events string
		last   error
		asked  int
	}{
		{name: "released as it comes", chunks: []string{"a ", "b ", "c"}, events: "start, event first_chunk, end", asked: 1},
		{
			name: "a hook behind the generation", setup: use1(func(p *stages.Pipeline) *chain.Chain[*stages.Generation] { return p.Generation }, chain.After("after", rewriteText("other"))),
			chunks: []string{"other"}, events: "start, event buffered, event first_chunk, end", asked: 1,
		},
		{
			name: "one that blocks", setup: use1(generationChain, chain.After("after", block)),
			events: "start, event buffered, end", last: &chain.Violation{}, asked: 1,
		},
		{
			name: "one that accepts chunks", setup: use1(generationChain, chain.After("after", keep, stages.AcceptsChunks())),
			chunks: []string{"a ", "b ", "c"}, events: "start, event first_chunk, end", asked: 1,
		},
		{
			name: "an auditor", setup: use1(generationChain, chain.After("after", block, chain.InMode(chain.Audit))),
			chunks: []string{"a ", "b ", "c"}, events: "start, event first_chunk, end", asked: 1,
		},
		{
			name: "an Interceptor", setup: use1(generationChain, chain.Intercept[*stages.Generation]("retry", middleware.Retry(3))),
			chunks: []string{"a ", "b ", "c"}, events: "start, event first_chunk, end", asked: 1,
		},
		{
			name: "an answer by a link", setup: use1(generationChain, chain.Around("cache", func(handler[*stages.Generation]) handler[*stages.Generation] {
				return func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
					return g.Done(stages.GenerationResult{Output: stages.Output{Text: "from the cache"}, Source: stages.SourceCache}), nil
				}
			})), chunks: []string{"from the cache"}, events: "start, event buffered, event first_chunk, end",
		},
		{
			name: "a requirement", opts: []session.InstructOption{session.Require(mentions("b"))},
			chunks: []string{"a b c"}, events: "start, event buffered, event first_chunk, end", asked: 1,
		},
		{
			name: "a requirement that is not fulfilled", opts: []session.InstructOption{session.Require(mentions("z")), session.LoopBudget(2)},
			events: "start, event buffered, end", last: session.ErrUnfulfilled, asked: 2,
		},
		{
			name: "a requirement for parts", opts: []session.InstructOption{session.Require(prefixed)},
			chunks: []string{"a ", "b ", "c"}, events: "start, event first_chunk, end", asked: 1,
		},
		{
			name: "a requirement for parts that fails at first", opts: []session.InstructOption{session.Require(prefixed)},
			back:   func() *pieces { return &pieces{answers: [][]string{{"x", "y"}, {"a ", "b"}}} },
			chunks: []string{"a ", "b"}, events: "start, event first_chunk, end", asked: 2,
		},
		{
			name: "a hook behind the sampling", setup: use1(func(p *stages.Pipeline) *chain.Chain[*stages.Sampling] { return p.Sampling },
				chain.After("after", func(_ context.Context, s *stages.Sampling) (*stages.Sampling, error) {
					return s.WithFinalResult(stages.Output{Text: "final"}), nil
				})), chunks: []string{"final"}, events: "start, event buffered, event first_chunk, end", asked: 1,
		},
		{
			name: "a hook before the validation", setup: use1(func(p *stages.Pipeline) *chain.Chain[*stages.Validation] { return p.Validation },
				chain.Before("before", func(_ context.Context, v *stages.Validation) (*stages.Validation, error) {
					return v.WithRequirements(always(stages.Fail)), nil
				})), events: "start, event buffered, end", last: session.ErrUnfulfilled, asked: 3,
		},
		{
			name: "a backend error", back: func() *pieces { return &pieces{answers: [][]string{{"a ", "b"}}, err: errOffline} },
			chunks: []string{"a ", "b"}, events: "start, event first_chunk, end", last: errOffline, asked: 1,
		},
		{
			name: "a chunk link that panics", setup: use1(chunkChain, chain.Before("panics", func(_ context.Context, c *stages.Chunk) (*stages.Chunk, error) {
				if strings.Contains(c.Text(), "b") {
					panic("oh")
				}
				return c, nil
			})), chunks: []string{"a "}, events: "start, event first_chunk, end", last: &chain.LinkError{}, asked: 1,
		},
		{
			name: "a chunk link that blocks", setup: use1(chunkChain, chunkLink{name: "b", blocks: func(s string) bool { return strings.Contains(s, "c") }, window: 2}.link(nil)),
			chunks: []string{"a "}, events: "start, event first_chunk, end", last: &chain.Violation{}, asked: 1,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var verdicts []string
			for _, stream := range []bool{false, true} {
				b := inPieces("a ", "b ", "c")
				if tc.back != nil {
					b = tc.back()
				}
				ev := &streamEvents{}
				setup := func(p *stages.Pipeline) error {
					if tc.setup == nil {
						return ev.register(p)
					}
					return errors.Join(tc.setup(p), ev.register(p))
				}
				s := start(t, session.WithBackend(b), session.WithSetup(setup))
				if !stream {
					verdicts = append(verdicts, verdict(s.Instruct(t.Context(), "go", tc.opts...)), fmt.Sprint(texts(s.History())))
					continue
				}
				r := streamed(t, s.Stream(t.Context(), "go", tc.opts...))
				res, err := r.result()
				if got := verdict(res, err); got != verdicts[0] {
					t.Errorf("streamed %s, unary %s", got, verdicts[0])
				}
				if got := fmt.Sprint(texts(s.History())); got != verdicts[1] {
					t.Errorf("history after the stream %s, unary %s", got, verdicts[1])
				}
				if !slices.Equal(r.chunks, tc.chunks) || !sameKind(r.last, tc.last) {
					t.Errorf("got %q, %v, want %q, %v", r.chunks, r.last, tc.chunks, tc.last)
				}
				if got := strings.Join(ev.names(), ", "); got != tc.events {
					t.Errorf("events %s, want %s", got, tc.events)
				}
				if end := ev.end(t); end.Success() != (tc.last == nil) || !sameKind(end.Err(), tc.last) {
					t.Errorf("the end says %v, %v", end.Success(), end.Err())
				}
				if b.asked != tc.asked {
					t.Errorf("the backend was asked %d times, want %d", b.asked, tc.asked)
				}
			}
		})
	}
}

func generationChain(p *stages.Pipeline) *chain.Chain[*stages.Generation] { return p.Generation }
func chunkChain(p *stages.Pipeline) *chain.Chain[*stages.Chunk]           { return p.Chunk }

func use1[P any](of func(*stages.Pipeline) *chain.Chain[P], l chain.Link[P]) func(*stages.Pipeline) error {
	return func(p *stages.Pipeline) error {
		_, err := of(p).Use(l)
		return err
	}
}

// sameKind is errors.Is, or for chain's typed errors that there is one of that type.
func sameKind(err, want error) bool {
	switch want.(type) {
	case nil:
		return err == nil
	case *chain.Violation:
		_, ok := errors.AsType[*chain.Violation](err)
		return ok
	case *chain.LinkError:
		_, ok := errors.AsType[*chain.LinkError](err)
		return ok
	}
	return errors.Is(err, want)
}

// Behaviour 40: however a stream is left, it ends once, the backend stops, and the session goes on.
func TestStreamLeftEarly(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		read   func(cancel func(), st *session.Stream)
		want   error
		events string
	}{
		{"break", func(_ func(), st *session.Stream) {
			for _, err := range st.Text() {
				mustBeText(err)
				break
			}
		}, session.ErrStreamClosed, "start, event first_chunk, end"},
		{"a panic in the loop", func(_ func(), st *session.Stream) {
			defer func() {
				if recover() != "loop" {
					panic("the loop's panic did not arrive")
				}
			}()
			for _, err := range st.Text() {
				mustBeText(err)
				panic("loop")
			}
		}, session.ErrStreamClosed, "start, event first_chunk, end"},
		{"Goexit in the loop", func(_ func(), st *session.Stream) {
			done := make(chan struct{})
			go func() {
				defer close(done)
				for _, err := range st.Text() {
					mustBeText(err)
					runtime.Goexit()
				}
			}()
			<-done
		}, nil, "start, event first_chunk, end"},
		{"Close in the loop", func(_ func(), st *session.Stream) {
			for _, err := range st.Text() {
				mustBeText(err)
				_ = st.Close()
			}
		}, session.ErrStreamClosed, "start, event first_chunk, end"},
		{"the context", func(cancel func(), st *session.Stream) {
			for _, err := range st.Text() {
				mustBeText(err)
				cancel()
			}
		}, context.Canceled, "start, event first_chunk, end"},
		{"never read", func(_ func(), _ *session.Stream) {}, session.ErrStreaming, ""},
		{"closed before", func(_ func(), st *session.Stream) {
			_ = st.Close()
			for _, err := range st.Text() {
				if !errors.Is(err, session.ErrStreamClosed) {
					panic(err)
				}
			}
		}, session.ErrStreamClosed, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			ev, b := &streamEvents{}, inPieces("a", "b", "c")
			s := start(t, session.WithBackend(b), session.WithSetup(ev.register))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			st := s.Stream(ctx, "go")
			tc.read(cancel, st)
			res, err := st.Result()
			if res != nil || err == nil || tc.want != nil && !errors.Is(err, tc.want) {
				t.Errorf("got %v, %v, want %v", res, err, tc.want)
			}
			if got := strings.Join(ev.names(), ", "); got != tc.events {
				t.Errorf("events %s", got)
			}
			if tc.events != "" {
				if end := ev.end(t); end.Success() || end.Err() == nil {
					t.Errorf("the end says %v, %v", end.Success(), end.Err())
				}
				for _, err := range st.Text() {
					if !errors.Is(err, session.ErrStreamRead) {
						t.Errorf("a second reading: %v", err)
					}
				}
			}
			if s.History().Len() != 0 || b.emitted > 1 {
				t.Errorf("history %v, %d pieces were taken", texts(s.History()), b.emitted)
			}
			if _, err := s.Instruct(t.Context(), "again"); err != nil {
				t.Error(err)
			}
		})
	}
}

// mustBeText panics where a stream ends before the loop has left it. It does so by itself after a cancellation.
func mustBeText(err error) {
	if err != nil && !errors.Is(err, session.ErrStreamClosed) && !errors.Is(err, context.Canceled) {
		panic(err)
	}
}

// Behaviour 40: a backend that waits is cancelled, by Close from elsewhere and when a link blocks.
func TestStreamCancelsTheBackend(t *testing.T) {
	t.Parallel()
	waiting := make(chan struct{})
	b := inPieces("a", "b")
	b.before = func(ctx context.Context, n int) error {
		if n == 0 {
			return nil
		}
		close(waiting)
		<-ctx.Done()
		return context.Cause(ctx)
	}
	s := start(t, session.WithBackend(b))
	st := s.Stream(t.Context(), "go")
	go func() {
		<-waiting
		_ = st.Close()
	}()
	if r := streamed(t, st); r.text() != "a" || !errors.Is(r.last, session.ErrStreamClosed) {
		t.Errorf("got %q, %v", r.text(), r.last)
	}
}

// Behaviour 40: a backend that does not heed emit's error has a context that is done.
func TestStreamBreakEndsTheContext(t *testing.T) {
	t.Parallel()
	var cause error
	s := start(t, session.WithBackend(streamingFunc(
		func(ctx context.Context, g *stages.Generation, emit func(string) error) (*stages.Generation, error) {
			_ = emit("a")
			if cause = context.Cause(ctx); emit("b") == nil {
				t.Error("emit goes on")
			}
			return g.Done(stages.GenerationResult{Output: stages.Output{Text: "ab"}}), nil
		})))
	for chunk, err := range s.Stream(t.Context(), "go").Text() {
		if chunk != "a" || err != nil {
			t.Errorf("got %q, %v", chunk, err)
		}
		break
	}
	if !errors.Is(cause, session.ErrStreamClosed) || s.History().Len() != 0 {
		t.Errorf("the context ended with %v", cause)
	}
}

// Behaviour 40: the backend gets no further than its reader.
func TestStreamSlowReader(t *testing.T) {
	t.Parallel()
	b := inPieces("a", "b", "c")
	s := start(t, session.WithBackend(b))
	n := 0
	for _, err := range s.Stream(t.Context(), "go").Text() {
		if n++; err != nil || b.emitted != n-1 {
			t.Errorf("at chunk %d the backend was at %d, %v", n, b.emitted, err)
		}
	}
}

// No retry once text is out: neither by an Interceptor of any stage nor by the sampling loop.
func TestStreamNoRetryAfterRelease(t *testing.T) {
	t.Parallel()
	again := func(ctx context.Context, next func(context.Context) error) error {
		_ = next(ctx)
		return next(ctx)
	}
	for _, tc := range []struct {
		name  string
		setup func(p *stages.Pipeline) error
	}{
		{"generation", use1(generationChain, chain.Intercept[*stages.Generation]("again", again))},
		{"sampling", use1(func(p *stages.Pipeline) *chain.Chain[*stages.Sampling] { return p.Sampling }, chain.Intercept[*stages.Sampling]("again", again))},
		{"component", use1(func(p *stages.Pipeline) *chain.Chain[*stages.Component] { return p.Component }, chain.Intercept[*stages.Component]("again", again))},
		{"middleware.Retry", use1(generationChain, chain.Intercept[*stages.Generation]("retry", middleware.Retry(5, middleware.RetryBase(time.Nanosecond))))},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			ev, b := &streamEvents{}, &pieces{answers: [][]string{{"a", "b"}}, err: errOffline}
			s := start(t, session.WithBackend(b), session.WithSetup(tc.setup), session.WithSetup(ev.register))
			r := streamed(t, s.Stream(t.Context(), "go"))
			if r.text() != "ab" || !errors.Is(r.last, session.ErrReleased) || b.asked != 1 {
				t.Errorf("got %q, %v, asked %d times", r.text(), r.last, b.asked)
			}
			if got := strings.Join(ev.names(), ", "); got != "start, event first_chunk, event retry_refused, end" {
				t.Error(got)
			}
		})
	}
	t.Run("before a release", func(t *testing.T) {
		t.Parallel()
		var asked int
		r := inBothWays(t, func() []session.Option {
			asked = 0
			b := streamingFunc(func(_ context.Context, g *stages.Generation, emit func(string) error) (*stages.Generation, error) {
				if asked++; asked == 1 {
					return nil, errOffline
				}
				return g.Done(stages.GenerationResult{Output: stages.Output{Text: "a"}}), emit("a")
			})
			return []session.Option{session.WithBackend(b), session.WithSetup(use1(generationChain, chain.Intercept[*stages.Generation]("again", again)))}
		})
		if r.text() != "a" || r.last != nil || asked != 2 {
			t.Errorf("got %q, %v, asked %d times", r.text(), r.last, asked)
		}
	})
	t.Run("the sampling loop", func(t *testing.T) {
		t.Parallel()
		late := prefixed
		late.Check = func(context.Context, stages.Target) (stages.Verdict, error) {
			return stages.Verdict{Ruling: stages.Fail}, nil
		}
		ev, b := &streamEvents{}, inPieces("a", "b")
		s := start(t, session.WithBackend(b), session.WithSetup(ev.register))
		r := streamed(t, s.Stream(t.Context(), "go", session.Require(late)))
		res, err := r.result()
		if r.text() != "ab" || !errors.Is(r.last, session.ErrUnfulfilled) || err != nil || b.asked != 1 {
			t.Fatalf("got %q, %v, %v, asked %d times", r.text(), r.last, err, b.asked)
		}
		if res.Success || res.FailureReason != session.ErrReleased.Error() || res.Attempts.Len() != 1 {
			t.Errorf("%+v", res)
		}
	})
}

// What links that accept chunks do too late: a rewrite is discarded and reported, a block ends the stream.
func TestStreamTooLate(t *testing.T) {
	t.Parallel()
	core, log := observed()
	shout := func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
		return g.WithText("SECRET"), nil
	}
	s := start(t, session.WithBackend(inPieces("a", "b")), session.WithLogger(core),
		session.WithSetup(use1(generationChain, chain.After("shout", shout, stages.AcceptsChunks()))))
	r := streamed(t, s.Stream(t.Context(), "go"))
	res, err := r.result()
	if err != nil || r.text() != "ab" || res.Text() != "ab" {
		t.Errorf("got %q, %+v, %v", r.text(), res, err)
	}
	if n := log.FilterMessageSnippet("discarded").Len(); n != 1 {
		t.Errorf("reported %d times", n)
	}
	for _, e := range log.All() {
		if strings.Contains(fmt.Sprint(e.ContextMap()), "SECRET") {
			t.Error("the log has the text")
		}
	}
	r = inBothWays(t, func() []session.Option {
		return []session.Option{
			session.WithBackend(inPieces("a", "b")),
			session.WithSetup(use1(generationChain, chain.After("block", blocking[*stages.Generation], stages.AcceptsChunks()))),
		}
	})
	if wantBlock(t, r.last, "generation"); r.text() != "ab" {
		t.Errorf("got %q", r.text())
	}
}

// Text that precedes tool calls is part of the stream.
func TestStreamToolCalls(t *testing.T) {
	t.Parallel()
	var ev *streamEvents
	var first bool
	b := streamingFunc(func(_ context.Context, g *stages.Generation, emit func(string) error) (*stages.Generation, error) {
		text, calls := "It is at 06:40.", stages.List[stages.ToolCall]{}
		if first {
			first, text, calls = false, "Let me see. ", stages.ListOf(stages.ToolCall{ID: "1", Name: "tide", Arguments: `{}`})
		}
		if err := emit(text); err != nil {
			return nil, err
		}
		return g.Done(stages.GenerationResult{Output: stages.Output{Text: text, ToolCalls: calls}}), nil
	})
	r := inBothWays(t, func() []session.Option {
		ev, first = &streamEvents{}, true
		return []session.Option{session.WithBackend(b), session.WithTools(tideTool()), session.WithSetup(ev.register)}
	})
	res, err := r.result()
	if err != nil || !slices.Equal(r.chunks, []string{"Let me see. ", "It is at 06:40."}) || res.Text() != "It is at 06:40." {
		t.Errorf("got %q, %+v, %v", r.chunks, res, err)
	}
	if got := strings.Join(ev.names(), ", "); got != "start, event first_chunk, event tool_call, end" {
		t.Error(got)
	}
}

// A backend that returns another text than it streamed is at fault.
func TestStreamOtherText(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	s := start(t, session.WithSetup(rec.register), session.WithBackend(streamingFunc(
		func(_ context.Context, g *stages.Generation, emit func(string) error) (*stages.Generation, error) {
			_ = emit("a")
			return g.Done(stages.GenerationResult{Output: stages.Output{Text: "b"}}), nil
		})))
	r := streamed(t, s.Stream(t.Context(), "go"))
	if !errors.Is(r.last, session.ErrStreamText) || rec.count("error_occurred") != 1 {
		t.Errorf("%v, %v", r.last, rec.names())
	}
}

// generation_post_call knows how many pieces came and when.
func TestStreamCountsChunks(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	s := start(t, session.WithSetup(rec.register), session.WithBackend(inPieces("a", "b", "c")))
	_ = streamed(t, s.Stream(t.Context(), "go"))
	g := last[*stages.Generation](t, rec, "generation_post_call")
	if g.Chunks() != 3 || g.FirstChunk() <= 0 || g.FirstChunk() > g.Latency() {
		t.Errorf("%d chunks, the first after %v of %v", g.Chunks(), g.FirstChunk(), g.Latency())
	}
}

// Behaviour 28: links of a block scope guard streams too, and make them buffered.
func TestStreamInBlockScope(t *testing.T) {
	t.Parallel()
	s := start(t, session.WithBackend(inPieces("bé", "ta", "!")))
	ctx, release, err := stages.WithPlugins(t.Context(), redactWord.link(nil), chain.After("after", keep))
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Pipeline().Streaming(ctx); got.HoldBack != 4 || !slices.Equal(got.Buffered(), []string{"generation/after"}) {
		t.Errorf("%+v", got)
	}
	if r := streamed(t, s.Stream(ctx, "go")); !slices.Equal(r.chunks, []string{"[-]!"}) {
		t.Errorf("within the block: %q", r.chunks)
	}
	if res, err := s.Instruct(ctx, "go"); err != nil || res.Text() != "[-]!" {
		t.Errorf("within the block, unary: %v, %v", res, err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if r := streamed(t, s.Stream(ctx, "go")); len(r.chunks) != 3 {
		t.Errorf("after the block: %q", r.chunks)
	}
}

// An answer from a cache that came in pieces once comes in chunks again, also to who wants the backend's own pieces.
func TestStreamFromCache(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		source stages.Source
		chunks int
		by     session.Chunking
		want   []string
	}{
		{"raw", stages.SourceCache, 3, session.ChunkRaw, []string{"One. ", "Two ", "three."}},
		{"sentences", stages.SourceCache, 3, session.ChunkSentences, []string{"One. ", "Two three."}},
		{"in one piece", stages.SourceCache, 0, session.ChunkRaw, []string{"One. Two three."}},
		{"not from a cache", stages.SourceShortCircuit, 3, session.ChunkRaw, []string{"One. Two three."}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, session.WithBackend(echo()), session.WithSetup(func(p *stages.Pipeline) error {
				_, err := p.Generation.Use(chain.Around("cache", func(chain.Handler[*stages.Generation]) chain.Handler[*stages.Generation] {
					return func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
						return g.Done(stages.GenerationResult{
							Output: stages.Output{Text: "One. Two three."}, Chunks: tc.chunks, Source: tc.source,
						}), nil
					}
				}))
				return err
			}))
			r := streamed(t, s.Stream(t.Context(), "Count.", session.Chunked(tc.by)))
			if r.last != nil || !slices.Equal(r.chunks, tc.want) {
				t.Errorf("got %q, %v", r.chunks, r.last)
			}
		})
	}
}
