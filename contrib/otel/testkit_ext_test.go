package otel_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/maillon-go/maillon/contrib/otel"
	"github.com/maillon-go/maillon/internal/plugintest"
	"github.com/maillon-go/maillon/session"
	"github.com/maillon-go/maillon/stages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a plugin whose spans and metrics can be looked at.
type rig struct {
	*otel.Plugin
	spans  *tracetest.SpanRecorder
	tracer *sdktrace.TracerProvider
	meter  *sdkmetric.ManualReader
}

func newRig(tb testing.TB, s otel.Settings, opts ...sdktrace.TracerProviderOption) *rig {
	tb.Helper()
	r := &rig{spans: tracetest.NewSpanRecorder(), meter: sdkmetric.NewManualReader()}
	r.tracer = sdktrace.NewTracerProvider(append(opts, sdktrace.WithSpanProcessor(r.spans))...)
	if c, ok := s.TracerProvider.(*counting); ok {
		c.TracerProvider = r.tracer
	} else {
		s.TracerProvider = r.tracer
	}
	s.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(r.meter))
	r.Plugin = plugintest.Make(tb, otel.New, s)
	return r
}

// start begins a session that ends with the test, unless it is closed before.
func (r *rig) start(tb testing.TB, b session.Backend, opts ...session.Option) *session.Session {
	tb.Helper()
	return plugintest.Start(tb, b, append([]session.Option{session.WithPlugins(r.Plugin)}, opts...)...)
}

// span is the only one of this name.
func (r *rig) span(tb testing.TB, name string) sdktrace.ReadOnlySpan {
	tb.Helper()
	var found []sdktrace.ReadOnlySpan
	for _, s := range r.spans.Ended() {
		if s.Name() == name {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		tb.Fatalf("%d spans %q in\n%s", len(found), name, r.tree())
	}
	return found[0]
}

// tree is the names of the spans that have ended, indented, in the order in which they began, each with the attributes
// that are asked for.
func (r *rig) tree(keys ...string) string {
	ended := r.spans.Ended()
	slices.SortStableFunc(ended, func(a, b sdktrace.ReadOnlySpan) int { return a.StartTime().Compare(b.StartTime()) })
	var b strings.Builder
	var write func(parent trace.SpanID, indent string)
	write = func(parent trace.SpanID, indent string) {
		for _, s := range ended {
			if s.Parent().SpanID() != parent {
				continue
			}
			b.WriteString(indent + s.Name())
			for _, k := range keys {
				if v, ok := attr(s, k); ok {
					fmt.Fprintf(&b, " %s=%s", k, v)
				}
			}
			b.WriteString("\n")
			write(s.SpanContext().SpanID(), indent+"  ")
		}
	}
	write(trace.SpanID{}, "")
	return b.String()
}

// everything is all that was written, as one text.
func (r *rig) everything(tb testing.TB) string {
	tb.Helper()
	var b strings.Builder
	for _, s := range r.spans.Ended() {
		fmt.Fprintf(&b, "%s %v %v %v %v\n", s.Name(), s.Status(), s.Attributes(), s.Events(), s.Links())
	}
	var m metricdata.ResourceMetrics
	if err := r.meter.Collect(tb.Context(), &m); err != nil {
		tb.Fatal(err)
	}
	fmt.Fprintf(&b, "%+v", m)
	return b.String()
}

func attr(s sdktrace.ReadOnlySpan, key string) (string, bool) {
	for _, a := range s.Attributes() {
		if string(a.Key) == key {
			return a.Value.Emit(), true //nolint:staticcheck // the one text for all types
		}
	}
	return "", false
}

// has compares attributes of a span; "-" stands for none.
func has(tb testing.TB, s sdktrace.ReadOnlySpan, want map[string]string) {
	tb.Helper()
	for k, v := range want {
		got, ok := attr(s, k)
		if !ok {
			got = "-"
		}
		if got != v {
			tb.Errorf("%s: %s is %s, want %s", s.Name(), k, got, v)
		}
	}
}

// point is a measurement: what was recorded how often.
type point struct {
	count uint64
	sum   float64
}

// points are those of a histogram, by the attributes.
func (r *rig) points(tb testing.TB, name string) map[string]point {
	tb.Helper()
	var m metricdata.ResourceMetrics
	if err := r.meter.Collect(tb.Context(), &m); err != nil {
		tb.Fatal(err)
	}
	out := map[string]point{}
	for _, scope := range m.ScopeMetrics {
		for _, metric := range scope.Metrics {
			if metric.Name != name {
				continue
			}
			switch d := metric.Data.(type) {
			case metricdata.Histogram[int64]:
				for _, p := range d.DataPoints {
					out[text(p.Attributes)] = point{p.Count, float64(p.Sum)}
				}
			case metricdata.Histogram[float64]:
				for _, p := range d.DataPoints {
					out[text(p.Attributes)] = point{p.Count, p.Sum}
				}
			}
		}
	}
	return out
}

func text(s attribute.Set) string { return s.Encoded(attribute.DefaultEncoder()) }

var errDown = errors.New("SECRET: the model is down")

// says is a backend that gives its answers in turn.
func says(turns ...plugintest.Turn) *plugintest.Model {
	return &plugintest.Model{
		Is: stages.Backend{
			Name: "test", Provider: "harbour", Model: "m-1", Capabilities: stages.Capabilities{Streaming: true, Tools: true, Formats: true, Images: true},
		},
		Turns: turns, FirstChunk: 250 * time.Millisecond,
	}
}

func answer(text string) plugintest.Turn {
	return plugintest.Answer(stages.Output{Text: text, Model: "m-1-2026", Usage: stages.Usage{InputTokens: 11, OutputTokens: 5, CachedTokens: 3}})
}

func asks(tool, args string) plugintest.Turn {
	return plugintest.Answer(stages.Output{
		ToolCalls: stages.ListOf(stages.ToolCall{ID: "call-1", Name: tool, Arguments: stages.JSON(args)}), FinishReason: stages.FinishToolCalls,
		Usage: stages.Usage{InputTokens: 7, OutputTokens: 2},
	})
}

// tide is a tool.
func tide(f func(context.Context) (string, error)) stages.Callable {
	type args struct {
		Harbour string `json:"harbour,omitempty"`
	}
	t, err := session.NewTool("tide", "finds the tide", func(ctx context.Context, _ args) (string, error) { return f(ctx) })
	if err != nil {
		panic(err)
	}
	return t
}

func atNoon(context.Context) (string, error) { return "SECRET noon", nil }
