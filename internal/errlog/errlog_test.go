package errlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

type secretError struct{ cause error }

func (*secretError) Error() string   { return "the prompt was: hunter2" }
func (e *secretError) Unwrap() error { return e.cause }

type bad struct{}

func (bad) Error() string { return "hunter2" }
func (bad) Unwrap() error { panic("hunter2") }

type loop struct{}

func (l *loop) Error() string { return "hunter2" }
func (l *loop) Unwrap() error { return l }

func TestDescribe(t *testing.T) {
	_, missing := os.Open("/hunter2/does not exist")
	out := func() (err error) {
		defer func() { err = recover().(error) }() //nolint:forcetypeassert // it is one
		var none []int
		return fmt.Errorf("%d", none[len(none)+4]) //nolint:gosec // that is the point
	}()
	for _, tc := range []struct {
		name string
		err  error
		want string
	}{
		{"text of unknown origin", errors.New("hunter2"), "*errors.errorString"},
		{"ours", New("the chain is closed"), "the chain is closed"},
		{"a sentinel", context.Canceled, "context canceled"},
		{"wrapped", fmt.Errorf("hunter2: %w", io.EOF), "*fmt.wrapError > EOF"},
		{"a type of somebody's", &secretError{context.DeadlineExceeded}, "*errlog.secretError > context deadline exceeded"},
		{"joined", errors.Join(errors.New("hunter2"), io.EOF), "*errors.joinError > (*errors.errorString; EOF)"},
		{"nothing below", &secretError{}, "*errlog.secretError"},
		{"a file", missing, "*fs.PathError > no such file or directory"},
		{"the runtime's", out, "runtime error: index out of range [4] with length 0"},
		{"Unwrap panics", bad{}, "errlog.bad"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := Describe(tc.err); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
	if got := Describe(&loop{}); strings.Count(got, "loop") != maxErrors || strings.Contains(got, "hunter2") {
		t.Errorf("an endless chain of errors: %q", got)
	}
}

func TestField(t *testing.T) {
	for _, tc := range []struct {
		field zap.Field
		want  map[string]any
	}{
		{Field(nil, false), map[string]any{}},
		{Field(nil, true), map[string]any{}},
		{Field(errors.New("hunter2"), false), map[string]any{"error": "*errors.errorString"}},
		{Field(errors.New("hunter2"), true), map[string]any{"error": "hunter2"}},
		{Panic("hunter2", false), map[string]any{"panic": "string"}},
		{Panic(io.EOF, false), map[string]any{"panic": "EOF"}},
		{Panic("hunter2", true), map[string]any{"panic": "hunter2"}},
	} {
		core, logs := observer.New(zap.DebugLevel)
		zap.New(core).Info("x", tc.field)
		if got := logs.All()[0].ContextMap(); fmt.Sprint(got) != fmt.Sprint(tc.want) {
			t.Errorf("%v, want %v", got, tc.want)
		}
	}
}
