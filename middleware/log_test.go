package middleware_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/chain/chaintest"
	"github.com/maillon-go/maillon/middleware"
)

func TestLog(t *testing.T) {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	block := &chain.Violation{Chain: "c", Link: "policy", Code: "pii", Reason: "a name", Description: "secret", Details: map[string]any{"text": "secret"}}
	for _, tc := range []struct {
		name  string
		ctx   context.Context
		next  func(context.Context) error
		opts  []middleware.LogOption
		level zapcore.Level
		want  map[string]any // beside duration
	}{
		{name: "allowed", next: returning(nil), level: zap.InfoLevel, want: map[string]any{"verdict": "allowed"}},
		{name: "failed", next: returning(errBackend), level: zap.ErrorLevel, want: map[string]any{"verdict": "failed", "error": "*errors.errorString"}},
		{name: "with its text", next: returning(errBackend), opts: []middleware.LogOption{middleware.LogErrorText()}, level: zap.ErrorLevel, want: map[string]any{"verdict": "failed", "error": "backend failed"}},
		{
			name: "blocked, without details", next: returning(fmt.Errorf("wrapped: %w", block)), level: zap.WarnLevel,
			want: map[string]any{"verdict": "blocked", "code": "pii", "reason": "a name", "link": "c/policy"},
		},
		{name: "a nil violation", next: returning((*chain.Violation)(nil)), level: zap.ErrorLevel, want: map[string]any{"verdict": "failed", "error": "*chain.Violation"}},
		{name: "canceled", ctx: canceled, next: returning(context.Canceled), level: zap.InfoLevel, want: map[string]any{"verdict": "canceled", "error": "context canceled"}},
		{
			name: "panicked", ctx: canceled, next: func(context.Context) error { panic("boom") }, level: zap.ErrorLevel,
			want: map[string]any{"verdict": "failed", "error": "middleware: the call panicked or ended in runtime.Goexit"},
		},
		{
			name: "Goexit", next: func(context.Context) error { runtime.Goexit(); return nil }, level: zap.ErrorLevel,
			want: map[string]any{"verdict": "failed", "error": "middleware: the call panicked or ended in runtime.Goexit"},
		},
		{
			name: "operation and fields", next: returning(nil), level: zap.DebugLevel,
			opts: []middleware.LogOption{nil, middleware.LogName("weather"), middleware.LogLevel(chain.Allowed, zap.DebugLevel), middleware.LogLevel(99, zap.InfoLevel), middleware.LogFields(func(ctx context.Context) []zap.Field {
				return []zap.Field{zap.Bool("live", ctx.Err() == nil)}
			})},
			want: map[string]any{"verdict": "allowed", "operation": "weather", "live": true},
		},
		{name: "below the level", next: returning(nil), opts: []middleware.LogOption{middleware.LogLevel(chain.Allowed, zap.DebugLevel-1)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				core, lines := observer.New(zap.DebugLevel)
				ctx := t.Context()
				if tc.ctx != nil {
					ctx = tc.ctx
				}
				inGoroutine(func() {
					defer func() { _ = recover() }()
					_ = middleware.Log(zap.New(core), tc.opts...)(ctx, func(ctx context.Context) error {
						time.Sleep(time.Second) // fake
						return tc.next(ctx)
					})
				})
				all := lines.All()
				if tc.want == nil {
					if len(all) > 0 {
						t.Errorf("got %v", all)
					}
					return
				}
				if len(all) != 1 || all[0].Level != tc.level || all[0].Message != "call" {
					t.Fatalf("got %v, want one line at level %v", all, tc.level)
				}
				tc.want["duration"] = time.Second
				if got := all[0].ContextMap(); fmt.Sprint(got) != fmt.Sprint(tc.want) {
					t.Errorf("got  %v\nwant %v", got, tc.want)
				}
			})
		})
	}
}

func TestLogPassesErrorsOn(t *testing.T) {
	for _, i := range []chain.Interceptor{middleware.Log(nil), middleware.Log(zap.NewNop())} {
		if err := i(t.Context(), returning(errBackend)); err != errBackend {
			t.Errorf("got %v", err)
		}
	}
}

func TestLogConforms(t *testing.T) {
	conforms(t, middleware.Log(zap.NewNop(), middleware.LogName("x")), chaintest.MaxAllocs(3))
}
