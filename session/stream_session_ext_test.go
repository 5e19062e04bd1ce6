package session_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// A turn that was streamed is pruned like another one, before the stream ends.
func TestStreamIsPruned(t *testing.T) {
	t.Parallel()
	var histories []string
	for _, way := range calls {
		rec := &recorder{}
		s := start(t, session.WithBackend(inPieces("a ", "b")), session.WithPruning(session.KeepTurns(2)), session.WithSetup(rec.register), session.WithSetup(rec.registerStream))
		for _, q := range []string{"one", "two", "three"} {
			if res, err := way.give(t, s, q); err != nil || res.Text() != "a b" {
				t.Fatalf("%s: got %v, %v", way.name, res, err)
			}
		}
		histories = append(histories, fmt.Sprint(texts(s.History())))
		if rec.count("context_prune") != 1 || rec.count("context_update") != 3 {
			t.Errorf("%s: %v", way.name, rec.names())
		}
		if got := rec.names(); way.streamed && !slices.Equal(got[len(got)-3:], []string{"context_update", "context_prune", "streaming_end"}) {
			t.Errorf("the last hooks are %v", got[len(got)-3:])
		}
	}
	if want := "[user: two assistant: a b user: three assistant: a b]"; histories[0] != want || histories[1] != want {
		t.Errorf("unary %s, streamed %s", histories[0], histories[1])
	}
}

// A fork made while an answer is read does not have it, and streams for itself.
func TestStreamOfAFork(t *testing.T) {
	t.Parallel()
	s := start(t, session.WithBackend(inPieces("a ", "b")))
	if r := streamed(t, s.StreamChat(t.Context(), "before")); r.last != nil {
		t.Fatal(r.last)
	}
	var fork *session.Session
	for _, err := range s.StreamChat(t.Context(), "parent").Text() {
		if err != nil {
			t.Fatal(err)
		}
		if fork != nil {
			continue
		}
		if fork, err = s.Fork(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r := streamed(t, fork.StreamChat(t.Context(), "fork")); r.text() != "a b" || r.last != nil {
			t.Errorf("got %q, %v", r.text(), r.last)
		}
	}
	defer func() { _ = fork.Close(t.Context()) }()
	turn := func(q string) []string { return []string{"user: " + q, "assistant: a b"} }
	if got := texts(s.History()); !slices.Equal(got, slices.Concat(turn("before"), turn("parent"))) {
		t.Errorf("the parent has %q", got)
	}
	if got := texts(fork.History()); !slices.Equal(got, slices.Concat(turn("before"), turn("fork"))) {
		t.Errorf("the fork has %q", got)
	}
	if s.Totals().Generations != 2 || fork.Totals().Generations != 1 {
		t.Errorf("totals %+v, %+v", s.Totals(), fork.Totals())
	}
}

// However a session ends while a stream of it is read, the stream ends once, with the reason, and so does the session.
func TestStreamOfASessionThatEnds(t *testing.T) {
	t.Parallel()
	errOver := errors.New("the day is over")
	for _, tc := range []struct {
		name string
		end  func(t *testing.T, s *session.Session, parent context.CancelCauseFunc)
		want error // of session_cleanup
	}{
		{"its parent", func(_ *testing.T, _ *session.Session, parent context.CancelCauseFunc) { parent(errOver) }, errOver},
		{"Close that does not wait", func(t *testing.T, s *session.Session, _ context.CancelCauseFunc) {
			t.Helper()
			done, cancel := context.WithCancel(context.Background())
			cancel()
			if err := s.Close(done); err == nil || !strings.Contains(err.Error(), "1 calls were cancelled") {
				t.Errorf("closing: %v", err)
			}
		}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			rec, ev, b := &recorder{}, &streamEvents{}, &closing{Backend: streamingFunc(
				func(ctx context.Context, _ *stages.Generation, emit func(string) error) (*stages.Generation, error) {
					_ = emit("a")
					<-ctx.Done()
					return nil, errors.Join(emit("b"), context.Cause(ctx))
				})}
			parent, cancel := context.WithCancelCause(context.Background())
			defer cancel(nil)
			s, err := session.Start(t.Context(), session.WithPipeline(stages.NewPipeline(stages.PipelineConfig{})), session.WithBackend(streamCloser{b}),
				session.WithParent(parent), session.WithSetup(ev.register), session.WithSetup(func(p *stages.Pipeline) error {
					return hooks(rec, p.Cleanup, "session_cleanup", "", "", "")
				}))
			if err != nil {
				t.Fatal(err)
			}
			st, got := s.Stream(t.Context(), "go"), ""
			var failed error
			for text, err := range st.Text() {
				if got, failed = got+text, err; err == nil {
					tc.end(t, s, cancel)
				}
			}
			if got != "a" || !errors.Is(failed, session.ErrClosed) {
				t.Errorf("got %q, %v", got, failed)
			}
			if end := ev.end(t); end.Success() || !errors.Is(end.Err(), session.ErrClosed) {
				t.Errorf("the stream ended with %v", end.Err())
			}
			_ = s.Close(t.Context())
			if rec.count("session_cleanup") != 1 || b.n != 1 {
				t.Fatalf("session_cleanup fired %d times, the backend was closed %d times", rec.count("session_cleanup"), b.n)
			}
			if c := last[*stages.Cleanup](t, rec, "session_cleanup"); !errors.Is(c.Err(), tc.want) {
				t.Errorf("session_cleanup got %v", c.Err())
			}
		})
	}
}

