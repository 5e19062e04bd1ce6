package session_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// judgeBackend answers tasks with "low tide", and judges as it is told.
func judgeBackend(judge func(g *stages.Generation) (string, error)) session.Backend {
	return session.BackendFunc(func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
		text, err := "low tide", error(nil)
		if isJudgement(g) {
			text, err = judge(g)
		}
		if err != nil {
			return nil, err
		}
		return g.Done(stages.GenerationResult{Output: stages.Output{Text: text, Usage: stages.Usage{InputTokens: 2, OutputTokens: 1}}}), nil
	})
}

func isJudgement(g *stages.Generation) bool {
	return strings.HasPrefix(g.Messages().At(0).Text, "Judge whether")
}

func judgeSays(text string) func(*stages.Generation) (string, error) {
	return func(*stages.Generation) (string, error) { return text, nil }
}

// A judge's answer is read strictly: the first word is yes or no, or nothing is known.
func TestJudgeReading(t *testing.T) {
	t.Parallel()
	passes := stages.Verdict{Ruling: stages.Pass}
	fails := func(reason string) stages.Verdict { return stages.Verdict{Ruling: stages.Fail, Reason: reason} }
	unknown := stages.Verdict{Reason: "the judge said neither yes nor no"}
	for _, tc := range []struct {
		said string
		want stages.Verdict
	}{
		{"yes", passes},
		{"YES", passes},
		{" Yes. It is kind.", passes},
		{"**Yes**, it is", passes},
		{"no", fails("")},
		{"No, it is curt.", fails("it is curt.")},
		{"NO\nIt is curt.\nVery.", fails("It is curt.\nVery.")},
		{"", unknown},
		{"...", unknown},
		{"The answer is yes", unknown},
		{"yes/no", unknown},
		{"Yesterday", unknown},
		{"nobody knows", unknown},
		{"true", unknown},
	} {
		t.Run(tc.said, func(t *testing.T) {
			t.Parallel()
			s := start(t, session.WithBackend(judgeBackend(judgeSays(tc.said))))
			res, err := s.Instruct(t.Context(), "Write.", session.Require(session.Judge("Be kind.")), session.LoopBudget(1))
			if err != nil {
				t.Fatal(err)
			}
			if got := res.Attempts.At(0).Findings.At(0).Verdict; got != tc.want || res.Success != (tc.want == passes) {
				t.Errorf("got %+v, success %v", got, res.Success)
			}
		})
	}
}

// The judge is asked by a request of its own, within the validation, through all of the generation stage. The validation
// says so, and has it in its log.
func TestJudgeIsANestedRequest(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	var mu sync.Mutex
	var asked []*stages.Generation
	s := start(t, session.WithSetup(rec.register), session.WithBackend(judgeBackend(func(g *stages.Generation) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, g)
		return "no, it says 06:40", nil
	})))
	if err := rewriteIn(ofValidation, func(v *stages.Validation) *stages.Validation {
		return v.WithModelOptions(stages.ModelOptions{Temperature: stages.Some(0.0)})
	})(s.Pipeline()); err != nil {
		t.Fatal(err)
	}
	if err := rewriteOut(ofGeneration, func(g *stages.Generation) *stages.Generation {
		return g.WithText(strings.ReplaceAll(g.Output().Text, "06:40", "[time]"))
	})(s.Pipeline()); err != nil {
		t.Fatal(err)
	}
	res, err := s.Instruct(t.Context(), "Write about the tide.", session.LoopBudget(1), session.Require(
		mentions("tide"), session.Judge("Leave out the ```time```."), session.CheckOnly(session.Judge("Be kind."))))
	if err != nil {
		t.Fatal(err)
	}
	f := res.Attempts.At(0).Findings
	if got := f.At(1).Verdict; got != (stages.Verdict{Ruling: stages.Fail, Reason: "it says [time]"}) {
		t.Errorf("the links did not see the judgement: %+v", got)
	}
	if got := f.At(2).Verdict; got != (stages.Verdict{Ruling: stages.Fail}) {
		t.Errorf("the reason of a hidden requirement is kept: %+v", got)
	}
	pre, post := last[*stages.Validation](t, rec, "validation_pre_check"), last[*stages.Validation](t, rec, "validation_post_check")
	if pre.Kind() != stages.ValidateByJudge || pre.Log().Len() != 0 || post.Log().Len() != 2 {
		t.Fatalf("kind %s, log %+v", pre.Kind(), post.Log())
	}
	ids := map[string]bool{}
	for _, e := range post.Log().All() {
		ids[e.RequestID] = true
		if e.Output.Text != "no, it says [time]" || e.RequestID == res.RequestID {
			t.Errorf("log entry %+v", e)
		}
	}
	for _, g := range asked {
		m := g.Meta()
		if m.ParentRequestID != res.RequestID || !ids[m.RequestID] || g.ModelOptions().Temperature != stages.Some(0.0) || g.Tools().Len() != 0 {
			t.Errorf("meta %+v, options %+v", m, g.ModelOptions())
		}
	}
	if len(asked) != 2 || s.Totals().Generations != 3 || res.Usage.InputTokens != 2 || s.History().Len() != 2 {
		t.Errorf("%d judgements, totals %+v, usage %+v, history %v", len(asked), s.Totals(), res.Usage, texts(s.History()))
	}
	prompts := asked[0].Messages().At(0).Text + asked[1].Messages().At(0).Text
	for _, want := range []string{"Task:\n````\nWrite about the tide.", "Answer:\n```\nlow tide\n```", "Requirement:\n````\nLeave out the ```time```.\n````"} {
		if !strings.Contains(prompts, want) {
			t.Errorf("%q is missing in\n%s", want, prompts)
		}
	}
}

