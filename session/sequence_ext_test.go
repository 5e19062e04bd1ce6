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

// calls are the ways to give an instruction, with the hooks that each has fire between generation_pre_call and
// generation_post_call.
var calls = []struct {
	name   string
	give   func(t *testing.T, s *session.Session, description string, opts ...session.InstructOption) (*session.Result, error)
	chunks []string
}{
	{name: "unary", give: func(t *testing.T, s *session.Session, description string, opts ...session.InstructOption) (*session.Result, error) {
		t.Helper()
		return s.Instruct(t.Context(), description, opts...)
	}},
}

// Behaviour 37: each hook fires where the table says, as often as it says, whatever the strategy.
func TestSequenceOfOneInstruction(t *testing.T) {
	t.Parallel()
	for _, st := range strategies {
		for _, way := range calls {
			t.Run(st.name+" "+way.name, func(t *testing.T) {
				t.Parallel()
				rec := &recorder{}
				b := script(answer("too short"), call("tide", `{"day":"today"}`), answer("High water is at 06:40."))
				s := start(t, session.WithSetup(rec.register), session.WithBackend(b), session.WithTools(tideTool()))
				res, err := way.give(t, s, "Write about the tide.", session.Require(mentions("High water")), session.Using(st.make(b)))
				if err != nil || !res.Success {
					t.Fatalf("got %+v, %v", res, err)
				}
				if err := s.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				generation := slices.Concat([]string{"generation_pre_call"}, way.chunks, []string{"generation_post_call"})
				checked := []string{"validation_pre_check", "validation_post_check", "sampling_iteration"}
				want := slices.Concat(
					[]string{"session_pre_init", "session_post_init"},
					[]string{"component_pre_create", "component_post_create", "component_pre_execute", "sampling_loop_start"},
					generation, checked,
					[]string{"sampling_repair"},
					generation, []string{"tool_pre_invoke", "tool_post_invoke"}, generation, checked,
					[]string{"sampling_loop_end", "component_post_success", "context_update", "session_cleanup"},
				)
				if got := rec.names(); !slices.Equal(got, want) {
					t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
				}
				rec.checkIDs(t, s.ID(), res.RequestID)
			})
		}
	}
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
