package session_test

import (
	"context"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// Without a session the judge is the backend of the call.
func TestMeetJudgeWithoutSession(t *testing.T) {
	t.Parallel()
	h := stages.NewHistory(
		stages.Message{Role: stages.RoleUser, Text: "Write."}, stages.Message{Role: stages.RoleAssistant, Text: "High at noon."},
	)
	kind := session.Judge("Be kind.")
	for _, tc := range []struct {
		name  string
		steps []step
		judge func(b session.Backend) (passed bool, err error)
	}{
		{"of an instruction", []step{answer("High at noon."), answer("yes")}, func(b session.Backend) (bool, error) {
			res, err := session.Instruct(t.Context(), b, h, "Write.", session.Require(kind))
			return res != nil && res.Success, err
		}},
		{"of the last answer", []step{answer("yes")}, func(b session.Backend) (bool, error) {
			rep, err := session.Validate(t.Context(), b, h, kind)
			return rep != nil && rep.Passed, err
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if passed, err := tc.judge(script(tc.steps...)); err != nil || !passed {
				t.Errorf("got %v, %v", passed, err)
			}
		})
	}
}

// What a link answers in the place of a judge goes through the chunk stage like any other answer.
func TestMeetJudgeScreened(t *testing.T) {
	t.Parallel()
	s := start(t, session.WithBackend(script(answer("High at noon."))), session.WithSetup(around(
		func(p *stages.Pipeline) *chain.Chain[*stages.Generation] { return p.Generation },
		func(ctx context.Context, g *stages.Generation, next handler[*stages.Generation]) (*stages.Generation, error) {
			if strings.HasPrefix(g.Messages().At(0).Text, "Judge whether") {
				return g.Done(stages.GenerationResult{Output: stages.Output{Text: "no secret"}}), nil
			}
			return next(ctx, g)
		})))
	use(t, s.Pipeline().Chunk, chain.Before("redact", func(_ context.Context, c *stages.Chunk) (*stages.Chunk, error) {
		return c.WithText(strings.ReplaceAll(c.Text(), "secret", "***")), nil
	}))
	res, err := s.Instruct(t.Context(), "Write.", session.Require(session.Judge("Be kind.")), session.LoopBudget(1))
	if err != nil {
		t.Fatal(err)
	}
	if got := res.Attempts.At(0).Findings.At(0).Verdict.Reason; got != "***" {
		t.Errorf("the reason is %q", got)
	}
}
