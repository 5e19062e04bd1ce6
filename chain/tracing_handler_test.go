package chain

import (
	"context"
	"runtime"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// handlerTracer is a tracer that is told of the handler too.
type handlerTracer struct{ tracer }

func (r *handlerTracer) HandlerStart(ctx context.Context, chain string) context.Context {
	return r.LinkStart(ctx, Traced{Link: "handler of " + chain})
}

func (r *handlerTracer) HandlerEnd(ctx context.Context, chain string, err error) {
	r.LinkEnd(ctx, Traced{Link: "handler of " + chain}, err)
}

func TestHandlerTracer(t *testing.T) {
	const h = "handler of t> <handler of t"
	retry := Around("twice", func(next Handler[*payload]) Handler[*payload] {
		return func(ctx context.Context, p *payload) (*payload, error) {
			if _, err := next(ctx, p); err != nil {
				return nil, err
			}
			return next(ctx, p)
		}
	})
	for _, tc := range []struct {
		name    string
		links   []Link[*payload]
		handler Handler[*payload]
		want    string
	}{
		{"no links", nil, nop, h},
		{"hooks", []Link[*payload]{Before("b", nop), After("a", nop)}, nop, "b> <b " + h + " a> <a"},
		{"observers", []Link[*payload]{Observe("o", ignore)}, nop, h},
		{"Arounds", []Link[*payload]{Around("out", passOn, Outer()), Around("in", passOn)}, nop, "out> in> " + h + " <in <out"},
		{"an Outer one only", []Link[*payload]{Around("out", passOn, Outer()), Before("b", nop)}, nop, "out> b> <b " + h + " <out"},
		{"a shadow only", []Link[*payload]{Around("shadow", passOn, InMode(Audit))}, nop, h + " shadow> <shadow"},
		{"several nexts", []Link[*payload]{retry}, nop, "twice> " + h + " " + h + " <twice"},
		{"an error", []Link[*payload]{Before("b", nop)}, fail(errBackend), "b> <b " + h + "!"},
		{"a panic", []Link[*payload]{Around("in", passOn)}, panics, "in> " + h + "! <in!"},
		{"a panic without links", nil, panics, h + "!"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var tr handlerTracer
			c := newChainWith(t, Config[*payload]{Tracer: &tr}, tc.links...)
			call := c.Then(func(ctx context.Context, p *payload) (*payload, error) {
				if !tr.off {
					eq(t, "the handler's span", ctx.Value(ctxKey("span")), any("handler of t"))
				}
				return tc.handler(ctx, p)
			})
			for i := range 4 { // the way of a call depends on those before
				tr.off = i == 1
				_, _ = call(bg, &payload{})
				want := tc.want
				if tr.off {
					want = ""
				}
				eq(t, "steps", tr.take(), want)
			}
		})
	}
	t.Run("Goexit", func(t *testing.T) {
		var tr handlerTracer
		c := newChainWith(t, Config[*payload]{Tracer: &tr}, Before("b", nop))
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = c.Then(func(context.Context, *payload) (*payload, error) { runtime.Goexit(); return nil, nil })(bg, &payload{})
		}()
		<-done
		eq(t, "steps", tr.take(), "b> <b "+h+"!")
	})
	t.Run("not sampled", func(t *testing.T) {
		tr := handlerTracer{tracer{off: true}}
		c := newChainWith(t, Config[*payload]{Tracer: &tr}, tracedLinks()...)
		_, err := c.Then(nop)(bg, &payload{})
		must(t, err)
		eq(t, "steps", tr.take(), "")
	})
	t.Run("not sampled, without allocation", func(t *testing.T) {
		c := newChainWith(t, Config[*payload]{Tracer: &handlerTracer{tracer{off: true}}}, Before("b", nop), After("a", nop))
		h, in := c.Then(nop), &payload{}
		eq(t, "allocations", testing.AllocsPerRun(100, func() { _, _ = h(bg, in) }), 0)
	})
	for _, method := range []string{"LinkStart", "LinkEnd"} {
		t.Run("panics in "+method, func(t *testing.T) {
			core, logs := observer.New(zap.DebugLevel)
			c := newChainWith(t, Config[*payload]{Tracer: &handlerTracer{tracer{panics: method}}, Logger: zap.New(core)})
			in := &payload{}
			out, err := c.Then(nop)(bg, in)
			must(t, err)
			eq(t, "result", out, in)
			eq(t, "logged", logs.FilterMessage("the tracer panicked").Len(), 1)
		})
	}
	t.Run("gives no context", func(t *testing.T) {
		tr := handlerTracer{tracer{nilCtx: true}}
		c := newChainWith(t, Config[*payload]{Tracer: &tr}, Around("in", passOn))
		_, err := c.Then(nop)(bg, &payload{})
		must(t, err)
		eq(t, "steps", tr.take(), "in> "+h+" <in")
	})
}
