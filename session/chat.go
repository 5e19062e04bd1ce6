package session

import (
	"context"
	"fmt"

	"github.com/maillon-go/maillon/stages"
)

// Chat puts a message of the user to the model and returns its answer; both are then part of the history. Apart from what
// goes with a message, which is Images, it is Instruct without requirements: of the options Require, Examples, Grounding,
// Variable and Prefix are refused with ErrOption. Braces in the text mean nothing.
func (s *Session) Chat(ctx context.Context, text string, opts ...InstructOption) (*Result, error) {
	return s.run(ctx, message(text), opts)
}

func message(text string) instruction {
	return instruction{
		fields: stages.CreateFields{Kind: stages.KindMessage, Description: text},
		takes:  takes{name: true, images: true},
		build: func(c *stages.Create, name string) (stages.Action, error) {
			return newPrompt(c, name, c.Description()), nil
		},
	}
}

// Query asks the model a question about a value, which it reads as it is when it is a string, and as JSON otherwise. The
// question and the answer are then part of the history. Of the options those that a query has no place for are refused
// with ErrOption: Images, Require, Examples, Grounding, Variable and Prefix. Braces mean nothing, in the question or in the
// value.
func (s *Session) Query(ctx context.Context, value any, question string, opts ...InstructOption) (*Result, error) {
	return s.run(ctx, query(value, question), opts)
}

func query(value any, question string) instruction {
	return instruction{
		fields: stages.CreateFields{Kind: stages.KindQuery, Description: question},
		takes:  takes{name: true},
		build: func(c *stages.Create, name string) (stages.Action, error) {
			text, err := written(value)
			if err != nil {
				return nil, err
			}
			return newPrompt(c, name, c.Description()+"\n\nThe question is about this:\n"+text), nil
		},
	}
}

// Act puts a component of the user's own to the model: any type that is a stages.Action. All hooks fire for it as they do
// for an instruction, with its Kind, or the name of its type where that is empty. What it says is up to its Messages, so
// that of the options Name, Images, Examples, Grounding, Variable and Prefix are refused with ErrOption. Requirements are
// checked, but it is the component that has to tell the model of them. An *Instruction takes them all.
func (s *Session) Act(ctx context.Context, action stages.Action, opts ...InstructOption) (*Result, error) {
	i, err := act(action)
	if err != nil {
		return nil, err
	}
	return s.run(ctx, i, opts)
}

func act(action stages.Action) (instruction, error) {
	if absent(action) {
		return instruction{}, fmt.Errorf("%w: no component to execute", ErrOption)
	}
	if made, ok := action.(*Instruction); ok {
		x := made.spec
		i := task(x.Description)
		i.name = x.Name
		i.fields.Prefix, i.fields.Images, i.fields.Requirements = x.Prefix, x.Images, x.Requirements
		i.fields.Examples, i.fields.Grounding, i.fields.Variables = x.Examples, x.Grounding, x.Variables
		return i, nil
	}
	return instruction{
		action: action, takes: takes{requirements: true},
		build: func(*stages.Create, string) (stages.Action, error) { return action, nil },
	}, nil
}
