package middleware_test

import (
	"context"
	"errors"
	"testing"

	"go.uber.org/goleak"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/chain/chaintest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type payload struct{}

var errBackend = errors.New("backend failed")

// conforms runs the suite on an interceptor.
func conforms(t *testing.T, i chain.Interceptor, opts ...chaintest.Option) {
	t.Helper()
	chaintest.Run(t, chain.Intercept[*payload]("link", i), opts...)
}

// refuses checks that an interceptor made of senseless arguments fails each call, clearly and without calling next.
func refuses(t *testing.T, i chain.Interceptor, want string) {
	t.Helper()
	called := false
	err := i(t.Context(), func(context.Context) error { called = true; return nil })
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if called {
		t.Error("next was called")
	}
}

// returning is a next that returns the errors in turn, the last one for ever.
func returning(errs ...error) func(context.Context) error {
	return func(context.Context) error {
		err := errs[0]
		if len(errs) > 1 {
			errs = errs[1:]
		}
		return err
	}
}

// inGoroutine lets f end its goroutine by Goexit.
func inGoroutine(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

// panics runs f and returns what it panicked with.
func panics(f func()) (v any) {
	defer func() { v = recover() }()
	f()
	return nil
}
