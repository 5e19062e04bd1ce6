package session_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

func TestValidate(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	s := start(t, session.WithBackend(script(answer("High water"), answer("Low water"))), session.WithSetup(rec.register))
	if _, err := s.Validate(t.Context(), mentions("water")); !errors.Is(err, session.ErrNoOutput) {
		t.Errorf("before the first answer got %v", err)
	}
	for range 2 {
		if _, err := s.Instruct(t.Context(), "Write about the tide."); err != nil {
			t.Fatal(err)
		}
	}
	rep, err := s.Validate(t.Context(), mentions("Low"), mentions("High"))
	if err != nil {
		t.Fatal(err)
	}
	if rep.Passed || rep.Findings.Len() != 2 || !rep.Findings.At(0).Verdict.Passed() || rep.Duration <= 0 {
		t.Errorf("got %+v", rep)
	}
	if f := rep.Findings.At(1); f.Verdict != (stages.Verdict{Ruling: stages.Fail, Reason: "it does not mention High"}) || f.Requirement.String() != "Mention High" {
		t.Errorf("got %+v", f)
	}
	v := last[*stages.Validation](t, rec, "validation_post_check")
	if v.Meta().RequestID != rep.RequestID || v.Meta().ComponentKind != stages.KindInstruction || v.History().Len() != 2 || v.Kind() != stages.ValidateInGo || v.Failed() != 1 {
		t.Errorf("got %+v", v)
	}
	if rep, err := s.Validate(t.Context()); err != nil || !rep.Passed {
		t.Errorf("without requirements got %+v, %v", rep, err)
	}
	if rec.count("error_occurred") != 0 {
		t.Error("a requirement that is not fulfilled was reported as a fault")
	}
}

func TestValidateBlocks(t *testing.T) {
	t.Parallel()
	for hook, block := range map[string]func(*stages.Pipeline) error{
		"validation_pre_check": before(ofValidation), "validation_post_check": after(ofValidation),
	} {
		t.Run(hook, func(t *testing.T) {
			t.Parallel()
			rec := &recorder{}
			s := start(t, session.WithBackend(echo()), session.WithSetup(rec.register))
			if _, err := s.Instruct(t.Context(), "hello"); err != nil {
				t.Fatal(err)
			}
			if err := block(s.Pipeline()); err != nil {
				t.Fatal(err)
			}
			rep, err := s.Validate(t.Context(), mentions("hello"))
			wantBlock(t, err, "validation")
			if rep != nil || rec.count("error_occurred") != 0 {
				t.Errorf("got %+v, %v", rep, rec.names())
			}
		})
	}
}

// Checks run concurrently: each of them waits for the others. The first error cancels the rest and fails the batch.
func TestChecksRunConcurrently(t *testing.T) {
	t.Parallel()
	const n = 4
	s := start(t, session.WithBackend(echo()))
	if _, err := s.Instruct(t.Context(), "hello"); err != nil {
		t.Fatal(err)
	}
	var together sync.WaitGroup
	together.Add(n)
	var meet, give []stages.Requirement
	errCheck := errors.New("the dictionary is lost")
	for i := range n {
		meet = append(meet, requirement(func() (stages.Verdict, error) {
			together.Done()
			together.Wait()
			return stages.Verdict{Ruling: stages.Pass}, nil
		}))
		give = append(give, stages.Requirement{Description: "x", Check: func(ctx context.Context, _ stages.Target) (stages.Verdict, error) {
			if i == n-1 {
				return stages.Verdict{}, errCheck
			}
			<-ctx.Done()
			return stages.Verdict{Ruling: stages.Pass}, nil
		}})
	}
	if rep, err := s.Validate(t.Context(), meet...); err != nil || !rep.Passed {
		t.Errorf("got %+v, %v", rep, err)
	}
	if rep, err := s.Validate(t.Context(), give...); !errors.Is(err, errCheck) || rep != nil {
		t.Errorf("got %+v, %v", rep, err)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	r := session.Check("Be brief.", func(text string) (bool, string) { return len(text) < 5, "it is too long" })
	for text, want := range map[string]stages.Verdict{
		"yes":         {Ruling: stages.Pass},
		"by no means": {Ruling: stages.Fail, Reason: "it is too long"},
	} {
		if got, err := r.Check(t.Context(), stages.Target{Output: stages.Output{Text: text}}); err != nil || got != want {
			t.Errorf("%s: got %+v, %v", text, got, err)
		}
	}
	if _, err := session.Check("x", nil).Check(t.Context(), stages.Target{}); !errors.Is(err, session.ErrOption) {
		t.Errorf("a nil function: got %v", err)
	}
	if session.Check("x", pass).CheckOnly {
		t.Error("the description would be hidden")
	}
}

func TestInstructionRendering(t *testing.T) {
	t.Parallel()
	hidden := mentions("never shown")
	hidden.CheckOnly = true
	i, err := session.NewInstruction(session.InstructionSpec{
		Name: "note", Description: "Write to {{.who}} {braces}.", Prefix: "Dear {{.who}},",
		Requirements: stages.ListOf(mentions("{{.who}}"), hidden),
		Examples:     stages.ListOf("Hello {{.who}}"),
		Grounding:    stages.ListOf(stages.ContextItem{Name: "table", Text: "06:40"}, stages.ContextItem{Text: "anonymous"}),
		Variables:    stages.MapOf(map[string]string{"who": "Ada"}),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `Write to Ada {braces}.

Requirements:
- Mention Ada

Example 1 of a good answer:
Hello {{.who}}

Context (table):
06:40

Context:
anonymous

Begin the answer with exactly this text and continue it:
Dear Ada,`
	if i.String() != want {
		t.Errorf("got\n%s", i)
	}
	m, err := i.Messages()
	if err != nil || len(m) != 1 || m[0].Text != want || m[0].Role != stages.RoleUser {
		t.Errorf("got %+v, %v", m, err)
	}
	if i.Kind() != stages.KindInstruction || i.Name() != "note" || i.Spec().Prefix != "Dear {{.who}}," {
		t.Errorf("got %+v", i.Spec())
	}
	if _, err := session.NewInstruction(session.InstructionSpec{
		Description: "{{.where}}", Variables: stages.MapOf(map[string]string{"who": "Ada"}),
	}); err == nil || !strings.Contains(err.Error(), "where") {
		t.Errorf("a missing variable: got %v", err)
	}
	if i, err := session.NewInstruction(session.InstructionSpec{Description: "{{.where}}"}); err != nil || i.String() != "{{.where}}" {
		t.Errorf("without variables: got %v, %v", i, err)
	}
}

// What the options of one instruction add up to.
func TestInstructOptions(t *testing.T) {
	t.Parallel()
	b := script(answer("Dear Ada, 06:40"))
	s := start(t, session.WithBackend(b))
	_, err := s.Instruct(t.Context(), "Write to {{.who}}.",
		session.Variable("who", "Ada"), session.Prefix("Dear"), session.Examples("one", "two"),
		session.Grounding(stages.ContextItem{Text: "06:40"}), session.Images(stages.Image{URL: "https://harbour.example/a.png"}),
		session.Require(session.Check("Be kind.", pass)))
	if err != nil {
		t.Fatal(err)
	}
	m := b.requests()[0].Messages().At(0)
	for _, part := range []string{"Write to Ada.", "- Be kind.", "Example 2 of a good answer:\ntwo", "Context:\n06:40", "continue it:\nDear"} {
		if !strings.Contains(m.Text, part) {
			t.Errorf("%q is missing in\n%s", part, m.Text)
		}
	}
	if m.Images.Len() != 1 {
		t.Error("the image is missing")
	}
}
