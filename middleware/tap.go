package middleware

import (
	"context"

	"go.uber.org/zap"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/internal/errlog"
)

// TapOption sets something about a Tap.
type TapOption interface{ applyTap(*tap) }

type tapOption func(*tap)

func (f tapOption) applyTap(t *tap) { f(t) }

// TapOn runs the side effects on d, which its owner can drain and whose overflow policy holds. Without it, or with nil,
// the Tap has a dispatcher of its own with chain's defaults.
func TapOn(d *chain.Dispatcher) TapOption {
	return tapOption(func(t *tap) {
		if d != nil {
			t.dispatcher = d
		}
	})
}

// TapLogger reports side effects that panicked or were dropped. Without it, or with nil, nothing does.
func TapLogger(l *zap.Logger) TapOption {
	return tapOption(func(t *tap) {
		if l != nil {
			t.logger = l
		}
	})
}

type tap struct {
	f          func(context.Context, error)
	dispatcher *chain.Dispatcher
	logger     *zap.Logger
}

// Tap runs f in the background after each call: a metric, a webhook, a warm-up. f gets the call's error and its context,
// with the values but without the cancellation. It cannot change the call: it runs on a bounded chain.Dispatcher, its
// panic is contained and, with TapLogger, logged. While the dispatcher's queue is full the call waits, or does what the
// overflow policy of the one given by TapOn says. After a call that panicked or ended in runtime.Goexit f gets an error
// that says so. What must not be lost at the end of the program needs TapOn and Dispatcher.Drain. A nil f fails every
// call.
func Tap(f func(ctx context.Context, err error), opts ...TapOption) chain.Interceptor {
	if f == nil {
		return refuse("Tap: nil function")
	}
	t := &tap{f: f, dispatcher: chain.NewDispatcher(chain.DispatcherConfig{}), logger: zap.NewNop()}
	for _, o := range opts {
		if o != nil {
			o.applyTap(t)
		}
	}
	return t.intercept
}

func (t *tap) intercept(ctx context.Context, next func(context.Context) error) error {
	err := errUnfinished
	defer func() {
		if !t.dispatcher.Go(ctx, func(ctx context.Context) { t.run(ctx, err) }) {
			t.logger.Warn("side effect dropped")
		}
	}()
	err = next(ctx)
	return err
}

func (t *tap) run(ctx context.Context, err error) {
	defer func() {
		if v := recover(); v != nil {
			t.logger.Error("side effect panicked", errlog.Panic(v, false), zap.Stack("stack"))
		}
	}()
	t.f(ctx, err)
}
