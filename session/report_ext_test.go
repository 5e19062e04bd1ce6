package session_test

import (
	"context"
	"errors"
	"testing"

	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// Errors that == cannot compare: of a type that never can be, and of one whose content cannot be.
type (
	manyErrors  []string
	heldError   struct{ value any }
	brokenError struct{}
)

func (manyErrors) Error() string  { return "many" }
func (heldError) Error() string   { return "held" }
func (brokenError) Error() string { return "broken" }
func (brokenError) Unwrap() error { panic("in Unwrap") }

// Whatever an error is made of, it is reported exactly once.
func TestFaultOfAnyError(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		err  error
	}{
		{"a pointer", errDown},
		{"a slice", manyErrors{"a", "b"}},
		{"an empty slice", manyErrors(nil)},
		{"a struct that holds a slice", heldError{[]int{1}}},
		{"a struct that holds a map", heldError{map[string]int{"a": 1}}},
		{"a slice, wrapped", errors.Join(errDown, manyErrors{"a"})},
		{"an error whose Unwrap panics", brokenError{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			rec := &recorder{}
			s := start(t, session.WithBackend(script(fails(tc.err), fails(tc.err))), session.WithSetup(rec.register))
			for n := 1; n <= 2; n++ { // each call has its own report
				if _, err := s.Instruct(t.Context(), "hello", session.LoopBudget(1)); err == nil || err.Error() != tc.err.Error() {
					t.Errorf("got %v", err)
				}
				if got := rec.count("error_occurred"); got != n {
					t.Fatalf("after call %d error_occurred fired %d times", n, got)
				}
			}
		})
	}
}

// Two tries of one call fail in different ways: two reports, however the call ends.
func TestFaultsOfAHedge(t *testing.T) {
	t.Parallel()
	errA, errB := errors.New("A"), errors.New("B")
	for _, tc := range []struct {
		name string
		ends func(a, b error) error
		want int
	}{
		{"the first error", func(a, _ error) error { return a }, 2},
		{"the second error", func(_, b error) error { return b }, 2},
		{"both", func(a, b error) error { return errors.Join(a, b) }, 2},
		{"another error", func(_, _ error) error { return errScript }, 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			rec := &recorder{}
			s := start(t, session.WithBackend(script(fails(errA), fails(errB))), session.WithSetup(rec.register),
				session.WithSetup(around(ofGeneration, func(ctx context.Context, g *stages.Generation, next handler[*stages.Generation]) (*stages.Generation, error) {
					out, a := next(ctx, g)
					_, b := next(ctx, g)
					return out, tc.ends(a, b)
				})))
			if _, err := s.Instruct(t.Context(), "hello", session.LoopBudget(1)); err == nil {
				t.Error("no error")
			}
			if n := rec.count("error_occurred"); n != tc.want {
				t.Errorf("error_occurred fired %d times, want %d", n, tc.want)
			}
		})
	}
}

// Each request to the backend that fails is a fault, also where they all fail with one value; the end of the loop is none.
func TestFaultOfEachRequest(t *testing.T) {
	t.Parallel()
	for _, way := range calls {
		rec := &recorder{}
		s := start(t, session.WithSetup(rec.register), session.WithBackend(script(fails(errDown), fails(errDown), fails(errDown))))
		if res, err := way.give(t, s, "Write.", session.LoopBudget(3)); !errors.Is(err, errDown) {
			t.Errorf("got %v, %v", res, err)
		}
		if n := rec.count("error_occurred"); n != 3 {
			t.Errorf("%s: error_occurred %d times, want 3", way.name, n)
		}
	}
}
