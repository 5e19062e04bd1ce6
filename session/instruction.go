package session

import (
	"fmt"
	"strings"
	"text/template"

	"github.com/maillon-go/maillon/stages"
)

// Instruction is a task for the model. Make one with NewInstruction; it does not change afterwards. Safe for concurrent
// use.
type Instruction struct {
	spec         InstructionSpec
	requirements stages.List[stages.Requirement] // with the variables filled in
	message      stages.Message
}

// InstructionSpec is what an instruction is made of. All but the description may be left out.
type InstructionSpec struct {
	Name         string // tells instructions apart in logs and policies; not shown to the model
	Description  string // the task
	Prefix       string // what the answer is to begin with
	Images       stages.List[stages.Image]
	Requirements stages.List[stages.Requirement] // shown unless they are CheckOnly
	Examples     stages.List[string]             // of good answers
	Grounding    stages.List[stages.ContextItem] // documents to rely on
	// Variables are filled into description, prefix and the requirements' descriptions, which are then templates in
	// the syntax of text/template: {{.harbour}}. Without variables braces mean nothing.
	Variables stages.Map[string]
}

// NewInstruction renders an instruction. The error says which template is wrong or which variable is missing.
func NewInstruction(spec InstructionSpec) (*Instruction, error) {
	text, err := spec.render(nil)
	if err != nil {
		return nil, err
	}
	requirements, err := spec.required()
	if err != nil {
		return nil, err
	}
	return &Instruction{spec, requirements, stages.Message{Role: stages.RoleUser, Text: text, Images: spec.Images}}, nil
}

// Spec is what the instruction was made of.
func (i *Instruction) Spec() InstructionSpec { return i.spec }

// Kind is stages.KindInstruction.
func (i *Instruction) Kind() string { return stages.KindInstruction }

// Name is the spec's name.
func (i *Instruction) Name() string { return i.spec.Name }

// Messages is the rendered instruction as one message of the user.
func (i *Instruction) Messages() ([]stages.Message, error) {
	return []stages.Message{i.message}, nil
}

// String is the instruction as the model reads it.
func (i *Instruction) String() string { return i.message.Text }

// render lays out the parts of the instruction in a fixed order, with a blank line between them. The arguments are those
// of a slot.
func (s InstructionSpec) render(arguments []stages.ContextItem) (string, error) {
	description, err := s.fill("description", s.Description)
	if err != nil {
		return "", err
	}
	if len(arguments) == 0 && s.Requirements.Len() == 0 && s.Examples.Len() == 0 && s.Grounding.Len() == 0 && s.Prefix == "" {
		return description, nil
	}
	var b strings.Builder
	b.WriteString(description)
	for _, a := range arguments {
		b.WriteString("\n\nArgument " + a.Name + ":\n" + a.Text)
	}
	n := 0
	for _, r := range s.Requirements.All() {
		if r.CheckOnly || r.Description == "" {
			continue
		}
		text, err := s.fill("requirement", r.Description)
		if err != nil {
			return "", err
		}
		if n++; n == 1 {
			b.WriteString("\n\nRequirements:")
		}
		b.WriteString("\n- " + text)
	}
	for i, e := range s.Examples.All() {
		fmt.Fprintf(&b, "\n\nExample %d of a good answer:\n%s", i+1, e)
	}
	for _, g := range s.Grounding.All() {
		b.WriteString("\n\nContext")
		if g.Name != "" {
			b.WriteString(" (" + g.Name + ")")
		}
		b.WriteString(":\n" + g.Text)
	}
	if s.Prefix != "" {
		prefix, err := s.fill("prefix", s.Prefix)
		if err != nil {
			return "", err
		}
		b.WriteString("\n\nBegin the answer with exactly this text and continue it:\n" + prefix)
	}
	return b.String(), nil
}

// required are the requirements as they are checked and told of: with the variables filled into their descriptions. One
// without a name is called by its template, so that errors hold no values.
func (s InstructionSpec) required() (stages.List[stages.Requirement], error) {
	if s.Variables.Len() == 0 {
		return s.Requirements, nil
	}
	all := s.Requirements.Slice()
	for i, q := range all {
		text, err := s.fill("requirement", q.Description)
		if err != nil {
			return s.Requirements, err
		}
		if q.Name == "" && text != q.Description {
			all[i].Name = q.Description
		}
		all[i].Description = text
	}
	return stages.ListOf(all...), nil
}

// fill executes text as a template, where there are variables to put in.
func (s InstructionSpec) fill(part, text string) (string, error) {
	if s.Variables.Len() == 0 || !strings.Contains(text, "{{") {
		return text, nil
	}
	t, err := template.New(part).Option("missingkey=error").Parse(text)
	if err != nil {
		return "", fmt.Errorf("session: instruction: %w", err)
	}
	var b strings.Builder
	if err := t.Execute(&b, s.Variables.Clone()); err != nil {
		return "", fmt.Errorf("session: instruction: %w", err)
	}
	return b.String(), nil
}
