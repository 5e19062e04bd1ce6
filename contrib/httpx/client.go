package httpx

import (
	"context"
	"errors"
	"net/http"

	"github.com/maillon-go/maillon/chain"
)

// Client sends requests through a chain. Make one with NewClient. Safe for concurrent use.
type Client struct {
	run      chain.Handler[*Exchange]
	settings Settings
}

// NewClient makes a Client of a chain, whose later changes count, too.
func NewClient(c *chain.Chain[*Exchange], s Settings) *Client {
	return &Client{c.Then(handle), s}
}

// Transport is the Client as the transport of an http.Client. Nil is http.DefaultTransport.
func (c *Client) Transport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return transport{c, base}
}

type transport struct {
	client *Client
	base   http.RoundTripper
}

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	return t.client.Do(r, t.base.RoundTrip)
}

// CloseIdleConnections is for http.Client's method of that name.
func (t transport) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// Do sends one request through the chain, as often as links want, with send, which may be a RoundTrip, the Do of an
// http.Client, or the next function of an SDK's middleware. As with a transport a response is never an error because of its
// status, its body is the caller's to close, and the request's body is closed whatever happens.
func (c *Client) Do(r *http.Request, send func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	sent, body, err := c.prepare(r)
	if err != nil {
		return nil, err
	}
	t := &trip{settings: &c.settings, send: send, caller: r.Context()}
	returned := false
	defer func() {
		if !returned {
			t.end(nil) // a panic that the chain lets through
			body.closeUnsent()
		}
	}()
	e, err := c.run(r.Context(), &Exchange{req: sent, call: t})
	returned = true
	body.closeUnsent()
	res, err := finish(e, err)
	t.end(res)
	if err != nil {
		return nil, err
	}
	return complete(res, r), nil
}

// prepare gives the links a request whose body can be sent again if that was asked for. r itself is not changed, as the
// contract of transports has it.
func (c *Client) prepare(r *http.Request) (*http.Request, *onceBody, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return r, nil, nil
	}
	sent := new(http.Request)
	*sent = *r
	if limit := c.settings.BufferRequests; limit > 0 && r.GetBody == nil {
		data, err := readAll(r.Body, limit)
		if err != nil {
			return nil, nil, err
		}
		sent.Header = r.Header.Clone()
		setBody(sent, data)
		return sent, nil, nil
	}
	body := &onceBody{ReadCloser: r.Body}
	sent.Body = body
	return sent, body, nil
}

// finish says what the caller gets: a response that was a failure for links only is one again.
func finish(e *Exchange, err error) (*http.Response, error) {
	if err == nil {
		if e == nil || e.res == nil {
			return nil, errors.New("httpx: a link answered without a response: use Answer or WithResponse")
		}
		return e.res, nil
	}
	status, ok := errors.AsType[*StatusError](err)
	if !ok || status.res == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil, err
	}
	return status.res, nil
}

// complete gives a response what callers of a transport count on.
func complete(res *http.Response, r *http.Request) *http.Response {
	if res.Body != nil && res.Header != nil && res.Request != nil {
		return res
	}
	out := *res
	if out.Body == nil {
		out.Body = http.NoBody
	}
	if out.Header == nil {
		out.Header = http.Header{}
	}
	if out.Request == nil {
		out.Request = r
	}
	return &out
}
