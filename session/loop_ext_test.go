package session_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// Behaviour 38: repairs only between attempts, the loop's end on success and exhaustion, the best answer in any case.
func TestRejectionSampling(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		answers  []string
		budget   int // 0: the default
		success  bool
		attempts int
		text     string
		reason   string
	}{
		{"the first passes", []string{"a b c"}, 3, true, 1, "a b c", ""},
		{"the second passes", []string{"a", "a b c"}, 3, true, 2, "a b c", ""},
		{"the last passes", []string{"a", "a b", "a b c"}, 3, true, 3, "a b c", ""},
		{"none passes: the best one", []string{"a", "a b", "c"}, 3, false, 3, "a b", "no answer passed in 3 attempts"},
		{"none passes: the latest of the best", []string{"a b", "b c", "a"}, 3, false, 3, "b c", "no answer passed in 3 attempts"},
		{"one attempt", []string{"a"}, 1, false, 1, "a", "no answer passed in 1 attempts"},
		{"the default budget", []string{"a", "a", "a", "a b c"}, 0, false, session.DefaultLoopBudget, "a", "no answer passed in 3 attempts"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var steps []step
			for _, a := range tc.answers {
				steps = append(steps, answer(a))
			}
			opts := []session.InstructOption{session.Require(mentions("a"), mentions("b"), mentions("c"))}
			if tc.budget > 0 {
				opts = append(opts, session.LoopBudget(tc.budget))
			}
			rec := &recorder{}
			s := start(t, session.WithBackend(script(steps...)), session.WithSetup(rec.register))
			res, err := s.Instruct(t.Context(), "Say a, b and c.", opts...)
			if err != nil {
				t.Fatal(err)
			}
			if res.Success != tc.success || res.Attempts.Len() != tc.attempts || res.Text() != tc.text ||
				res.FailureReason != tc.reason || fmt.Sprint(res) != tc.text {
				t.Errorf("got %+v", *res)
			}
			if want := (stages.Usage{InputTokens: 2 * tc.attempts, OutputTokens: tc.attempts}); res.Usage != want || s.Totals().Usage != want {
				t.Errorf("got usage %+v and %+v, want %+v", res.Usage, s.Totals().Usage, want)
			}
			for hook, want := range map[string]int{
				"sampling_loop_start": 1, "sampling_iteration": tc.attempts, "sampling_repair": tc.attempts - 1,
				"sampling_loop_end": 1, "component_post_success": 1, "validation_post_check": tc.attempts,
			} {
				if got := rec.count(hook); got != want {
					t.Errorf("%s fired %d times, want %d", hook, got, want)
				}
			}
			end := last[*stages.Sampling](t, rec, "sampling_loop_end")
			if end.Success() != tc.success || end.Iterations() != tc.attempts || end.FinalResult().Text != tc.text || end.Usage() != res.Usage {
				t.Errorf("sampling_loop_end got %+v", end)
			}
			if got := s.History().LastTurn().Output.Text; got != tc.text || s.History().Len() != 2 {
				t.Errorf("history %v", texts(s.History()))
			}
		})
	}
}

// What the payloads of the loop say.
func TestLoopPayloads(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	s := start(t, session.WithBackend(script(answer("a"), answer("b"), answer("a b"))), session.WithSetup(rec.register))
	if _, err := s.Instruct(t.Context(), "Say a and b.", session.Require(mentions("a"), mentions("b")), session.LoopBudget(5)); err != nil {
		t.Fatal(err)
	}
	var iterations, repairs int
	for _, e := range rec.all() {
		switch p := e.payload.(type) {
		case *stages.Iteration:
			iterations++
			if p.Number() != iterations || p.Remaining() != 5-iterations || p.Action() == nil || p.AllValid() != (iterations == 3) {
				t.Errorf("iteration %d: %+v", iterations, p)
			}
		case *stages.Repair:
			repairs++
			if p.Number() != repairs || p.Kind() != stages.RepairIdentity || p.Past().Len() != repairs-1 ||
				p.FailedHistory().Len() != 2 || p.History().Len() != 0 || p.RepairHistory().Len() != 0 {
				t.Errorf("repair %d: %+v", repairs, p)
			}
		}
	}
	if got := last[*stages.Repair](t, rec, "sampling_repair"); got.Failed().Result.Text != "b" || got.Past().At(0).Result.Text != "a" {
		t.Errorf("got %+v", got)
	}
	c := last[*stages.Component](t, rec, "component_post_success")
	if c.Log().Len() != 3 || c.Attempts().Len() != 3 || c.HistoryAfter().Len() != 2 || !c.Success() || c.Latency() <= 0 || c.Input() != "Say a and b." {
		t.Errorf("component_post_success got %+v", c)
	}
	if c.Log().At(1).Output.Text != "b" || c.Log().At(1).RequestID != c.Meta().RequestID {
		t.Errorf("the log is %+v", c.Log())
	}
}

