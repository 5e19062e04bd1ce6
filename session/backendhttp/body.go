package backendhttp

import (
	"errors"
	"io"
	"net/http"
)

// MaxAnswer is how many bytes of a response a Transport reads: 64 MiB.
const MaxAnswer = 64 << 20

// ErrTooLong is the end of a response that goes on and on.
var ErrTooLong = errors.New("backendhttp: the response is longer than 64 MiB")

// Transport sends requests by next and ends a response after MaxAnswer bytes with ErrTooLong, so that no service can fill the
// memory.
func Transport(next http.RoundTripper) http.RoundTripper { return transport{next} }

type transport struct{ next http.RoundTripper }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := t.next.RoundTrip(r)
	if err == nil && res.Body != nil {
		res.Body = &body{ReadCloser: res.Body, left: MaxAnswer}
	}
	return res, err
}

// CloseIdleConnections is for http.Client.
func (t transport) CloseIdleConnections() {
	if c, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

type body struct {
	io.ReadCloser
	left int64
}

func (b *body) Read(p []byte) (int, error) {
	if b.left <= 0 {
		var one [1]byte
		if n, err := b.ReadCloser.Read(one[:]); n == 0 {
			return 0, err
		}
		return 0, ErrTooLong
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
