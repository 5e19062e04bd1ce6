package session

import (
	"context"

	"github.com/maillon-go/maillon/stages"
)

// Transform has the model change a value as the instruction says, and gives the changed one. on is a *Session, or
// On(backend, history) without one. The value is shown as by Query, and the answer decoded as that of a Slot: when none can
// be decoded the error is a *DecodeError. Of the options those that a transform has no place for are refused with ErrOption:
// Images, Require, Examples, Grounding, Variable and Prefix. Braces mean nothing.
func Transform[T any](
	ctx context.Context, on Caller, value T, instruct string, opts ...InstructOption,
) (changed T, res *Result, err error) {
	s := shapeOf[T]()
	if s.err != nil {
		return changed, nil, s.err
	}
	res, err = on.run(ctx, instruction{
		fields: stages.CreateFields{Kind: stages.KindTransform, Description: instruct},
		takes:  takes{name: true},
		decode: decodingOf[T](s, stages.KindTransform, ""),
		build: func(c *stages.Create, name string) (stages.Action, error) {
			text, err := written(value)
			if err != nil {
				return nil, err
			}
			return newPrompt(c, name, c.Description()+"\n\nChange this and answer with the whole result:\n"+text), nil
		},
	}, opts)
	if err != nil {
		return changed, nil, err
	}
	changed, _ = res.value.(T) // nil for a T that is an interface
	return changed, res, nil
}
