package session

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/maillon-go/maillon/stages"
)

// builder makes a component of what the links of the create stage have left.
type builder func(c *stages.Create, name string) (stages.Action, error)

func buildInstruction(c *stages.Create, name string) (stages.Action, error) {
	return NewInstruction(specOf(c, name))
}

func specOf(c *stages.Create, name string) InstructionSpec {
	return InstructionSpec{
		Name: name, Description: c.Description(), Prefix: c.Prefix(), Images: c.Images(),
		Requirements: c.Requirements(), Examples: c.Examples(), Grounding: c.Grounding(), Variables: c.Variables(),
	}
}

// prompt is a component that is one message of the user.
type prompt struct {
	kind, name string
	message    stages.Message
}

// newPrompt is the component that a Create makes when text is how a model reads it.
func newPrompt(c *stages.Create, name, text string) *prompt {
	return &prompt{c.Kind(), name, stages.Message{Role: stages.RoleUser, Text: text, Images: c.Images()}}
}

func (p *prompt) Kind() string                        { return p.kind }
func (p *prompt) Name() string                        { return p.name }
func (p *prompt) Messages() ([]stages.Message, error) { return []stages.Message{p.message}, nil }
func (p *prompt) String() string                      { return p.message.Text }

// written is a value as a model reads it: a string as it is, anything else as JSON.
func written(v any) (string, error) {
	if text, ok := v.(string); ok {
		return text, nil
	}
	return asJSON(v, "  ")
}

func asJSON(v any, indent string) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // a model is no browser
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return "", fmt.Errorf("session: a %T as JSON: %w", v, err)
	}
	return string(bytes.TrimSpace(b.Bytes())), nil
}

// takes says which of the options a kind of component has a place for, as in the table of hook points.
type takes struct{ name, images, requirements, all bool }

var takesAll = takes{name: true, images: true, requirements: true, all: true}

// fits refuses options that would go nowhere.
func (i *instruction) fits() error {
	f, t := &i.fields, i.takes
	if t.all {
		return nil
	}
	for _, x := range []struct {
		option     string
		set, takes bool
	}{
		{"Name", i.name != "", t.name},
		{"Images", f.Images.Len() > 0, t.images},
		{"Require", f.Requirements.Len() > 0, t.requirements},
		{"Examples", f.Examples.Len() > 0, false},
		{"Grounding", f.Grounding.Len() > 0, false},
		{"Variable", f.Variables.Len() > 0, false},
		{"Prefix", f.Prefix != "", false},
	} {
		if x.set && !x.takes {
			kind := f.Kind
			if i.action != nil {
				kind = typeName(i.action)
			}
			return fmt.Errorf("%w: %s: a component of the kind %s has no place for it", ErrOption, x.option, kind)
		}
	}
	return nil
}

// typeName is the name of a component's type, without its package.
func typeName(a stages.Action) string {
	t := reflect.TypeOf(a)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Name()
}