func TestModelOptionsAreMerged(t *testing.T) {
	t.Parallel()
	b := script(answer("hello"))
	s := start(t, session.WithBackend(b),
		session.WithModelOptions(stages.ModelOptions{Temperature: stages.Some(0.5), MaxTokens: stages.Some(10)}))
	if _, err := s.Instruct(t.Context(), "hello", session.ModelOptions(stages.ModelOptions{MaxTokens: stages.Some(20)})); err != nil {
		t.Fatal(err)
	}
	if o := b.requests()[0].ModelOptions(); o.Temperature.Or(0) != 0.5 || o.MaxTokens.Or(0) != 20 {
		t.Errorf("got %+v", o)
	}
}

func TestHistoryReachesTheModel(t *testing.T) {
	t.Parallel()
	for kind, want := range map[stages.HistoryKind]int{stages.HistoryChat: 3, stages.HistorySingle: 1} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			b := script(answer("one"), answer("two"))
			s := start(t, session.WithBackend(b), session.WithHistoryKind(kind))
			for _, text := range []string{"first", "second"} {
				if _, err := s.Instruct(t.Context(), text); err != nil {
					t.Fatal(err)
				}
			}
			if got := b.requests()[1].Messages().Len(); got != want {
				t.Errorf("the model saw %d messages, want %d", got, want)
			}
			if s.History().Len() != 4 {
				t.Errorf("history %v", texts(s.History()))
			}
		})
	}
}

func TestReset(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	s := start(t, session.WithBackend(echo()), session.WithSetup(rec.register), session.WithHistory(stages.NewHistory(
		stages.Message{Role: stages.RoleSystem, Text: "Be brief."}, stages.Message{Role: stages.RoleUser, Text: "hello"})))
	if _, err := s.Instruct(t.Context(), "hello again"); err != nil {
		t.Fatal(err)
	}
	if err := s.Reset(t.Context(), "new topic"); err != nil {
		t.Fatal(err)
	}
	if got := texts(s.History()); len(got) != 1 || got[0] != "system: Be brief." {
		t.Errorf("got %v", got)
	}
	p := last[*stages.Reset](t, rec, "session_reset")
	c := last[*stages.HistoryChange](t, rec, "context_update")
	if p.PreviousHistory().Len() != 4 || p.NewHistory().Len() != 1 || p.Reason() != "new topic" {
		t.Errorf("session_reset got %+v", p)
	}
	if c.Kind() != stages.ChangeReset || c.Previous().Len() != 4 || c.Resulting().Len() != 1 || c.Meta().RequestID != p.Meta().RequestID {
		t.Errorf("context_update got %+v", c)
	}
	if _, err := s.Validate(t.Context()); err == nil {
		t.Error("the last answer was not forgotten")
	}
}

// An answer to a conversation that was forgotten meanwhile is returned and not recorded.
func TestResetDuringACall(t *testing.T) {
	t.Parallel()
	var s *session.Session
	s = start(t, session.WithBackend(session.BackendFunc(func(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
		return g.Done(stages.GenerationResult{Output: stages.Output{Text: "late"}}), s.Reset(ctx, "now")
	})))
	res, err := s.Instruct(t.Context(), "hello")
	if err != nil || res.Text() != "late" || s.History().Len() != 0 {
		t.Errorf("got %v, %v, history %v", res, err, texts(s.History()))
	}
}
