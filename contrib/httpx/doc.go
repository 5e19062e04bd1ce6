// Package httpx runs HTTP requests through a chain: those that a client sends, and those that a server handles.
//
//	c := chain.New[*httpx.Exchange]("upstream")
//	_, err := c.Use(
//		chain.Before("key", addKey),
//		c.Intercept("retry", middleware.Retry(3)),
//	)
//	client := &http.Client{Transport: httpx.NewClient(c, httpx.Settings{}).Transport(nil)}
//	handler := httpx.NewHandler(mux, inbound, httpx.Settings{})
//
// The payload is an *Exchange: a request, and behind the handler its response. A link that wants another request or response
// returns another Exchange and changes a clone of the request, never the one it got.
//
// # Bodies
//
// Bodies are streams, and stay so: nothing is read that nobody asked for. A request is sent again, by a retry or a hedge, with
// the body that its GetBody gives, which http.NewRequest sets for the usual readers; without one a second attempt is
// ErrBodyUsed. Settings.BufferRequests and BufferResponses read bodies into memory, so that any request can be sent again and
// links may look at bodies and replace them.
//
// # Statuses
//
// A response with the status 429 or 5xx is an answer for the caller and a failure for links: a retry, a fallback or a breaker
// sees a *StatusError, with the Retry-After of the service. If it gets as far as the caller it is a response again. Responses
// of attempts that were not the last are closed.
//
// # Time
//
// A timeout that a link sets ends with the response's header: the body may take as long as the caller's own context allows.
// With BufferResponses it covers the body, too.
package httpx
