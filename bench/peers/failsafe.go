package peers

import (
	"context"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"

	"github.com/maillon-go/maillon/bench"
)

// failsafe-go composes policies around one function, not functions around each other. So each step has an executor of its own
// with a circuit breaker, made once, around itself and all that is behind it. The context goes with the closure: With(...).WithContext would copy the
// executor in each call. A breaker opens at the first failure; the excluding form handles no error but those that are somebody's fault.
var failsafeGo = Peer{
	Name: "failsafe-go", Module: "github.com/failsafe-go/failsafe-go", Version: "v0.9.8",
	Does:      "an executor with a circuit breaker around each step and all behind it, whose errors count as the step's; policies that compose; panics not contained",
	Builds:    map[Grade]Build{Guarded: executors(circuitbreaker.NewWithDefaults[*bench.Payload])},
	Excluding: executors(faultsOnly),
}

// The same breakers in one executor around all of the steps, as its policies compose: cheaper, and no breaker of a step any more, since each
// sees the outcome of the whole call.
var failsafeOne = Peer{
	Name: "failsafe-go, one executor", Module: "github.com/failsafe-go/failsafe-go", Version: "v0.9.8",
	Does:      "one executor with as many circuit breakers as there are steps, each of which counts every error of the call; panics not contained",
	Builds:    map[Grade]Build{Guarded: oneExecutor(circuitbreaker.NewWithDefaults[*bench.Payload])},
	Excluding: oneExecutor(faultsOnly),
}

func oneExecutor(breaker func() circuitbreaker.CircuitBreaker[*bench.Payload]) Build {
	return func(steps []Step, backend bench.Handler) bench.Handler {
		h := backend
		policies := make([]failsafe.Policy[*bench.Payload], len(steps))
		for i := len(steps) - 1; i >= 0; i-- {
			h = around(steps[i])(h)
			policies[i] = breaker()
		}
		ex := failsafe.With(policies...)
		return func(ctx context.Context, p *bench.Payload) (*bench.Payload, error) {
			return ex.Get(func() (*bench.Payload, error) { return h(ctx, p) })
		}
	}
}

func executors(breaker func() circuitbreaker.CircuitBreaker[*bench.Payload]) Build {
	return func(steps []Step, backend bench.Handler) bench.Handler {
		h := backend
		for i := len(steps) - 1; i >= 0; i-- {
			next := around(steps[i])(h)
			ex := failsafe.With[*bench.Payload](breaker())
			h = func(ctx context.Context, p *bench.Payload) (*bench.Payload, error) {
				return ex.Get(func() (*bench.Payload, error) { return next(ctx, p) })
			}
		}
		return h
	}
}

func faultsOnly() circuitbreaker.CircuitBreaker[*bench.Payload] {
	return circuitbreaker.NewBuilder[*bench.Payload]().HandleIf(func(_ *bench.Payload, err error) bool {
		return err != nil && !excluded(err)
	}).Build()
}
