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

func tideTool() stages.Callable {
	return stages.Callable{Name: "tide", Call: func(context.Context, json.RawMessage) (any, error) { return "06:40", nil }}
}
