package report

import (
	"bytes"
	"cmp"
	"runtime/pprof"
	"slices"
	"time"

	"github.com/google/pprof/profile"

	"github.com/maillon-go/maillon/bench/measure"
	"github.com/maillon-go/maillon/bench/scenario"
)

// profiled are the cells whose time is looked into.
var profiled = []string{
	"variants/links=10/hooks",
	"variants/links=10/around",
	"backend-error/links=10/guarded/maillon arounds",
	"variants/links=10/gobreaker",
	"session/links=0/instruct",
}

// profileRows are how many functions are told of.
const profileRows = 10

// profileOf runs a cell for a while under the CPU profiler.
func profileOf(id string, d time.Duration) Profile {
	c, ok := scenario.Find(id)
	if !ok {
		panic("report: no cell " + id)
	}
	s := measure.NewSampler(c.Build(), measure.Long)
	var buf bytes.Buffer
	if err := pprof.StartCPUProfile(&buf); err != nil {
		panic(err)
	}
	for start := time.Now(); time.Since(start) < d; {
		s.NS()
	}
	pprof.StopCPUProfile()
	p, err := profile.Parse(&buf)
	if err != nil {
		panic(err)
	}
	return flat(id, p)
}

// flat sums up the samples by the function that was running, inlined ones counted for themselves.
func flat(id string, p *profile.Profile) Profile {
	by := map[string]int64{}
	out := Profile{ID: id}
	for _, s := range p.Sample {
		if len(s.Location) == 0 || len(s.Location[0].Line) == 0 {
			continue
		}
		by[s.Location[0].Line[0].Function.Name] += s.Value[0]
		out.Samples += s.Value[0]
	}
	for name, n := range by {
		out.Rows = append(out.Rows, Row{name, float64(n) / float64(max(out.Samples, 1))})
	}
	slices.SortFunc(out.Rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(b.Share, a.Share), cmp.Compare(a.Function, b.Function))
	})
	out.Rows = out.Rows[:min(len(out.Rows), profileRows)]
	return out
}
