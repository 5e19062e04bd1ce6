package otel_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/maillon-go/maillon/contrib/otel"
	"github.com/maillon-go/maillon/internal/plugintest"
	"github.com/maillon-go/maillon/session"
)

// 64 sessions at once share a plugin, with calls that end in every way, and each has its own spans in its own trace.
func TestManySessions(t *testing.T) {
	t.Parallel()
	count := &counting{ended: newCounts()}
	r := newRig(t, otel.Settings{TracerProvider: count})
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			s, err := session.Start(t.Context(), session.WithBackend(says(answer("one two"), plugintest.Fails(errDown), answer("three"))), session.WithPlugins(r.Plugin))
			if err != nil {
				t.Error(err)
				return
			}
			var calls sync.WaitGroup
			for j := range 4 {
				calls.Go(func() {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					if (i+j)%3 == 0 {
						cancel()
					}
					if j%2 == 0 {
						_, _ = s.Chat(ctx, "well?")
						return
					}
					for _, err := range s.Stream(ctx, fmt.Sprint(j)).Text() {
						_ = err
						break
					}
				})
			}
			calls.Wait()
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	count.once(t, len(r.spans.Started()))
	traces := map[string]string{}
	for _, s := range r.spans.Ended() {
		id, _ := attr(s, "gen_ai.conversation.id")
		trace := s.SpanContext().TraceID().String()
		if traces[trace] == "" {
			traces[trace] = id
		}
		if id == "" || traces[trace] != id {
			t.Errorf("%s of session %q in the trace of %q", s.Name(), id, traces[trace])
		}
		if s.Name() == "session" == s.Parent().IsValid() {
			t.Errorf("%s has parent %v", s.Name(), s.Parent())
		}
	}
	if len(traces) != 64 {
		t.Errorf("%d traces", len(traces))
	}
}

// A plugin that goes before its sessions do ends their spans.
func TestCloseEndsSessions(t *testing.T) {
	t.Parallel()
	count := &counting{ended: newCounts()}
	r := newRig(t, otel.Settings{TracerProvider: count})
	s := r.start(t, says(answer("yes")))
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.span(t, "session")
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	count.once(t, 1)
}
