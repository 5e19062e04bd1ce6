package peers

import (
	"context"
	"net/http"

	"github.com/justinas/alice"

	"github.com/maillon-go/maillon/bench"
)

// alice chains http.Handlers. There is no payload in them, so it goes in a writer of the benchmark's own, one per call; the
// request is one for all calls, and so is its context: a copy of it in each call would cost more than the chain does.
var aliceChain = Peer{
	Name: "alice", Module: "github.com/justinas/alice", Version: "v1.2.0",
	Does:   "http.Handler around http.Handler; no results or errors of its own; no breaker, panics not contained",
	Builds: map[Grade]Build{Plain: handlers, Recovering: over(handlers, Contained)},
}

// carrier takes the payload through handlers. Nothing writes to it.
type carrier struct {
	http.ResponseWriter
	p   *bench.Payload
	err error
}

func handlers(steps []Step, backend bench.Handler) bench.Handler {
	var c alice.Chain
	for _, step := range steps {
		c = c.Append(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				on := w.(*carrier)
				p, err := step(r.Context(), on.p)
				if err != nil {
					on.p, on.err = nil, err
					return
				}
				on.p = p
				next.ServeHTTP(w, r)
			})
		})
	}
	h := c.ThenFunc(func(w http.ResponseWriter, r *http.Request) {
		on := w.(*carrier)
		on.p, on.err = backend(r.Context(), on.p)
	})
	r := must(http.NewRequestWithContext(context.Background(), http.MethodGet, "/", nil))
	return func(_ context.Context, p *bench.Payload) (*bench.Payload, error) {
		on := &carrier{p: p}
		h.ServeHTTP(on, r)
		return on.p, on.err
	}
}
