package session_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// Variables are filled into the description of a requirement wherever it is read: by the model, by a judge, in the reasons
// of a repair, and by hooks. Errors have the template alone.
func TestFilledRequirements(t *testing.T) {
	t.Parallel()
	type in struct {
		H string `json:"h"`
	}
	const value = "Oslo {{.x}}"
	ask := func(opts ...session.InstructOption) []session.InstructOption {
		return append(opts, session.Using(session.TemplateRepair{LoopBudget: 2}))
	}
	for _, tc := range []struct {
		name string
		call func(t *testing.T, s *session.Session, q stages.Requirement) error
	}{
		{"an instruction", func(t *testing.T, s *session.Session, q stages.Requirement) error {
			t.Helper()
			_, err := s.Instruct(t.Context(), "Write.", ask(session.Variable("h", value), session.Require(q))...)
			return err
		}},
		{"a stream", func(t *testing.T, s *session.Session, q stages.Requirement) error {
			t.Helper()
			return streamed(t, s.Stream(t.Context(), "Write.", ask(session.Variable("h", value), session.Require(q))...)).last
		}},
		{"an instruction made before", func(t *testing.T, s *session.Session, q stages.Requirement) error {
			t.Helper()
			i, err := session.NewInstruction(session.InstructionSpec{
				Description: "Write.", Variables: stages.MapOf(map[string]string{"h": value}), Requirements: stages.ListOf(q),
			})
			if err != nil {
				return err
			}
			_, err = s.Act(t.Context(), i, ask()...)
			return err
		}},
		{"a slot", func(t *testing.T, s *session.Session, q stages.Requirement) error {
			t.Helper()
			_, err := session.NewSlot[in, string]("f", "Write.").Call(t.Context(), s, in{value}, ask(session.Require(q))...)
			return err
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			one := answer(`{"value":"a"}`)
			rec := &recorder{}
			b := script(one, answer("no"), one, answer("yes"))
			s := start(t, session.WithBackend(b), session.WithSetup(rec.register))
			if err := tc.call(t, s, session.Judge("Mention {{.h}}.")); err != nil {
				t.Fatal(err)
			}
			all := b.requests()
			if got := all[1].Messages().At(0).Text; !strings.Contains(got, "Requirement:\n```\nMention "+value+".\n```") {
				t.Errorf("the judge was asked %q", got)
			}
			if got := all[2].Messages().At(all[2].Messages().Len() - 1).Text; !strings.HasSuffix(got, "\n- not fulfilled: Mention "+value+".") {
				t.Errorf("the repair says %q", got)
			}
			if q := last[*stages.Validation](t, rec, "validation_pre_check").Requirements().At(0); q.Description != "Mention "+value+"." {
				t.Errorf("hooks see %+v", q)
			}
			s = start(t, session.WithBackend(script(one)))
			broken := requirement(func() (stages.Verdict, error) { return stages.Verdict{}, errDown })
			broken.Description = "Mention {{.h}}."
			err := tc.call(t, s, broken)
			if !errors.Is(err, errDown) || !strings.Contains(err.Error(), "Mention {{.h}}.") || strings.Contains(err.Error(), "Oslo") {
				t.Errorf("got %v", err)
			}
		})
	}
}
