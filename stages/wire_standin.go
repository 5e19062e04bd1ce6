package stages

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/maillon-go/maillon/chain"
)

// actionForm is what travels of an Action: either its messages or why there are none.
type actionForm struct {
	Kind     string        `json:"kind"`
	Name     string        `json:"name,omitempty"`
	Messages List[Message] `json:"messages,omitzero"`
	Error    string        `json:"error,omitempty"`
}

// strategyForm is what travels of a Strategy.
type strategyForm struct {
	Name     string   `json:"name"`
	Settings Map[any] `json:"settings,omitzero"`
}

// errorForm is what travels of an error.
type errorForm struct {
	Kind    ErrorKind `json:"kind"`
	Message string    `json:"message"`
}

// describeAction calls foreign methods, which may panic.
func describeAction(a Action) (f actionForm) {
	if r, ok := a.(*remoteAction); ok && r != nil {
		return r.actionForm
	}
	defer func() {
		if v := recover(); v != nil {
			f.Error = fmt.Sprintf("panic: %v", v)
		}
	}()
	f.Kind, f.Name = a.Kind(), a.Name()
	f.Messages, f.Error = messagesOf(a)
	return f
}

// messagesOf are the messages of an action, which may be nil, or why there are none.
func messagesOf(a Action) (l List[Message], failure string) {
	defer func() {
		if v := recover(); v != nil {
			l, failure = List[Message]{}, fmt.Sprintf("panic: %v", v)
		}
	}()
	if a == nil {
		return l, ""
	}
	m, err := a.Messages()
	if err != nil {
		if failure = err.Error(); failure == "" {
			failure = fmt.Sprintf("%T", err)
		}
		return l, failure
	}
	return ListOf(m...), ""
}

func describeStrategy(s Strategy) (f strategyForm) {
	defer func() {
		if v := recover(); v != nil {
			f.Settings = MapOf(map[string]any{"error": fmt.Sprintf("panic: %v", v)})
		}
	}()
	f.Name = s.Name()
	f.Settings = s.Settings()
	return f
}

func describeError(err error) (f errorForm) {
	defer func() {
		if v := recover(); v != nil {
			f = errorForm{ErrorOther, fmt.Sprintf("panic in %T: %v", err, v)}
		}
	}()
	return errorForm{KindOfError(err), err.Error()}
}

// standIn reads what stands for something that did not travel.
func (d *decoder) standIn(n any, v reflect.Value) error {
	switch v.Type() {
	case actionType:
		a := &remoteAction{}
		if err := d.structure(n, reflect.ValueOf(&a.actionForm).Elem(), reflect.Value{}); err != nil {
			return err
		}
		if a.actionForm.Messages.Len() > 0 {
			a.Error = ""
		}
		v.Set(reflect.ValueOf(a))
	case strategyType:
		var f strategyForm
		if err := d.structure(n, reflect.ValueOf(&f).Elem(), reflect.Value{}); err != nil {
			return err
		}
		v.Set(reflect.ValueOf(NamedStrategy(f.Name, f.Settings)))
	case errorType:
		var f errorForm
		if err := d.structure(n, reflect.ValueOf(&f).Elem(), reflect.Value{}); err != nil {
			return err
		}
		v.Set(reflect.ValueOf(&RemoteError{f}))
	}
	return nil
}

// remoteAction is an Action that came as JSON. It is a pointer so that it can be compared.
type remoteAction struct{ actionForm }

func (a *remoteAction) Kind() string { return a.actionForm.Kind }
func (a *remoteAction) Name() string { return a.actionForm.Name }

func (a *remoteAction) Messages() ([]Message, error) {
	if a.Error != "" {
		return nil, errors.New(a.Error)
	}
	return slices.Clone(a.actionForm.Messages.items), nil
}

// arrive puts a stand-in in the place of the function, unless the tool has to be one that is there already.
func (c *Callable) arrive(d *decoder, names []string) error {
	if d.strict {
		return d.noneCalled(c.Name, names)
	}
	name := c.Name
	c.Call = func(context.Context, json.RawMessage) (any, error) {
		return nil, fmt.Errorf("stages: tool %s cannot be called here: %w", quote(name), ErrStandIn)
	}
	return nil
}

// ErrorKind says what sort of error a program is told of that does not have the error itself.
type ErrorKind string

// The kinds of error.
const (
	ErrorViolation ErrorKind = "violation" // a link blocked the call: a *chain.Violation
	ErrorCanceled  ErrorKind = "canceled"
	ErrorDeadline  ErrorKind = "deadline_exceeded"
	ErrorPanic     ErrorKind = "panic"
	ErrorOther     ErrorKind = "error"
)

// KindOfError is the kind under which an error travels. It is empty for nil.
func KindOfError(err error) ErrorKind {
	var (
		remote    *RemoteError
		violation *chain.Violation
		panicked  *chain.PanicError
	)
	switch {
	case err == nil:
		return ""
	case errors.As(err, &remote):
		return remote.Kind()
	case errors.As(err, &violation):
		return ErrorViolation
	case errors.Is(err, context.DeadlineExceeded):
		return ErrorDeadline
	case errors.Is(err, context.Canceled):
		return ErrorCanceled
	case errors.As(err, &panicked):
		return ErrorPanic
	}
	return ErrorOther
}

// RemoteError is an error that came with a payload as JSON: its text and its kind, and nothing of what it wrapped.
// errors.Is finds context.Canceled and context.DeadlineExceeded by the kind. It cannot be changed.
type RemoteError struct{ form errorForm }

// Kind is the kind of the original error. It may be one that this program does not know.
func (e *RemoteError) Kind() ErrorKind { return e.form.Kind }

func (e *RemoteError) Error() string { return e.form.Message }

// Is says whether the original was an error of the context.
func (e *RemoteError) Is(target error) bool {
	switch e.form.Kind {
	case ErrorCanceled:
		return target == context.Canceled
	case ErrorDeadline:
		return target == context.DeadlineExceeded
	}
	return false
}
