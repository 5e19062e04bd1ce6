package middleware

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/maillon-go/maillon/chain"
)

// Breaker puts one gobreaker circuit breaker around what it wraps, the classic use: after enough failures (by default
// six in a row) calls fail at once, until the breaker's Timeout (by default a minute) is over and MaxRequests probes have
// succeeded. Rejected is true for the error of such a call, and the guard of the link does not count it. A Breaker
// protects a backend; the guard that every link of a chain has protects the call from the link.
//
// Not counted are blocks (*chain.Violation) and errors that come back while the context is done, since they say nothing
// about the backend; but where it was a Timeout around the Breaker that ended the context, they are failures.
// IsSuccessful and IsExcluded are asked about all other errors, outside the breaker's lock. A panic and a
// runtime.Goexit are failures. A probe that takes longer than the breaker's Timeout gives up its place to another one
// and is not counted, so that one hung call does not keep the breaker half-open for ever.
//
// Each call of Breaker makes a breaker of its own. OnStateChange tells of its state; it and ReadyToTrip run under the
// breaker's lock and must not call through it.
func Breaker(st gobreaker.Settings) chain.Interceptor {
	b := &breaker{user: st, probe: st.Timeout}
	if b.probe <= 0 {
		b.probe = time.Minute
	}
	st.IsSuccessful = nil
	st.IsExcluded = func(err error) bool { return err == errExcluded } //nolint:errorlint // ours, never wrapped
	st.OnStateChange = func(name string, from, to gobreaker.State) {
		b.halfOpen.Store(to == gobreaker.StateHalfOpen)
		if b.user.OnStateChange != nil {
			b.user.OnStateChange(name, from, to)
		}
	}
	b.cb = gobreaker.NewTwoStepCircuitBreaker[struct{}](st)
	return b.intercept
}

var errExcluded = errors.New("excluded")

type breaker struct {
	cb       *gobreaker.TwoStepCircuitBreaker[struct{}]
	user     gobreaker.Settings
	halfOpen atomic.Bool
	probe    time.Duration // how long a probe may keep its place
}

func (b *breaker) intercept(ctx context.Context, next func(context.Context) error) error {
	report, err := b.cb.Allow()
	if err != nil {
		return chain.Refuse(fmt.Errorf("middleware: Breaker %q: %w", b.user.Name, err)) // no fault of this link
	}
	if b.halfOpen.Load() {
		report = b.bounded(report)
	}
	finding := errUnfinished
	defer func() { report(finding) }() // also after a panic or a Goexit, here or in the user's callbacks
	err = next(ctx)
	finding = b.judge(ctx, err)
	return err
}

// bounded reports a probe only once: its end, or that it takes too long.
func (b *breaker) bounded(report func(error)) func(error) {
	var once sync.Once
	late := time.AfterFunc(b.probe, func() { once.Do(func() { report(errExcluded) }) })
	return func(err error) {
		late.Stop()
		once.Do(func() { report(err) })
	}
}

// judge turns the error of a call into what the breaker is told.
func (b *breaker) judge(ctx context.Context, err error) error {
	switch verdict(ctx, err) {
	case chain.Allowed:
		return nil
	case chain.Blocked:
		return errExcluded
	case chain.Canceled:
		if _, bounded := errors.AsType[*TimeoutError](context.Cause(ctx)); !bounded {
			return errExcluded
		}
	case chain.Failed:
	}
	switch {
	case b.user.IsExcluded != nil && b.user.IsExcluded(err):
		return errExcluded
	case b.user.IsSuccessful != nil && b.user.IsSuccessful(err):
		return nil
	}
	return err
}
