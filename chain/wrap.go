package chain

import (
	"context"
	"fmt"
)

// Call is the payload of Wrap: a request and, on the way out, its response. It is frozen: the With methods return a copy.
type Call[Req, Resp any] struct {
	req  Req
	resp Resp
}

// Request is what the wrapped function gets.
func (c *Call[Req, Resp]) Request() Req { return c.req }

// Response is what the wrapped function returned; on the way in it is the zero Resp.
func (c *Call[Req, Resp]) Response() Resp { return c.resp }

// WithRequest returns a copy with another request.
func (c *Call[Req, Resp]) WithRequest(r Req) *Call[Req, Resp] {
	return &Call[Req, Resp]{req: r, resp: c.resp}
}

// WithResponse returns a copy with another response; an Around that returns one without calling next has answered the call.
func (c *Call[Req, Resp]) WithResponse(r Resp) *Call[Req, Resp] {
	return &Call[Req, Resp]{req: c.req, resp: r}
}

// Wrapper builds a guarded function; see Wrap.
type Wrapper[Req, Resp any] struct {
	c   *Chain[*Call[Req, Resp]]
	fn  func(context.Context, Req) (Resp, error)
	err error
}

// Wrap begins a guarded version of fn: add links, then take it with Func. Types are inferred from fn.
func Wrap[Req, Resp any](name string, fn func(context.Context, Req) (Resp, error), cfg ...Config[*Call[Req, Resp]]) *Wrapper[Req, Resp] {
	w := &Wrapper[Req, Resp]{c: New(name, cfg...), fn: fn}
	w.err = w.c.setup
	if w.err == nil && fn == nil {
		w.err = fmt.Errorf("chain: wrap %q: %w", name, ErrNilHandler)
	}
	return w
}

// Use adds links, each on its own; Func returns the first error.
func (w *Wrapper[Req, Resp]) Use(links ...Link[*Call[Req, Resp]]) *Wrapper[Req, Resp] {
	if w.err == nil {
		_, w.err = w.c.Use(links...)
	}
	return w
}

// Intercept adds an Around that does not look at request and response.
func (w *Wrapper[Req, Resp]) Intercept(name string, i Interceptor, opts ...Option) *Wrapper[Req, Resp] {
	return w.Use(Intercept[*Call[Req, Resp]](name, i, opts...))
}

// Chain is the chain behind the function, for Explain, Stats, later links and Close.
func (w *Wrapper[Req, Resp]) Chain() *Chain[*Call[Req, Resp]] { return w.c }

// Func returns the guarded function, or the first error of the steps before.
func (w *Wrapper[Req, Resp]) Func() (func(context.Context, Req) (Resp, error), error) {
	if w.err != nil {
		return nil, w.err
	}
	fn := w.fn
	h := w.c.Then(func(ctx context.Context, c *Call[Req, Resp]) (*Call[Req, Resp], error) {
		resp, err := fn(ctx, c.req)
		return c.WithResponse(resp), err
	})
	return func(ctx context.Context, req Req) (resp Resp, err error) {
		out, err := h(ctx, &Call[Req, Resp]{req: req})
		if out != nil {
			resp = out.resp
		}
		return resp, err
	}, nil
}
