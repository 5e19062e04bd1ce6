package chain

import (
	"context"
	"fmt"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// tracer writes down what it is told.
type tracer struct {
	steps
	off    bool
	asked  int
	panics string // the method that panics
	nilCtx bool
}

func (r *tracer) Sample(context.Context) bool {
	r.asked++
	if r.panics == "Sample" {
		panic("tracer")
	}
	return !r.off
}

func (r *tracer) LinkStart(ctx context.Context, l Traced) context.Context {
	if r.panics == "LinkStart" {
		panic("tracer")
	}
	r.add(l.Link + ">")
	if r.nilCtx {
		return nil
	}
	return context.WithValue(ctx, ctxKey("span"), l.Link)
}

func (r *tracer) LinkEnd(ctx context.Context, l Traced, err error) {
	if r.panics == "LinkEnd" {
		panic("tracer")
	}
	step := "<" + l.Link
	if err != nil {
		step += "!"
	}
	if span := ctx.Value(ctxKey("span")); !r.nilCtx && span != l.Link {
		step += fmt.Sprint(" in the context of ", span)
	}
	r.add(step)
}

func tracedLinks() []Link[*payload] {
	return []Link[*payload]{
		Around("outer", passOn, Outer()), Before("b", nop), Before("con", nop, InMode(Concurrent)), Around("inner", passOn), Around("shadow", passOn, InMode(Audit)),
		After("a", nop), Observe("o", ignore),
	}
}

func TestTracer(t *testing.T) {
	const all = "outer> b> <b con> <con inner> shadow> <shadow <inner a> <a <outer"
	t.Run("hooks, Arounds, shadows", func(t *testing.T) {
		var tr tracer
		c := newChainWith(t, Config[*payload]{Tracer: &tr}, tracedLinks()...)
		in := &payload{}
		out, err := c.Then(func(ctx context.Context, p *payload) (*payload, error) {
			eq(t, "the innermost Around's span", ctx.Value(ctxKey("span")), any("inner"))
			return p, nil
		})(bg, in)
		must(t, err)
		eq(t, "result", out, in)
		eq(t, "steps", tr.take(), all)
		eq(t, "asked", tr.asked, 1)
	})
	t.Run("a link that fails, one that blocks, one that panics", func(t *testing.T) {
		for _, h := range []Handler[*payload]{fail(errOwn), block("no"), panics} {
			for _, l := range []Link[*payload]{Before("x", h), After("x", h), Around("x", answer(h)), Before("x", h, Timeout(1<<40)), Before("x", h, InMode(Concurrent))} {
				var tr tracer
				c := newChainWith(t, Config[*payload]{Tracer: &tr}, l)
				_, err := c.Then(nop)(bg, &payload{})
				if err == nil {
					t.Error("no error")
				}
				eq(t, l.Kind().String(), tr.take(), "x> <x!")
			}
		}
	})
	t.Run("the backend's error", func(t *testing.T) {
		var tr tracer
		c := newChainWith(t, Config[*payload]{Tracer: &tr}, Before("b", nop), Around("in", passOn), Around("open", passOn, OnFailure(Ignore)))
		var r recorder
		_, err := c.Use(Observe("r", r.observe))
		must(t, err)
		out, err := c.Then(func(_ context.Context, p *payload) (*payload, error) { return p.with("partial"), errBackend })(bg, &payload{})
		eq(t, "error", err, errBackend)
		eq(t, "partial output", out.text, "partial")
		eq(t, "steps", tr.take(), "b> <b in> open> <open! <in!")
		eq(t, "observed", r.only(t).Payload, out)
		healthyLinks(t, c, "b", "in", "open")
	})
	t.Run("handler panics", func(t *testing.T) {
		var tr tracer
		c := newChainWith(t, Config[*payload]{Tracer: &tr}, Before("b", nop))
		_, err := c.Then(panics)(bg, &payload{})
		if _, ok := err.(*PanicError); !ok {
			t.Error(err)
		}
		healthyLinks(t, c, "b")
	})
	t.Run("not sampled", func(t *testing.T) {
		tr := tracer{off: true}
		c := newChainWith(t, Config[*payload]{Tracer: &tr}, tracedLinks()...)
		_, err := c.Then(nop)(bg, &payload{})
		must(t, err)
		eq(t, "steps", tr.take(), "")
		eq(t, "asked", tr.asked, 1)
	})
	t.Run("gives no context", func(t *testing.T) {
		tr := tracer{nilCtx: true}
		c := newChainWith(t, Config[*payload]{Tracer: &tr}, tracedLinks()...)
		_, err := c.Then(nop)(bg, &payload{})
		must(t, err)
		eq(t, "steps", tr.take(), all)
	})
	for _, method := range []string{"Sample", "LinkStart", "LinkEnd"} {
		t.Run("panics in "+method, func(t *testing.T) {
			core, logs := observer.New(zap.DebugLevel)
			c := newChainWith(t, Config[*payload]{Tracer: &tracer{panics: method}, Logger: zap.New(core)}, tracedLinks()...)
			in := &payload{}
			out, err := c.Then(nop)(bg, in)
			must(t, err)
			eq(t, "result", out, in)
			lines := logs.FilterMessage("the tracer panicked")
			if lines.Len() == 0 {
				t.Error("nothing is logged")
			}
			for _, e := range lines.All() {
				eq(t, "the panic in the log", texts(e)["panic"], "string") // its type: the value may quote anything
			}
			for _, l := range tracedLinks() {
				healthyLinks(t, c, l.Name())
			}
		})
	}
}

func TestWithTracer(t *testing.T) {
	var parent, own tracer
	c := newChain(t, Before("b", nop))
	s, err := c.Scope()
	must(t, err)
	h := s.Then(nop)
	call := func() string {
		_, err := h(bg, &payload{})
		must(t, err)
		return parent.take() + "|" + own.take()
	}
	eq(t, "none", call(), "|")
	eq(t, "returns the chain", c.WithTracer(&parent), c)
	eq(t, "the parent's", call(), "b> <b|")
	s.WithTracer(&own)
	eq(t, "the scope's own", call(), "|b> <b")
	s.WithTracer(nil)
	eq(t, "the parent's again", call(), "b> <b|")
	c.WithTracer(nil)
	eq(t, "none again", call(), "|")
}
