package chain

import (
	"context"
	"errors"
	"testing"

	"github.com/sony/gobreaker/v2"
)

func TestRefuse(t *testing.T) {
	full := errors.New("limit reached")
	refuse := func(context.Context, *payload) (*payload, error) { return nil, Refuse(full) }
	for name, l := range map[string]Link[*payload]{
		"hook":   Before("limit", refuse),
		"around": Around("limit", func(Handler[*payload]) Handler[*payload] { return refuse }),
	} {
		t.Run("a refusal fails the call and not the link: "+name, func(t *testing.T) {
			c := newChain(t, l)
			h := c.Then(refuse)
			for range 100 {
				_, err := h(t.Context(), &payload{})
				is(t, err, full)
				blamed(t, err, "limit")
			}
			st, _ := c.Stats().Link("limit")
			eq(t, "breaker", st.Breaker, gobreaker.StateClosed)
			eq(t, "flags", guardOf(t, c, "limit").flags.Load(), 0)
			eq(t, "calls that it failed", st.Failures, 100)
		})
	}
	eq(t, "no error", Refuse(nil), nil)
}
