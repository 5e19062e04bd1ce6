package session_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// streamForms are the calls that exist unary and streamed.
var streamForms = []struct {
	name     string
	unary    func(ctx context.Context, on session.Caller, opts ...session.InstructOption) (*session.Result, error)
	streamed func(ctx context.Context, on session.Caller, opts ...session.InstructOption) *session.Stream
}{
	{"Instruct", func(ctx context.Context, on session.Caller, opts ...session.InstructOption) (*session.Result, error) {
		return on.Instruct(ctx, "go", opts...)
	}, func(ctx context.Context, on session.Caller, opts ...session.InstructOption) *session.Stream {
		return on.Stream(ctx, "go", opts...)
	}},
	{"Chat", func(ctx context.Context, on session.Caller, opts ...session.InstructOption) (*session.Result, error) {
		return on.Chat(ctx, "{{go}}", opts...)
	}, func(ctx context.Context, on session.Caller, opts ...session.InstructOption) *session.Stream {
		return on.StreamChat(ctx, "{{go}}", opts...)
	}},
	{"Act", func(ctx context.Context, on session.Caller, opts ...session.InstructOption) (*session.Result, error) {
		return on.Act(ctx, limerick{"tides"}, opts...)
	}, func(ctx context.Context, on session.Caller, opts ...session.InstructOption) *session.Stream {
		return on.StreamAct(ctx, limerick{"tides"}, opts...)
	}},
	{"Act, of nothing", func(ctx context.Context, on session.Caller, opts ...session.InstructOption) (*session.Result, error) {
		return on.Act(ctx, nil, opts...)
	}, func(ctx context.Context, on session.Caller, opts ...session.InstructOption) *session.Stream {
		return on.StreamAct(ctx, nil, opts...)
	}},
}

// Behaviour 41: every call that can be streamed fires the same hooks and finds the same as the unary one, in a session and
// without one.
func TestStreamForms(t *testing.T) {
	t.Parallel()
	before := stages.NewHistory(stages.Message{Role: stages.RoleUser, Text: "Hello?"}, stages.Message{Role: stages.RoleAssistant, Text: "Hello."})
	for _, tc := range []struct {
		name   string
		setup  func(p *stages.Pipeline) error
		opts   []session.InstructOption
		chunks []string
	}{
		{name: "as it comes", chunks: []string{"a ", "b ", "c"}},
		{name: "by words", opts: []session.InstructOption{session.Chunked(session.ChunkSentences)}, chunks: []string{"a b c"}},
		{name: "rewritten", setup: use1(chunkChain, chunkLink{name: "b", rewrite: func(s string) string { return strings.ReplaceAll(s, "b", "[-]") }, window: 1}.link(nil)), chunks: []string{"a", " [-]", " ", "c"}},
		{name: "blocked", setup: use1(generationChain, chain.After("no", blocking[*stages.Generation]))},
		{name: "an option that it does not take", opts: []session.InstructOption{session.Prefix("x"), session.Grounding()}, chunks: []string{"a ", "b ", "c"}},
		{name: "requirements", opts: []session.InstructOption{session.Require(prefixed), session.LoopBudget(2)}, chunks: []string{"a ", "b ", "c"}},
	} {
		for _, form := range componentForms {
			for _, call := range streamForms {
				t.Run(fmt.Sprintf("%s/%s/%s", tc.name, form.name, call.name), func(t *testing.T) {
					t.Parallel()
					run := func(recorded bool, call func(on session.Caller) (*session.Result, error)) (said string, hooks []string) {
						rec, p, b := &recorder{}, stages.NewPipeline(stages.PipelineConfig{}), inPieces("a ", "b ", "c")
						if recorded { // which has links that need the whole answer
							if err := rec.register(p); err != nil {
								t.Fatal(err)
							}
						}
						if tc.setup != nil {
							if err := tc.setup(p); err != nil {
								t.Fatal(err)
							}
						}
						res, err := call(form.on(t, b, before, p))
						said = verdict(res, err) + fmt.Sprint(" asked ", b.asked)
						if err == nil {
							said += fmt.Sprint(texts(res.History))
						}
						return said, rec.names()
					}
					var r read
					unary, want := run(true, func(on session.Caller) (*session.Result, error) { return call.unary(t.Context(), on, tc.opts...) })
					stream := func(on session.Caller) (*session.Result, error) {
						r = streamed(t, call.streamed(t.Context(), on, tc.opts...))
						return r.result()
					}
					whole, got := run(true, stream)
					if bare, _ := run(false, stream); bare != whole {
						t.Errorf("streamed without hooks\n  %s\nwith\n  %s", bare, whole)
					}
					if unary != whole || !slices.Equal(got, want) {
						t.Errorf("unary\n  %s\n  %v\nstreamed\n  %s\n  %v", unary, want, whole, got)
					}
					if _, err := r.result(); err == nil && !slices.Equal(r.chunks, tc.chunks) {
						t.Errorf("chunks %q, want %q", r.chunks, tc.chunks)
					} else if err != nil && (!errors.Is(r.last, err) || len(r.chunks) > 0) {
						t.Errorf("the reader got %q, %v, the result is %v", r.chunks, r.last, err)
					}
				})
			}
		}
	}
}

// The functions are the methods of On.
func TestStreamFunctions(t *testing.T) {
	t.Parallel()
	h := stages.NewHistory(stages.Message{Role: stages.RoleSystem, Text: "Be brief."})
	for name, st := range map[string]*session.Stream{
		"user: go":                     session.StreamInstruct(t.Context(), inPieces("a ", "b"), h, "go", session.Chunked(session.ChunkWords)),
		"user: hi":                     session.StreamChat(t.Context(), inPieces("a ", "b"), h, "hi", session.Chunked(session.ChunkWords)),
		"user: A limerick about tides": session.StreamAct(t.Context(), inPieces("a ", "b"), h, limerick{"tides"}, session.Chunked(session.ChunkWords)),
	} {
		r := streamed(t, st)
		res, err := r.result()
		if err != nil || !slices.Equal(r.chunks, []string{"a ", "b"}) || !slices.Equal(texts(res.History), []string{"system: Be brief.", name, "assistant: a b"}) {
			t.Errorf("%s: got %q, %+v, %v", name, r.chunks, res, err)
		}
	}
	if r := streamed(t, session.StreamChat(t.Context(), nil, h, "hi")); !errors.Is(r.last, session.ErrNoBackend) {
		t.Errorf("without a backend: %v", r.last)
	}
}
