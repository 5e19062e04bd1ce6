package all_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/contrib/audit"
	"github.com/maillon-go/maillon/contrib/cache"
	"github.com/maillon-go/maillon/contrib/debug"
	"github.com/maillon-go/maillon/contrib/otel"
	"github.com/maillon-go/maillon/contrib/policy"
	"github.com/maillon-go/maillon/contrib/profiler"
	"github.com/maillon-go/maillon/middleware"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

// goesWrong fails, panics and blocks in turns, and says so in the given words.
func goesWrong(n int64, words string) error {
	switch n % 6 {
	case 1:
		return &session.BackendError{Kind: session.BackendServerError, Backend: "test", Message: words}
	case 2:
		panic(words)
	case 3:
		return errors.New(words)
	case 4:
		return chain.Block(words, chain.Code("no"), chain.Details(map[string]any{"what": words}))
	}
	return nil
}

// At default settings, without a redactor, nothing says what was said: not where hooks, checks, tools and the model quote it
// in errors, blocks and panics either.
func TestFailuresQuoteNothing(t *testing.T) {
	const said = "ines@harbour.example"
	var trail, logs bytes.Buffer
	var mu sync.Mutex
	logger := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.Lock(zapcore.AddSync(&logs)), zap.DebugLevel))
	sink, spans, reader, prof := &records{}, tracetest.NewInMemoryExporter(), metric.NewManualReader(), must(profiler.New(profiler.Settings{SampleEvery: 1}))
	pipeline := stages.NewPipeline(stages.PipelineConfig{Logger: logger})
	defer func() { _ = pipeline.Close(context.Background()) }()
	n, budgets := int64(0), perUser(1_000_000)
	hook := chain.Before("hook", func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
		if n++; n%3 == 0 {
			return g, goesWrong(n/3, said)
		}
		return g, nil
	}, chain.Priority(70))
	tool := must(session.NewTool("look_up", "looks somebody up", func(_ context.Context, in struct{ N int64 }) (string, error) {
		return said, goesWrong(in.N, said)
	}))
	m := newModel()
	m.fail = func(n int64) error { return goesWrong(n, said) }
	s := start(t, m, session.WithPipeline(pipeline), session.WithTools(tool), session.WithPlugins(
		must(audit.New(audit.Settings{Sink: sink})), must(cache.New(cache.Settings{})), budgets, prof, hook, must(policy.New(policy.Settings{})),
		must(debug.New(debug.Settings{Writer: writer(func(b []byte) { mu.Lock(); defer mu.Unlock(); trail.Write(b) })})),
		must(otel.New(otel.Settings{TracerProvider: trace.NewTracerProvider(trace.WithSyncer(spans)), MeterProvider: metric.NewMeterProvider(metric.WithReader(reader))})),
		chain.Intercept[*stages.Generation]("retry", middleware.Retry(2, middleware.RetryBase(time.Nanosecond))),
	))
	for i := range int64(12) {
		check := session.Require(stages.Requirement{Description: "not " + said, Check: func(context.Context, stages.Target) (stages.Verdict, error) {
			return stages.Verdict{Reason: said}, goesWrong(i, said)
		}})
		for _, streamed := range []bool{false, true} {
			ask(t, s, "To whom? "+said, streamed)
			ask(t, s, "When? "+said, streamed, check)
		}
		_, _ = s.RunTool(t.Context(), "look_up", stages.JSON(fmt.Sprintf(`{"N":%d}`, i)))
	}
	_, _ = s.RunTool(t.Context(), said, `{}`)
	if got := spent(t, budgets); got.Reserved != 0 || got.Settled == 0 {
		t.Errorf("the budget: %+v", got)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := pipeline.Close(t.Context()); err != nil { // the trace is written now
		t.Error(err)
	}
	var rm metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &rm); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"the log": logs.String(), "the audit": sink.String(), "the trace": trail.String(), "spans": fmt.Sprintf("%+v", spans.GetSpans()),
		"metrics": fmt.Sprintf("%+v", rm), "the profile": fmt.Sprintf("%+v", prof.Snapshot()),
	} {
		if len(text) < 50 && name != "the log" {
			t.Errorf("%s says %q: the test shows nothing", name, text)
		}
		if i := strings.Index(text, said); i >= 0 {
			t.Errorf("%s has it: ...%s", name, text[max(0, i-200):i+len(said)])
		}
	}
}

// Whatever becomes of calls, two budgets under different names end with nothing reserved and the same accounts: readers leave
// streams, callers go, hooks in front of the cache and behind it block, fail and panic, and so does the model, and the one that is
// asked in its place.
func TestNothingStaysReserved(t *testing.T) {
	fallback := newModel()
	fallback.fail = func(n int64) error { return goesWrong(n, "no") }
	for name, others := range map[string][]any{
		"one model":  nil,
		"a fallback": {chain.Around("fallback", middleware.Fallback(fallback.Generate), chain.Priority(20))},
	} {
		t.Run(name, func(t *testing.T) { nothingStaysReserved(t, others...) })
	}
}

func nothingStaysReserved(t *testing.T, others ...any) {
	t.Helper()
	first, second := perUser(1<<40), perUser(1<<40)
	m := newModel()
	m.fail = func(n int64) error { return goesWrong(n, "no") }
	wrong := func(name string, priority int) any {
		var mu sync.Mutex
		n := int64(0)
		return chain.Before(name, func(_ context.Context, g *stages.Generation) (*stages.Generation, error) {
			mu.Lock()
			n++
			mine := n
			mu.Unlock()
			return g, goesWrong(mine, "no")
		}, chain.Priority(priority))
	}
	s := start(t, m, session.WithPlugins(others...), session.WithPlugins(
		first, stages.With(second).Named("second"), wrong("behind", 45), wrong("last", 99), must(cache.New(cache.Settings{})),
		must(policy.New(policy.Settings{Rules: []policy.Rule{{Name: "codenames", Terms: []string{"project osprey"}}}})),
		chain.Intercept[*stages.Generation]("retry", middleware.Retry(2, middleware.RetryBase(time.Nanosecond))),
	))
	var all sync.WaitGroup
	for g := range 64 {
		all.Go(func() {
			for i := range 20 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+i*i*i)*time.Millisecond/4)
				question := questions[(g+i)%len(questions)]
				if (g+i)%4 == 0 {
					_, _ = s.Instruct(ctx, question)
					cancel()
					continue
				}
				stream := s.Stream(ctx, question)
				for _, err := range stream.Text() {
					_ = err // whatever it is
					if (g+i)%4 == 1 {
						break
					}
					if (g+i)%4 == 2 {
						cancel()
					}
				}
				_ = stream.Close()
				cancel()
			}
		})
	}
	all.Wait()
	a, b := spent(t, first), spent(t, second)
	if a.Reserved != 0 || a != b || a.Settled == 0 {
		t.Errorf("the budgets: %+v and %+v", a, b)
	}
}