// streamCloser is a Streamer that can be closed.
type streamCloser struct{ *closing }

func (b streamCloser) GenerateStream(ctx context.Context, g *stages.Generation, emit func(string) error) (*stages.Generation, error) {
	return b.Backend.(session.Streamer).GenerateStream(ctx, g, emit)
}

// What breaks out of Run from within the loop of a stream has ended the stream first, and the session is cleaned up once.
func TestRunLeftFromAStream(t *testing.T) {
	t.Parallel()
	errEnough := errors.New("enough")
	for _, tc := range []struct {
		name string
		end  func() error
		want error // of session_cleanup; nil: any
		then any   // a panic
	}{
		{"a panic", func() error { panic(errEnough) }, errEnough, errEnough},
		{"Goexit", func() error { runtime.Goexit(); return nil }, nil, nil},
		{"a return", func() error { return errEnough }, errEnough, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			rec, ev := &recorder{}, &streamEvents{}
			b := &closing{Backend: inPieces("a", "b", "c")}
			panicked := make(chan any, 1)
			go func() {
				defer func() { panicked <- recover() }()
				_ = session.Run(t.Context(), func(ctx context.Context, s *session.Session) error {
					for _, err := range s.Stream(ctx, "go").Text() {
						if err != nil {
							return err
						}
						if err := tc.end(); err != nil {
							return err
						}
					}
					return nil
				}, session.WithPipeline(stages.NewPipeline(stages.PipelineConfig{})), session.WithBackend(streamCloser{b}),
					session.WithSetup(ev.register), session.WithSetup(func(p *stages.Pipeline) error {
						return errors.Join(hooks(rec, p.Cleanup, "session_cleanup", "", "", ""),
							use1(func(p *stages.Pipeline) *chain.Chain[*stages.Cleanup] { return p.Cleanup }, chain.Before("ended", func(_ context.Context, c *stages.Cleanup) (*stages.Cleanup, error) {
								if n := ev.names(); n[len(n)-1] != "end" {
									t.Errorf("cleaning up after %v", n)
								}
								return c, nil
							}))(p))
					}))
			}()
			if v := <-panicked; v != tc.then {
				t.Errorf("panicked with %v", v)
			}
			if rec.count("session_cleanup") != 1 || b.n != 1 {
				t.Fatalf("session_cleanup fired %d times, the backend was closed %d times", rec.count("session_cleanup"), b.n)
			}
			if c := last[*stages.Cleanup](t, rec, "session_cleanup"); c.Err() == nil || tc.want != nil && !errors.Is(c.Err(), tc.want) || c.FinalHistory().Len() != 0 {
				t.Errorf("session_cleanup got %v, history %v", c.Err(), texts(c.FinalHistory()))
			}
			if end := ev.end(t); end.Success() {
				t.Error("the stream succeeded")
			}
		})
	}
}

// Tools that run at once in a stream: events, results in the model's order, and the same verdict as unary.
func TestStreamToolsAtOnce(t *testing.T) {
	t.Parallel()
	const atOnce = 3
	var ev *streamEvents
	var arrived *atomic.Int64
	var all chan struct{}
	r := inBothWays(t, func() []session.Option {
		ev, arrived, all = &streamEvents{}, &atomic.Int64{}, make(chan struct{})
		tool := func(name string) stages.Callable {
			c := toolThat(func() (any, error) {
				if arrived.Add(1) == atOnce {
					close(all)
				}
				<-all // each waits for the others
				return "it is " + name, nil
			})
			c.Name = name
			return c
		}
		b := streamingFunc(func(_ context.Context, g *stages.Generation, emit func(string) error) (*stages.Generation, error) {
			m := g.Messages()
			if m.Len() == 1 {
				return g.Done(stages.GenerationResult{Output: stages.Output{Text: "Look. ", ToolCalls: stages.ListOf(
					stages.ToolCall{ID: "1", Name: "a"}, stages.ToolCall{ID: "2", Name: "b"}, stages.ToolCall{ID: "3", Name: "c"},
				), Usage: stages.Usage{InputTokens: 1}}}), emit("Look. ")
			}
			var told []string
			for i := 2; i < m.Len(); i++ {
				told = append(told, m.At(i).Text)
			}
			text := strings.Join(told, ", ")
			return g.Done(stages.GenerationResult{Output: stages.Output{Text: text, Usage: stages.Usage{InputTokens: 2}}}), emit(text)
		})
		return []session.Option{session.WithBackend(b), session.WithTools(tool("a"), tool("b"), tool("c")), session.WithSetup(ev.register)}
	})
	if res, err := r.result(); err != nil || res.Text() != "it is a, it is b, it is c" || r.text() != "Look. "+res.Text() {
		t.Errorf("got %q, %+v, %v", r.text(), res, err)
	}
	if got := strings.Join(ev.names(), ", "); got != "start, event first_chunk, event tool_call, event tool_call, event tool_call, end" {
		t.Error(got)
	}
}