// A judge that fails, or is stopped, fails the validation; one error is reported once.
func TestJudgeFails(t *testing.T) {
	t.Parallel()
	errDown := errors.New("the judge is out")
	for _, tc := range []struct {
		name   string
		judge  func(*stages.Generation) (string, error)
		block  bool
		faults int
	}{
		{"a backend error", func(*stages.Generation) (string, error) { return "", errDown }, false, 1},
		{"a panic", func(*stages.Generation) (string, error) { panic(errDown) }, false, 1},
		{"a block", judgeSays("yes"), true, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			rec := &recorder{}
			s := start(t, session.WithSetup(rec.register), session.WithBackend(judgeBackend(tc.judge)))
			if tc.block {
				use(t, s.Pipeline().Generation, chain.Before("stop", func(ctx context.Context, g *stages.Generation) (*stages.Generation, error) {
					if isJudgement(g) {
						return blocking(ctx, g)
					}
					return g, nil
				}))
			}
			res, err := s.Instruct(t.Context(), "Write.", session.Require(session.Judge("Be kind."), mentions("tide")), session.LoopBudget(1))
			if res != nil || err == nil {
				t.Fatalf("got %+v, %v", res, err)
			}
			if tc.block {
				wantBlock(t, err, "generation")
			} else if !strings.Contains(err.Error(), errDown.Error()) {
				t.Errorf("got %v", err)
			}
			post := last[*stages.Validation](t, rec, "validation_post_check")
			if post.Err() == nil || post.Results().Len() != 0 || rec.count("error_occurred") != tc.faults || s.History().Len() != 0 {
				t.Errorf("validation error %v, faults %d", post.Err(), rec.count("error_occurred"))
			}
			if !tc.block && (post.Log().Len() != 1 || post.Log().At(0).Error == "") {
				t.Errorf("log %+v", post.Log())
			}
		})
	}
}

// Judges are asked concurrently, and also by Validate. Many sessions' worth of them are safe.
func TestJudgesRunConcurrently(t *testing.T) {
	t.Parallel()
	const n = 4
	var together sync.WaitGroup
	together.Add(n)
	s := start(t, session.WithBackend(judgeBackend(func(*stages.Generation) (string, error) {
		together.Done()
		together.Wait()
		return "yes", nil
	})))
	if _, err := s.Instruct(t.Context(), "Write."); err != nil {
		t.Fatal(err)
	}
	var qs []stages.Requirement
	for range n {
		qs = append(qs, session.Judge("Be kind."))
	}
	if rep, err := s.Validate(t.Context(), qs...); err != nil || !rep.Passed {
		t.Errorf("got %+v, %v", rep, err)
	}
}

// A judge that is asked by a link of the judged generation, and so on, comes to an end.
func TestJudgeDepth(t *testing.T) {
	t.Parallel()
	s := start(t, session.WithBackend(judgeBackend(judgeSays("yes"))))
	use(t, s.Pipeline().Validation, chain.Before("again", func(ctx context.Context, v *stages.Validation) (*stages.Validation, error) {
		_, err := s.Instruct(ctx, "Write.", session.Require(session.Judge("Be kind.")))
		return v, err
	}))
	if _, err := s.Instruct(t.Context(), "Write."); !errors.Is(err, stages.ErrTooDeep) {
		t.Errorf("got %v", err)
	}
}
