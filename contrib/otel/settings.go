package otel

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

// Scope is the name of the instrumentation, which spans and metrics carry.
const Scope = "github.com/maillon-go/maillon/contrib/otel"

// DefaultMaxContent is how many bytes of one text are written where Settings.MaxContent is 0.
const DefaultMaxContent = 4096

// Settings say where to write, and what. The zero value writes to the providers of the process, without contents.
type Settings struct {
	// SemConv is the version of the semantic conventions whose names are used. "" is Pinned.
	SemConv SemConv `yaml:"semconv"`
	// Contents writes prompts, answers, and arguments and results of tools too, each text as Redact returns it. It needs
	// Redact, and the pinned conventions.
	Contents bool `yaml:"contents"`
	// MaxContent is how many bytes of one text are written, after Redact has seen all of it. 0 is DefaultMaxContent.
	MaxContent int `yaml:"max_content"`
	// Providers says what gen_ai.provider.name is, by what a backend gives as its provider, such as the host of a gateway.
	Providers map[string]string `yaml:"providers"`

	// Redact takes out of a text what must not be written. It may be called concurrently. What it panics on is not written.
	Redact func(string) string `yaml:"-"`
	// TracerProvider is where spans go; nil is that of the process.
	TracerProvider trace.TracerProvider `yaml:"-"`
	// MeterProvider is where metrics go; nil is that of the process.
	MeterProvider metric.MeterProvider `yaml:"-"`
}

// Plugin writes spans and metrics. One may serve many sessions. Safe for concurrent use.
type Plugin struct {
	conv      conventions
	contents  *contents // nil: none
	providers map[string]string
	tracer    trace.Tracer
	silent    bool                 // the tracer is the one that does nothing
	waiting   trace.TracerProvider // that of a process that has no SDK yet, which does nothing until it has; else nil
	metrics   metrics
	sessions  sync.Map // of *sessionSpan by session id
}

var (
	_ stages.WrapComponent       = (*Plugin)(nil)
	_ stages.WrapSampling        = (*Plugin)(nil)
	_ stages.WrapGeneration      = (*Plugin)(nil)
	_ stages.WrapValidation      = (*Plugin)(nil)
	_ stages.WrapTool            = (*Plugin)(nil)
	_ stages.ObserveSession      = (*Plugin)(nil)
	_ stages.ObserveCleanup      = (*Plugin)(nil)
	_ interface{ Name() string } = (*Plugin)(nil)
)

// New checks the settings. The error has all that is wrong with them.
func New(s Settings) (*Plugin, error) {
	var errs []error
	if s.SemConv == "" {
		s.SemConv = Pinned
	}
	conv, ok := versions[s.SemConv]
	if !ok {
		errs = append(errs, fmt.Errorf("semconv %q: use %q or %q", s.SemConv, Pinned, SemConv1_36))
	}
	if s.MaxContent < 0 {
		errs = append(errs, fmt.Errorf("max_content %d: use 0 for %d bytes, or a positive number", s.MaxContent, DefaultMaxContent))
	}
	switch {
	case !s.Contents:
	case s.Redact == nil:
		errs = append(errs, errors.New("contents need Settings.Redact, which only Go can give: a func(string) string that takes out what must not be written"))
	case ok && conv.old:
		errs = append(errs, fmt.Errorf("contents are not in version %s of the conventions: use %s", s.SemConv, Pinned))
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("otel: %w", errors.Join(errs...))
	}
	p := &Plugin{conv: conv, providers: s.Providers}
	if s.Contents {
		p.contents = newContents(s)
	}
	tp, mp := s.TracerProvider, s.MeterProvider
	if tp == nil {
		if tp = otel.GetTracerProvider(); fmt.Sprintf("%T", tp) == "*global.tracerProvider" { // of an internal package
			p.waiting = tp
		}
	}
	if mp == nil {
		mp = otel.GetMeterProvider()
	}
	p.tracer = tp.Tracer(Scope, trace.WithSchemaURL(conv.schema))
	_, p.silent = p.tracer.(tracenoop.Tracer)
	var err error
	if p.metrics, err = newMetrics(mp.Meter(Scope, metric.WithSchemaURL(conv.schema)), conv); err != nil {
		return nil, fmt.Errorf("otel: %w", err)
	}
	return p, nil
}

// off says that nobody gets spans, so that their cost can be spared. A process may get its SDK at any time.
func (p *Plugin) off() bool {
	return p.silent || p.waiting != nil && otel.GetTracerProvider() == p.waiting
}

// Name is "otel".
func (p *Plugin) Name() string { return "otel" }

// HookOptions put the spans around everything else in their stages. Telemetry decides nothing: a failure of it is ignored, and
// streams need not wait for it.
func (p *Plugin) HookOptions(hook string) []chain.Option {
	switch hook {
	case "wrap_component", "wrap_sampling", "wrap_generation", "wrap_validation", "wrap_tool":
		return []chain.Option{chain.Outer(), chain.Priority(10), chain.OnFailure(chain.Ignore), stages.AcceptsChunks()}
	}
	return nil
}

// Close ends the spans of sessions that are still open.
func (p *Plugin) Close(context.Context) error {
	p.sessions.Range(func(id, _ any) bool {
		if s := p.forget(id.(string)); s != nil {
			s.span.End()
		}
		return true
	})
	return nil
}
