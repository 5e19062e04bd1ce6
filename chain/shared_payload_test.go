package chain

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestLostContextOfASharedPayload(t *testing.T) {
	// A2: several calls with the same payload are in flight; each one's next goes on, and each gets its answer
	for _, secondsInside := range []int{0, 10, 60} { // the second call begins when the first one has been inside for a minute
		t.Run(fmt.Sprint(secondsInside), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var n, answered, answers atomic.Int64
				c := newChainWith(t, Config[*payload]{Policy: Policy[*payload]{Rewrite: keepsText}}, Around("x", around(
					func(_ context.Context, p *payload, next Handler[*payload]) (*payload, error) {
						if n.Add(1) == 1 {
							time.Sleep(90 * time.Second)
						} else {
							time.Sleep(time.Duration(secondsInside) * time.Second)
						}
						out, err := next(bg, p)
						time.Sleep(time.Minute)
						return out, err
					})))
				h := c.Then(func(context.Context, *payload) (*payload, error) {
					return &payload{text: fmt.Sprint("answer", answers.Add(1))}, nil
				})
				in := &payload{text: "in"}
				call := func(want string) {
					out, err := h(bg, in)
					if err != nil {
						t.Error(err)
						return
					}
					eq(t, "result", out.text, want)
					answered.Add(1)
				}
				first, second := "answer2", "answer1"
				if secondsInside == 60 {
					first, second = second, first
				}
				go call(first)
				time.Sleep(time.Minute)
				go call(second)
				time.Sleep(time.Hour)
				eq(t, "answered", answered.Load(), 2)
				eq(t, "discarded", guardOf(t, c, "x").discarded.Load(), 0)
			})
		})
	}
}
