package middleware_test

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/chain/chaintest"
	"github.com/maillon-go/maillon/middleware"
)

type valueKey struct{}

func TestTap(t *testing.T) {
	for _, tc := range []struct {
		name string
		next func(context.Context) error
		same error
		want string
	}{
		{name: "success", next: returning(nil), want: "<nil>"},
		{name: "error", next: returning(errBackend), same: errBackend, want: "backend failed"},
		{name: "panic", next: func(context.Context) error { panic("boom") }, want: "middleware: the call panicked or ended in runtime.Goexit"},
		{name: "Goexit", next: func(context.Context) error { runtime.Goexit(); return nil }, want: "middleware: the call panicked or ended in runtime.Goexit"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release, got := make(chan struct{}), ""
				tap := middleware.Tap(func(ctx context.Context, err error) {
					<-release // the call does not wait
					got = fmt.Sprintf("%v, %v, %v", err, ctx.Err(), ctx.Value(valueKey{}))
				})
				ctx, cancel := context.WithCancel(context.WithValue(t.Context(), valueKey{}, "value"))
				inGoroutine(func() {
					defer func() { _ = recover() }()
					if err := tap(ctx, tc.next); err != tc.same {
						t.Errorf("got %v", err)
					}
				})
				cancel()
				close(release)
				synctest.Wait()
				if want := tc.want + ", <nil>, value"; got != want {
					t.Errorf("the side effect saw %q, want %q", got, want)
				}
			})
		})
	}
}

func TestTapContainsAPanic(t *testing.T) {
	core, lines := observer.New(zap.DebugLevel)
	d := chain.NewDispatcher(chain.DispatcherConfig{})
	for _, logger := range []*zap.Logger{nil, zap.New(core)} {
		tap := middleware.Tap(func(context.Context, error) { panic("boom") }, middleware.TapOn(d), middleware.TapLogger(logger))
		if err := tap(t.Context(), returning(nil)); err != nil {
			t.Errorf("got %v", err)
		}
	}
	if err := d.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if all := lines.All(); len(all) != 1 || all[0].Message != "side effect panicked" || all[0].ContextMap()["panic"] != "string" {
		t.Errorf("logged %v", all)
	}
}

func TestTapDrops(t *testing.T) {
	core, lines := observer.New(zap.DebugLevel)
	d := chain.NewDispatcher(chain.DispatcherConfig{Workers: 1, Queue: 1, Overflow: chain.DropNewest})
	release, running := make(chan struct{}), make(chan struct{}, 1)
	var ran atomic.Int64
	tap := middleware.Tap(func(context.Context, error) {
		ran.Add(1)
		select {
		case running <- struct{}{}:
		default:
		}
		<-release
	}, nil, middleware.TapOn(d), middleware.TapOn(nil), middleware.TapLogger(zap.New(core)))
	_ = tap(t.Context(), returning(nil))
	<-running
	for range 3 { // one waits, two are dropped
		if err := tap(t.Context(), returning(errBackend)); err != errBackend {
			t.Errorf("got %v", err)
		}
	}
	close(release)
	if err := d.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := ran.Load(); n != 2 {
		t.Errorf("%d side effects ran, want 2", n)
	}
	if all := lines.All(); len(all) != 2 || all[0].Message != "side effect dropped" {
		t.Errorf("logged %v", all)
	}
}

func TestTapOnAClosedDispatcher(t *testing.T) {
	d := chain.NewDispatcher(chain.DispatcherConfig{})
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	tap := middleware.Tap(func(context.Context, error) { t.Error("ran") }, middleware.TapOn(d), middleware.TapLogger(nil))
	if err := tap(t.Context(), returning(errBackend)); err != errBackend {
		t.Errorf("got %v", err)
	}
}

func TestTapRefuses(t *testing.T) {
	refuses(t, middleware.Tap(nil), "middleware: Tap: nil function")
}

func TestTapConforms(t *testing.T) {
	conforms(t, middleware.Tap(func(context.Context, error) {}), chaintest.MaxAllocs(8))
}
