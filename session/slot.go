package session

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/maillon-go/maillon/stages"
)

// ErrUnfulfilled means that a typed call got an answer that is a value but does not fulfil the requirements. It is also the
// last item of a stream whose answer does not fulfil them; Stream.Result has the answer.
var ErrUnfulfilled = errors.New("session: the answer does not fulfil its requirements")

// Slot is a function from In to Out that a model answers:
//
//	type review struct{ Text string }
//	type opinion struct {
//		Positive bool   `json:"positive"`
//		Reason   string `json:"reason" jsonschema:"in at most ten words"`
//	}
//
//	var judge = session.NewSlot[review, opinion]("judge", "Is this review of a harbour positive?")
//
//	o, err := judge.Call(ctx, s, review{"Calm water, kind people."})
//
// Safe for concurrent use.
type Slot[In, Out any] struct {
	name, description string
	out               *shape
}

// NewSlot makes a function of a description, which says what it does. The name is for logs and policies.
//
// The model is shown the description and the arguments: the exported fields of In by their names in JSON, or the whole
// value as "input" where In is not a struct. They are the variables of the component, see InstructionSpec, so that the
// description may refer to them as {{.Text}}, and hooks of component_pre_create can rewrite them; what is in their values
// stays as it is.
//
// The answer has to be JSON that fits the schema derived from Out (jsonschema tags describe fields). A backend with the
// capability Formats gets the schema as the format, any other one in the prompt. Where Out is not an object in JSON the
// answer is one with the only property "value". An Out that JSON schema cannot describe, such as one with a func or one that
// holds itself, makes every call fail with ErrOption.
func NewSlot[In, Out any](name, description string) *Slot[In, Out] {
	return &Slot[In, Out]{name, description, shapeOf[Out]()}
}

// Call asks the model. on is a *Session, or On(backend, history) without one; the options are those of Instruct. An answer
// that cannot be decoded, or does not fulfil the requirements, is tried again like that of an instruction. When none can be
// decoded the error is a *DecodeError, and ErrUnfulfilled when one can but does not fulfil all requirements.
func (f *Slot[In, Out]) Call(ctx context.Context, on Caller, in In, opts ...InstructOption) (Out, error) {
	out, res, err := f.Result(ctx, on, in, opts...)
	if err == nil && !res.Success {
		err = fmt.Errorf("%w: slot %q: %s", ErrUnfulfilled, f.name, res.FailureReason)
	}
	if err != nil {
		var none Out
		return none, err
	}
	return out, nil
}

// Result is Call for those who want to know more, such as the history to go on with. Here requirements that are not
// fulfilled are no error: see Result.Success.
func (f *Slot[In, Out]) Result(ctx context.Context, on Caller, in In, opts ...InstructOption) (out Out, res *Result, err error) {
	if f.out.err != nil {
		return out, nil, f.out.err
	}
	var names []string
	var values map[string]string
	if err := contain(func() (err error) {
		names, values, err = arguments(in)
		return err
	}); err != nil {
		return out, nil, fmt.Errorf("%w: the arguments of slot %q: %w", ErrOption, f.name, err)
	}
	res, err = on.run(ctx, instruction{
		name: f.name, takes: takesAll, build: buildSlot(names),
		decode: decodingOf[Out](f.out, stages.KindGenerativeSlot, f.name),
		fields: stages.CreateFields{
			Kind: stages.KindGenerativeSlot, Description: f.description, Variables: stages.MapOf(values),
		},
	}, opts)
	if err != nil {
		return out, nil, err
	}
	out, _ = res.value.(Out) // nil for an Out that is an interface
	return out, res, nil
}

// buildSlot shows the arguments, as links have left them, in the order of the fields.
func buildSlot(names []string) builder {
	return func(c *stages.Create, name string) (stages.Action, error) {
		var args []stages.ContextItem
		for _, n := range names {
			if v, ok := c.Variables().Get(n); ok {
				args = append(args, stages.ContextItem{Name: n, Text: v})
			}
		}
		text, err := specOf(c, name).render(args)
		if err != nil {
			return nil, err
		}
		return newPrompt(c, name, text), nil
	}
}

// arguments are the fields of a struct as texts, with their order.
func arguments(in any) (names []string, values map[string]string, err error) {
	t := reflect.TypeOf(in)
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t.Kind() != reflect.Struct {
		text, err := written(in)
		return []string{"input"}, map[string]string{"input": text}, err
	}
	all, err := asJSON(in, "")
	if err != nil {
		return nil, nil, err
	}
	d := json.NewDecoder(bytes.NewReader([]byte(all)))
	if open, err := d.Token(); err != nil || open != json.Delim('{') { // a struct with a form of its own, such as a time
		return []string{"input"}, map[string]string{"input": all}, nil //nolint:nilerr // it is valid JSON
	}
	values = map[string]string{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, nil, err
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, nil, err
		}
		text := string(raw)
		if raw[0] == '"' {
			if err := json.Unmarshal(raw, &text); err != nil {
				return nil, nil, err
			}
		}
		names = append(names, key.(string))
		values[key.(string)] = text
	}
	return names, values, nil
}
