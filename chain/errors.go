package chain

import (
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/maillon-go/maillon/internal/errlog"
)

// Errors that the engine itself returns, always wrapped with the chain's name and, where one is to blame, the link's.
var (
	ErrClosed      = errlog.New("the chain is closed")
	ErrNilHandler  = errlog.New("nil handler")
	ErrNilPayload  = errlog.New("nil payload")
	ErrTimeout     = errlog.New("hard timeout")
	ErrGoexit      = errlog.New("runtime.Goexit was called")
	ErrAbandoned   = errlog.New("too many timed-out runs of this link are still going")
	ErrNextTooLate = errlog.New("next was called after its link had failed and been bypassed")
)

// Violation is a block: a link's decision that the call must not go on. It reaches the caller as an error; use errors.As.
// Chain and Link are filled in by the engine, on a copy.
type Violation struct {
	Chain       string         `json:"chain"`
	Link        string         `json:"link"`
	Code        string         `json:"code,omitempty"` // for programs
	Reason      string         `json:"reason"`         // one line, for logs
	Description string         `json:"description"`    // for people; the reason unless given
	Details     map[string]any `json:"details,omitempty"`
	Severity    Severity       `json:"severity"`

	cause error
}

// BlockOption adds to a block.
type BlockOption interface{ applyBlock(*Violation) }

type blockOption func(*Violation)

func (f blockOption) applyBlock(v *Violation) { f(v) }

// Code names the kind of violation for programs, such as "content_policy".
func Code(code string) BlockOption { return blockOption(func(v *Violation) { v.Code = code }) }

// Description is the text for people; without it the reason stands there.
func Description(text string) BlockOption {
	return blockOption(func(v *Violation) { v.Description = text })
}

// Details adds facts to a block. The map is copied. It is part of the error's text: keep payload contents out of it.
func Details(d map[string]any) BlockOption {
	d = maps.Clone(d)
	return blockOption(func(v *Violation) { v.Details = d })
}

// InSeverity grades a block; without it the severity is SeverityError.
func InSeverity(s Severity) BlockOption { return blockOption(func(v *Violation) { v.Severity = s }) }

// Block returns the error by which a link stops a call.
func Block(reason string, opts ...BlockOption) error {
	v := &Violation{Reason: reason}
	for _, o := range opts {
		if o != nil {
			o.applyBlock(v)
		}
	}
	if v.Description == "" {
		v.Description = reason
	}
	return v
}

func (v *Violation) Error() string {
	if v == nil {
		return "nil *chain.Violation"
	}
	var b strings.Builder
	if v.Link != "" {
		fmt.Fprintf(&b, "%s/%s: ", v.Chain, v.Link)
	}
	b.WriteString("blocked")
	if v.Code != "" {
		fmt.Fprintf(&b, " [%s]", v.Code)
	}
	fmt.Fprintf(&b, " (%s): %s", v.Severity, v.Reason)
	if v.Description != v.Reason {
		fmt.Fprintf(&b, ": %s", v.Description)
	}
	for i, k := range slices.Sorted(maps.Keys(v.Details)) {
		b.WriteString(map[bool]string{true: "; ", false: ", "}[i == 0])
		fmt.Fprintf(&b, "%s=%v", k, v.Details[k])
	}
	return b.String()
}

// Unwrap leads to the error that the link returned.
func (v *Violation) Unwrap() error {
	if v == nil {
		return nil
	}
	return v.cause
}

// LinkError says which link failed a call; errors.Is and errors.As reach the cause.
type LinkError struct {
	Chain, Link string
	Err         error
}

func (e *LinkError) Error() string { return fmt.Sprintf("%s/%s: %v", e.Chain, e.Link, e.Err) }

// Unwrap gives the cause.
func (e *LinkError) Unwrap() error { return e.Err }

// Refuse marks err as a refusal: the link turned the call away on purpose (a limit is reached, a breaker around a backend
// is open) and is not at fault. To the caller it is a failure of the call like any other, with the same text and cause, but
// the guard of the link does not count it. A nil err stays nil.
func Refuse(err error) error {
	if err == nil {
		return nil
	}
	return &refusal{err}
}

type refusal struct{ err error }

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

func isRefusal(err error) (is bool) {
	defer func() {
		if recover() != nil {
			is = false
		}
	}()
	var r *refusal
	return errors.As(err, &r)
}

// PanicError is a panic that the engine contained: inside a *LinkError when a link panicked, alone when the handler did.
type PanicError struct {
	Value any    // what was passed to panic
	Stack []byte // of the goroutine that panicked
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap gives the panic's value when it was an error.
func (e *PanicError) Unwrap() error { err, _ := e.Value.(error); return err }

// contained turns what recover returned after an unfinished call into an error. Nil means Goexit: panic(nil) recovers
// as a *runtime.PanicNilError.
func contained(v any) error {
	if v == nil {
		return ErrGoexit
	}
	return &PanicError{Value: v, Stack: debug.Stack()}
}

// asViolation finds a block in an error. A nil *Violation inside an error (the typed-nil trap) is none, and so is an
// error whose own Is, As or Unwrap method panics.
func asViolation(err error) (*Violation, bool) {
	switch v := err.(type) { //nolint:errorlint // the common cases, without reflection and without an allocation
	case nil:
		return nil, false
	case *Violation:
		return v, v != nil
	}
	return wrappedViolation(err)
}

func wrappedViolation(err error) (v *Violation, ok bool) {
	defer func() {
		if recover() != nil {
			v, ok = nil, false
		}
	}()
	return v, errors.As(err, &v) && v != nil
}

// isCause is errors.Is for errors of unknown origin, whose methods may panic.
func isCause(err, target error) (is bool) {
	defer func() {
		if recover() != nil {
			is = false
		}
	}()
	return errors.Is(err, target)
}

// DescribeError is err for a log: the types of err and of what it wraps, outermost first, and in place of a type the text where
// that is known to quote nothing, such as "*fs.PathError > no space left on device". The text of an error from a link, a
// backend or a store may quote a prompt; this cannot. It never panics, and is "" for nil.
func DescribeError(err error) string {
	if err == nil {
		return ""
	}
	return errlog.Describe(err)
}
