package session_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// Behaviour 37: each hook fires where the table says, as often as it says.
func TestSequenceOfOneInstruction(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	s := start(t, session.WithSetup(rec.register), session.WithBackend(script(
		answer("too short"),
		call("tide", `{"day":"today"}`),
		answer("High water is at 06:40."),
	)), session.WithTools(tideTool()))
	res, err := s.Instruct(t.Context(), "Write about the tide.", session.Require(mentions("High water")))
	if err != nil || !res.Success {
		t.Fatalf("got %+v, %v", res, err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	attempt := func(middle ...string) []string {
		return slices.Concat([]string{"generation_pre_call", "generation_post_call"}, middle,
			[]string{"validation_pre_check", "validation_post_check", "sampling_iteration"})
	}
	want := slices.Concat(
		[]string{"session_pre_init", "session_post_init"},
		[]string{"component_pre_create", "component_post_create", "component_pre_execute", "sampling_loop_start"},
		attempt(),
		[]string{"sampling_repair"},
		attempt("tool_pre_invoke", "tool_post_invoke", "generation_pre_call", "generation_post_call"),
		[]string{"sampling_loop_end", "component_post_success", "context_update", "session_cleanup"},
	)
	if got := rec.names(); !slices.Equal(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	rec.checkIDs(t, s.ID(), res.RequestID)
}

// Behaviour 37, streamed: the same hooks in the same order, with chunks and between the start and the end of the stream.
func TestStreamSequenceOfOneInstruction(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	s := start(t, session.WithSetup(rec.register), session.WithSetup(rec.registerStream), session.WithBackend(script(
		answer("too short"),
		call("tide", `{"day":"today"}`),
		answer("High water is at 06:40."),
	)), session.WithTools(tideTool()))
	r := streamed(t, s.Stream(t.Context(), "Write about the tide.", session.Require(mentions("High water"))))
	res, err := r.result()
	if err != nil || !res.Success || r.text() != res.Text() {
		t.Fatalf("got %+v, %v, %q", res, err, r.text())
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := strings.Fields(`session_pre_init session_post_init
		streaming_start component_pre_create component_post_create component_pre_execute sampling_loop_start streaming_event
		generation_pre_call generation_stream_chunk generation_stream_chunk generation_post_call validation_pre_check validation_post_check
		sampling_iteration sampling_repair generation_pre_call generation_post_call streaming_event tool_pre_invoke tool_post_invoke
		generation_pre_call generation_stream_chunk generation_stream_chunk generation_post_call validation_pre_check validation_post_check
		sampling_iteration sampling_loop_end component_post_success streaming_event context_update streaming_end session_cleanup`)
	if got := rec.names(); !slices.Equal(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func tideTool() stages.Callable {
	return stages.Callable{Name: "tide", Call: func(context.Context, json.RawMessage) (any, error) { return "06:40", nil }}
}
