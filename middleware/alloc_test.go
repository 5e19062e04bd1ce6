//go:build !race

package middleware_test

import (
	"context"
	"testing"
	"time"

	"github.com/sony/gobreaker/v2"
	"go.uber.org/zap"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/middleware"
)

func TestAllocsOfAHealthyCall(t *testing.T) {
	never := func(context.Context) bool { return false }
	for _, tc := range []struct {
		name string
		i    chain.Interceptor
		want float64
	}{
		{"Retry", middleware.Retry(3), 0},
		{"Breaker", middleware.Breaker(gobreaker.Settings{}), 1},
		{"Log to nowhere", middleware.Log(nil), 0},
		{"Log below its level", middleware.Log(zap.NewNop(), middleware.LogName("x")), 0},
		{"When", middleware.When(never, middleware.Timeout(time.Second)), 0},
		{"Timeout", middleware.Timeout(time.Minute), 5},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx, next := context.Background(), func(context.Context) error { return nil }
			if n := testing.AllocsPerRun(100, func() { _ = tc.i(ctx, next) }); n > tc.want {
				t.Errorf("%v allocations, want %v", n, tc.want)
			}
		})
	}
}
