package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sony/gobreaker/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/middleware"
)

// weather is a client whose first n calls fail.
func weather(n int) func(context.Context, string) (string, error) {
	return func(_ context.Context, city string) (string, error) {
		if n--; n >= 0 {
			return "", errors.New("503 service unavailable")
		}
		return "sunny in " + city, nil
	}
}

// wrap puts one interceptor around a call.
func wrap[Req, Resp any](f func(context.Context, Req) (Resp, error), i chain.Interceptor) func(context.Context, Req) (Resp, error) {
	call, err := chain.Wrap("weather", f).Intercept("link", i).Func()
	if err != nil {
		panic(err)
	}
	return call
}

func Example() {
	get, err := chain.Wrap("weather", weather(2)).
		Intercept("breaker", middleware.Breaker(gobreaker.Settings{Name: "weather"})).
		Intercept("retry", middleware.Retry(3, middleware.RetryBase(time.Millisecond))).
		Intercept("timeout", middleware.Timeout(2*time.Second)).
		Func()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(get(context.Background(), "Lyon"))
	// Output: sunny in Lyon <nil>
}

func ExampleTimeout() {
	slow := func(ctx context.Context, _ string) (string, error) {
		<-ctx.Done()
		return "", ctx.Err()
	}
	get := wrap(slow, middleware.Timeout(10*time.Millisecond))
	_, err := get(context.Background(), "Lyon")
	fmt.Println(err)
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output:
	// middleware: timed out after 10ms
	// true
}

func ExampleRetry() {
	get := wrap(weather(2), middleware.Retry(3,
		middleware.RetryBase(time.Millisecond),
		middleware.RetryNotify(func(_ context.Context, attempt int, err error, _ time.Duration) {
			fmt.Println("attempt", attempt, "failed:", err)
		}),
	))
	fmt.Println(get(context.Background(), "Lyon"))
	// Output:
	// attempt 1 failed: 503 service unavailable
	// attempt 2 failed: 503 service unavailable
	// sunny in Lyon <nil>
}

func ExampleBreaker() {
	get := wrap(weather(100), middleware.Breaker(gobreaker.Settings{
		Name:        "weather",
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= 2 },
	}))
	for range 3 {
		_, err := get(context.Background(), "Lyon")
		fmt.Println(err, middleware.Rejected(err))
	}
	// Output:
	// 503 service unavailable false
	// 503 service unavailable false
	// weather/link: middleware: Breaker "weather": circuit breaker is open true
}

func ExampleLog() {
	format := zapcore.EncoderConfig{MessageKey: "msg", LevelKey: "level", EncodeLevel: zapcore.LowercaseLevelEncoder, EncodeDuration: about}
	logger := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(format), zapcore.AddSync(printer{}), zap.InfoLevel))

	get := wrap(weather(1), middleware.Log(logger, middleware.LogName("weather"), middleware.LogErrorText()))
	_, _ = get(context.Background(), "Lyon")
	// Output: {"level":"error","msg":"call","verdict":"failed","duration":"some time","operation":"weather","error":"503 service unavailable"}
}

// about keeps the example's output the same from run to run.
func about(_ time.Duration, enc zapcore.PrimitiveArrayEncoder) { enc.AppendString("some time") }

// printer writes log lines to the standard output of the moment.
type printer struct{}

func (printer) Write(line []byte) (int, error) { return fmt.Print(string(line)) }

func ExampleTap() {
	effects := chain.NewDispatcher(chain.DispatcherConfig{Workers: 1})
	get := wrap(weather(1), middleware.Tap(func(_ context.Context, err error) {
		fmt.Println("counted:", err)
	}, middleware.TapOn(effects)))

	_, _ = get(context.Background(), "Lyon")
	_, _ = get(context.Background(), "Lyon")
	if err := effects.Drain(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// counted: 503 service unavailable
	// counted: <nil>
}

type batchKey struct{}

func ExampleWhen() {
	batch := func(ctx context.Context) bool { return ctx.Value(batchKey{}) != nil }
	get := wrap(weather(2), middleware.When(batch, middleware.Retry(2, middleware.RetryBase(time.Millisecond))))

	fmt.Println(get(context.Background(), "Lyon"))
	fmt.Println(get(context.WithValue(context.Background(), batchKey{}, true), "Lyon"))
	// Output:
	//  503 service unavailable
	// sunny in Lyon <nil>
}
