package main

import (
	"fmt"

	"github.com/maillon-go/maillon/bench"
)

// request is what one call costs that makes a scope of its own. It is reported and no bound.
type request struct {
	work
	ns, allocs, bytes float64 // per call
}

// measureRequest takes the figures beside ten links that all calls share.
func measureRequest(m meter) request {
	w := work{bench.PerRequest.Name, 10}
	return request{w, m.figure(w, tableRounds), m.allocs(w), m.bytes(w)}
}

// String is a line for a terminal and for the README alike.
func (r request) String() string {
	return fmt.Sprintf("One scope per request (two links beside %d shared ones; made, bound, called once and dropped): %s ns, %.0f allocations, %.0f bytes.\n",
		r.links, nanos(r.ns), r.allocs, r.bytes)
}
