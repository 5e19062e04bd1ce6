package otel

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

// WrapGeneration puts a chat span around a generation, with all attempts to get an answer, and measures it.
func (p *Plugin) WrapGeneration(next chain.Handler[*stages.Generation]) chain.Handler[*stages.Generation] {
	return around(p, stage[*stages.Generation]{
		kind: trace.SpanKindClient,
		meta: (*stages.Generation).Meta,
		start: func(g *stages.Generation) (string, []attribute.KeyValue) {
			return named("chat", g.Backend().Model), p.chat(g)
		},
		end:     p.answered,
		metered: p.metrics.enabled,
	})(next)
}

// model is what the conventions call a backend.
func (p *Plugin) model(b stages.Backend) []attribute.KeyValue {
	attrs := make([]attribute.KeyValue, 0, 12) // room for what the caller adds
	if name := p.provider(b); name != "" {
		attrs = append(attrs, p.conv.provider.String(name))
	}
	if b.Model != "" {
		attrs = append(attrs, semconv.GenAIRequestModel(b.Model))
	}
	return attrs
}

// chat says which operation it is.
func (p *Plugin) chat(g *stages.Generation) []attribute.KeyValue {
	return append(p.model(g.Backend()), semconv.GenAIOperationNameChat)
}

// answered writes a generation as it was when all links had seen it. g is the request where there is no answer.
func (p *Plugin) answered(ctx context.Context, g *stages.Generation, took time.Duration, err error) error {
	asked := g.Source() == stages.SourceBackend // not a cache, whose tokens cost nothing
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.SetAttributes(p.options(g)...)
		if g.Source() != "" {
			span.SetAttributes(p.answer(g, asked)...)
		}
		if p.contents != nil {
			span.SetAttributes(p.contents.generation(g, err == nil)...)
		}
	}
	if !p.metrics.enabled(ctx) {
		return err
	}
	attrs := p.chat(g)
	o := g.Output()
	if o.Model != "" {
		attrs = append(attrs, semconv.GenAIResponseModel(o.Model))
	}
	p.metrics.took(ctx, took, attrs, err)
	if asked {
		p.metrics.used(ctx, o.Usage.InputTokens, semconv.GenAITokenTypeInput, attrs)
		p.metrics.used(ctx, o.Usage.OutputTokens, semconv.GenAITokenTypeOutput, attrs)
		if first := g.FirstChunk(); first > 0 && p.metrics.first != nil {
			p.metrics.streamed(ctx, first, attrs)
		}
	}
	return err
}

// options are those of the request, as the links have left them.
func (p *Plugin) options(g *stages.Generation) []attribute.KeyValue {
	var attrs []attribute.KeyValue
	o := g.ModelOptions()
	if v, ok := o.Temperature.Get(); ok {
		attrs = append(attrs, semconv.GenAIRequestTemperature(v))
	}
	if v, ok := o.TopP.Get(); ok {
		attrs = append(attrs, semconv.GenAIRequestTopP(v))
	}
	if v, ok := o.MaxTokens.Get(); ok {
		attrs = append(attrs, semconv.GenAIRequestMaxTokens(v))
	}
	if v, ok := o.Seed.Get(); ok {
		attrs = append(attrs, semconv.GenAIRequestSeed(int(v)))
	}
	if g.Format().Schema != "" {
		attrs = append(attrs, semconv.GenAIOutputTypeJSON)
	}
	return attrs
}

// answer is what came back, complete or partial.
func (p *Plugin) answer(g *stages.Generation, asked bool) []attribute.KeyValue {
	o := g.Output()
	attrs := []attribute.KeyValue{keySource.String(string(g.Source()))}
	if o.FinishReason != "" {
		attrs = append(attrs, semconv.GenAIResponseFinishReasons(string(o.FinishReason)))
	}
	if o.Model != "" {
		attrs = append(attrs, semconv.GenAIResponseModel(o.Model))
	}
	if u := o.Usage; asked && u != (stages.Usage{}) {
		attrs = append(attrs, semconv.GenAIUsageInputTokens(u.InputTokens), semconv.GenAIUsageOutputTokens(u.OutputTokens))
		if u.CachedTokens > 0 && !p.conv.old {
			attrs = append(attrs, semconv.GenAIUsageCacheReadInputTokens(u.CachedTokens))
		}
	}
	if asked && g.Chunks() > 0 && !p.conv.old {
		attrs = append(attrs, semconv.GenAIRequestStream(true), semconv.GenAIResponseTimeToFirstChunk(g.FirstChunk().Seconds()))
	}
	return attrs
}
