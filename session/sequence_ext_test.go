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

// calls are the ways to give an instruction.
var calls = []struct {
	name     string
	streamed bool
	give     func(t *testing.T, s *session.Session, description string, opts ...session.InstructOption) (*session.Result, error)
}{
	{name: "unary", give: func(t *testing.T, s *session.Session, description string, opts ...session.InstructOption) (*session.Result, error) {
		t.Helper()
		return s.Instruct(t.Context(), description, opts...)
	}},
	{name: "streamed", streamed: true, give: func(t *testing.T, s *session.Session, description string, opts ...session.InstructOption) (*session.Result, error) {
		t.Helper()
		r := streamed(t, s.Stream(t.Context(), description, opts...))
		res, err := r.result()
		if err == nil && res.Success && r.text() != res.Text() {
			t.Errorf("the stream said %q, its result %q", r.text(), res.Text())
		}
		return res, err
	}},
}

// Behaviour 37: each hook fires where the table says, as often as it says, whatever the strategy, streamed or not.
func TestSequenceOfOneInstruction(t *testing.T) {
	t.Parallel()
	for _, st := range strategies {
		for _, way := range calls {
			t.Run(st.name+" "+way.name, func(t *testing.T) {
				t.Parallel()
				rec := &recorder{}
				b := script(answer("too short"), call("tide", `{"day":"today"}`), answer("High water is at 06:40."))
				s := start(t, session.WithSetup(rec.register), session.WithSetup(rec.registerStream), session.WithBackend(b), session.WithTools(tideTool()))
				res, err := way.give(t, s, "Write about the tide.", session.Require(mentions("High water")), session.Using(st.make(b)))
				if err != nil || !res.Success {
					t.Fatalf("got %+v, %v", res, err)
				}
				if err := s.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got, want := rec.names(), sequence(way.streamed); !slices.Equal(got, want) {
					t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
				}
				rec.checkIDs(t, s.ID(), res.RequestID)
			})
		}
	}
}

// sequence is what one instruction with a failed answer and a tool call fires. A stream with requirements that need the
// whole answer says that it is buffered, which tool it calls, and that the first chunk is released; its chunks are what the
// backend sends, and the end.
func sequence(streamed bool) (hooks []string) {
	add := func(names string) { hooks = append(hooks, strings.Fields(names)...) }
	stream := func(names string) {
		if streamed {
			add(names)
		}
	}
	generate := func(said bool) {
		add("generation_pre_call")
		if said {
			stream("generation_stream_chunk")
			add("generation_stream_chunk")
		}
		add("generation_post_call")
	}
	checked := "validation_pre_check validation_post_check sampling_iteration"
	add("session_pre_init session_post_init")
	stream("streaming_start")
	add("component_pre_create component_post_create component_pre_execute sampling_loop_start")
	stream("streaming_event")
	generate(true)
	add(checked + " sampling_repair")
	generate(false)
	stream("streaming_event")
	add("tool_pre_invoke tool_post_invoke")
	generate(true)
	add(checked + " sampling_loop_end component_post_success")
	stream("streaming_event")
	add("context_update")
	stream("streaming_end")
	add("session_cleanup")
	return hooks
}

func tideTool() stages.Callable {
	return stages.Callable{Name: "tide", Call: func(context.Context, json.RawMessage) (any, error) { return "06:40", nil }}
}
