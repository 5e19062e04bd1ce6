// Package errlog puts errors into logs without what they may quote. An error from a link or a backend can hold a prompt or
// an answer in its text; its type, the types of what it wraps, and texts that are known to be constant cannot.
package errlog

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"reflect"
	"runtime"
	"strings"

	"github.com/sony/gobreaker/v2"
	"go.uber.org/zap"
)

// Field is err under the key "error": its text if text is set, else what Describe says of it. For nil there is no field.
func Field(err error, text bool) zap.Field {
	if err == nil || text {
		return zap.Error(err)
	}
	return zap.String("error", Describe(err))
}

// Panic is the value of a panic under the key "panic": as zap.Any has it if text is set, else its type or, where it is an
// error, what Describe says of it.
func Panic(v any, text bool) zap.Field {
	if text {
		return zap.Any("panic", v)
	}
	return zap.String("panic", DescribePanic(v))
}

// DescribePanic describes the value of a panic without quoting it.
func DescribePanic(v any) string {
	if err, ok := v.(error); ok {
		return Describe(err)
	}
	return fmt.Sprintf("%T", v)
}

// maxErrors bounds the errors of one tree that are described.
const maxErrors = 16

// Describe gives the types of err and of what it wraps, outermost first, and in place of a type the text where that is known
// to quote nothing: "*fs.PathError > no space left on device". It never panics.
func Describe(err error) (s string) {
	left := maxErrors
	defer func() {
		if recover() != nil { // in a method of an error
			s = fmt.Sprintf("%T", err)
		}
	}()
	return describe(err, &left)
}

func describe(err error, left *int) string {
	if *left--; *left < 0 {
		return "..."
	}
	s := fmt.Sprintf("%T", err)
	if constant(err) {
		s = err.Error()
	}
	var below []error
	switch e := err.(type) { //nolint:errorlint // the tree is walked here
	case interface{ Unwrap() error }:
		below = []error{e.Unwrap()}
	case interface{ Unwrap() []error }:
		below = e.Unwrap()
	}
	var parts []string
	for _, b := range below {
		if b != nil {
			parts = append(parts, describe(b, left))
		}
	}
	switch len(parts) {
	case 0:
		return s
	case 1:
		return s + " > " + parts[0]
	}
	return s + " > (" + strings.Join(parts, "; ") + ")"
}

var sentinels = []error{
	context.Canceled, context.DeadlineExceeded, io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, io.ErrShortWrite,
	fs.ErrNotExist, fs.ErrExist, fs.ErrPermission, fs.ErrClosed, fs.ErrInvalid, gobreaker.ErrOpenState, gobreaker.ErrTooManyRequests,
}

// constant says whether the text of err itself is known to have nothing of a payload in it.
func constant(err error) bool {
	switch err.(type) { //nolint:errorlint // of this error alone
	case *fixed, runtime.Error:
		return true
	}
	for _, s := range sentinels {
		if err == s { //nolint:errorlint // the same
			return true
		}
	}
	t := reflect.TypeOf(err)
	return t.PkgPath() == "syscall" && t.Name() == "Errno"
}

// New is errors.New for an error whose text may stand in any log.
func New(text string) error { return &fixed{text} }

type fixed struct{ text string }

func (f *fixed) Error() string { return f.text }
