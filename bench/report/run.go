package report

import (
	"fmt"
	"io"
	"math/rand/v2"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/perf/benchmath"

	"github.com/maillon-go/maillon/bench"
	"github.com/maillon-go/maillon/bench/bound"
	"github.com/maillon-go/maillon/bench/measure"
	"github.com/maillon-go/maillon/bench/peers"
	"github.com/maillon-go/maillon/bench/scenario"
)

// Options are how much is measured.
type Options struct {
	Where    Where
	Only     *regexp.Regexp // the ids of cells; nil: all of them, the bounds and the profiles
	Rounds   int            // samples of each cell
	Sample   time.Duration  // how long one takes
	Profile  time.Duration  // how long each profiled cell runs
	Progress io.Writer      // a terminal
}

// confidence is what the intervals of medians are for.
const confidence = 0.95

// Run measures. The cells take turns in an order that is another one in each round, so that a disturbance hits all alike and
// nobody always runs behind the same neighbour.
func Run(o Options) Results {
	r := Results{Where: o.Where, Rounds: o.Rounds, Sample: o.Sample.String(), Modules: versions()}
	var cells []scenario.Cell
	for _, s := range scenario.All() {
		for _, c := range s.Cells {
			if o.Only == nil || o.Only.MatchString(c.ID()) {
				cells = append(cells, c)
			}
		}
	}
	samplers, values := make([]*measure.Sampler, len(cells)), make([][]float64, len(cells))
	for i, c := range cells {
		samplers[i] = measure.NewSampler(c.Build(), o.Sample)
		progress(o.Progress, "making cells ready", i, len(cells), c.ID())
	}
	for round := range o.Rounds {
		for n, i := range rand.Perm(len(cells)) {
			values[i] = append(values[i], samplers[i].NS())
			if n%16 == 0 {
				progress(o.Progress, fmt.Sprintf("round %d of %d", round+1, o.Rounds), n, len(cells), "")
			}
		}
	}
	for i, c := range cells {
		sum := benchmath.AssumeNothing.Summary(benchmath.NewSample(values[i], &benchmath.DefaultThresholds), confidence)
		allocs, bytes := samplers[i].Memory()
		r.Cells = append(r.Cells, Cell{
			ID: c.ID(), Scenario: c.Scenario, Peer: c.Peer, Grade: string(c.Grade), Links: c.Links,
			NS: sum.Center, Low: sum.Lo, High: sum.Hi, Confidence: sum.Confidence, Calls: samplers[i].Calls(), Allocs: allocs, Bytes: bytes,
		})
	}
	if o.Only != nil {
		progress(o.Progress, "done", 0, 0, "")
		return r
	}
	m, all := bound.NewStopwatch(), bound.All()
	for i, b := range all {
		progress(o.Progress, "bounds", i, len(all), b.Name)
		r.Bounds = append(r.Bounds, b.Measure(m))
	}
	for i, id := range profiled {
		progress(o.Progress, "profiles", i, len(profiled), id)
		r.Profiles = append(r.Profiles, profileOf(id, o.Profile))
	}
	progress(o.Progress, "done", 0, 0, "")
	return r
}

// progress is one line that is written over.
func progress(w io.Writer, what string, n, of int, id string) {
	if of == 0 {
		fmt.Fprintf(w, "\r\033[K%s\n", what)
		return
	}
	fmt.Fprintf(w, "\r\033[K%s: %d of %d %s", what, n+1, of, id)
}

// Missed are the bounds that do not hold.
func (r Results) Missed() (out []bound.Result) {
	for _, b := range r.Bounds {
		if b.Verdict() == bound.Missed {
			out = append(out, b)
		}
	}
	return out
}

// version is that of a peer's module.
func (r Results) version(p peers.Peer) string {
	v := r.Modules[p.Module]
	switch {
	case v == "":
		return none
	case p.With != "":
		return fmt.Sprintf("%s, %s %s", v, path.Base(strings.TrimSuffix(p.With, "/v2")), r.Modules[p.With])
	}
	return v
}

// Short are the figures of the variants and of a scope per request, from a few samples each.
func Short(m bound.Meter) (r Results) {
	const rounds = 9
	for _, s := range scenario.All() {
		if s.Name != "variants" && s.Name != "request" {
			continue
		}
		for _, c := range s.Cells {
			if s.Name == "variants" && !slices.Contains(bench.Links, c.Links) {
				continue
			}
			allocs, bytes := m.Memory(c.ID())
			r.Cells = append(r.Cells, Cell{ID: c.ID(), Scenario: c.Scenario, Peer: c.Peer, Links: c.Links, NS: m.Figure(c.ID(), rounds), Allocs: allocs, Bytes: bytes})
		}
	}
	return r
}
