package otel_test

import (
	"context"
	"maps"
	"runtime"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/maillon-go/maillon/contrib/otel"
	"github.com/maillon-go/maillon/internal/plugintest"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// Every span of a stream ends exactly once, however the stream does, and says how.
func TestStreamEndings(t *testing.T) {
	t.Parallel()
	words := answer("one two three SECRET")
	for name, tc := range map[string]struct {
		backend *plugintest.Model
		read    func(t *testing.T, cancel context.CancelFunc, st *session.Stream)
		want    string // error.type of chat and component
	}{
		"read to the end": {backend: says(words), want: "-"},
		"broken off": {backend: says(words), read: func(_ *testing.T, _ context.CancelFunc, st *session.Stream) {
			for _, err := range st.Text() {
				_ = err
				break
			}
		}, want: "canceled"},
		"cancelled": {backend: says(words), read: func(_ *testing.T, cancel context.CancelFunc, st *session.Stream) {
			for _, err := range st.Text() {
				_ = err
				cancel()
			}
		}, want: "canceled"},
		"reader panics": {backend: says(words), read: func(t *testing.T, _ context.CancelFunc, st *session.Stream) {
			t.Helper()
			defer func() {
				if recover() != "SECRET" {
					t.Error("no panic")
				}
			}()
			for _, err := range st.Text() {
				_ = err
				panic("SECRET")
			}
		}, want: "canceled"},
		"reader exits": {backend: says(words), read: func(_ *testing.T, _ context.CancelFunc, st *session.Stream) {
			done := make(chan struct{})
			go func() {
				defer close(done)
				for _, err := range st.Text() {
					_ = err
					runtime.Goexit()
				}
			}()
			<-done
		}, want: "cut_short"},
		"error after a part": {backend: says(func(context.Context, *stages.Generation) (stages.Output, error) {
			return stages.Output{Text: "one"}, errDown
		}), want: "_OTHER"},
		"backend panics": {backend: says(func(context.Context, *stages.Generation) (stages.Output, error) { panic("SECRET") }), want: "panic"},
		"never read":     {backend: says(words), read: func(_ *testing.T, _ context.CancelFunc, st *session.Stream) { _ = st.Close() }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			count := &counting{ended: newCounts()}
			r := newRig(t, otel.Settings{TracerProvider: count})
			s := r.start(t, tc.backend)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			st := s.Stream(ctx, "well?")
			if tc.read == nil {
				tc.read = func(_ *testing.T, _ context.CancelFunc, st *session.Stream) {
					for _, err := range st.Text() {
						_ = err
					}
				}
			}
			tc.read(t, cancel, st)
			if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
				t.Fatal(err)
			}
			count.once(t, len(r.spans.Started()))
			if name == "never read" {
				if n := len(r.spans.Ended()); n != 1 {
					t.Errorf("%d spans: %s", n, r.tree())
				}
				return
			}
			for _, span := range []string{"chat m-1", "component Instruction"} {
				has(t, r.span(t, span), map[string]string{"error.type": tc.want})
			}
			noSecret(t, r)
		})
	}
}

// counting counts how often the spans of a provider are ended, which the SDK hides.
type counting struct {
	trace.TracerProvider

	mu    sync.Mutex
	ended map[trace.SpanID]int
}

func (c *counting) Tracer(name string, opts ...trace.TracerOption) trace.Tracer {
	return countingTracer{c.TracerProvider.Tracer(name, opts...), c}
}

// once says that the spans that began have all ended, each of them once.
func (c *counting) once(tb testing.TB, begun int) {
	tb.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.ended) != begun {
		tb.Errorf("%d spans began, %d ended", begun, len(c.ended))
	}
	for _, n := range c.ended {
		if n != 1 {
			tb.Errorf("a span was ended %d times", n)
		}
	}
}

type countingTracer struct {
	trace.Tracer
	c *counting
}

func (t countingTracer) Start(ctx context.Context, name string, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	ctx, span := t.Tracer.Start(ctx, name, opts...)
	span = countingSpan{span, t.c}
	return trace.ContextWithSpan(ctx, span), span
}

type countingSpan struct {
	trace.Span
	c *counting
}

func (s countingSpan) End(opts ...trace.SpanEndOption) {
	s.c.mu.Lock()
	s.c.ended[s.SpanContext().SpanID()]++
	s.c.mu.Unlock()
	s.Span.End(opts...)
}

// The plugin's links make no stream wait, and the span says when the first piece came.
func TestStreamIsNotBuffered(t *testing.T) {
	t.Parallel()
	r := newRig(t, otel.Settings{})
	s := r.start(t, says(answer("one two three")))
	if by := s.Pipeline().Streaming(t.Context()).Buffered(); len(by) != 0 {
		t.Errorf("buffered by %v", by)
	}
	var chunks []string
	for text, err := range s.Stream(t.Context(), "well?").Text() {
		if err != nil {
			t.Fatal(err)
		}
		chunks = append(chunks, text)
	}
	if got := strings.Join(chunks, "|"); got != "one |two |three" {
		t.Errorf("got %s", got)
	}
	has(t, r.span(t, "chat m-1"), map[string]string{"gen_ai.request.stream": "true", "gen_ai.response.time_to_first_chunk": "0.25"})
	want := map[string]point{"gen_ai.operation.name=chat,gen_ai.provider.name=harbour,gen_ai.request.model=m-1,gen_ai.response.model=m-1-2026": {1, 0.25}}
	if got := r.points(t, "gen_ai.client.operation.time_to_first_chunk"); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func newCounts() map[trace.SpanID]int { return map[trace.SpanID]int{} }
