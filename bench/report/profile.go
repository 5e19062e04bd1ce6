package report

import (
	"bytes"
	"cmp"
	"runtime/pprof"
	"slices"
	"strings"
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

// profileRows are how many functions and packages are told of.
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

// flat sums up the samples by the function that was running, inlined ones counted for themselves, and by its package. A preemption, which
// is no part of the work, counts for the function that it came to.
func flat(id string, p *profile.Profile) Profile {
	functions, packages := map[string]int64{}, map[string]int64{}
	out := Profile{ID: id}
	for _, s := range p.Sample {
		name := running(s)
		if name == "" {
			continue
		}
		functions[name] += s.Value[0]
		packages[packageOf(name)] += s.Value[0]
		out.Samples += s.Value[0]
	}
	out.Rows, out.Parts = rowsOf(functions, out.Samples), rowsOf(packages, out.Samples)
	return out
}

func running(s *profile.Sample) string {
	for _, l := range s.Location {
		for _, line := range l.Line {
			if !strings.HasPrefix(line.Function.Name, "runtime.asyncPreempt") {
				return line.Function.Name
			}
		}
	}
	return ""
}

// packageOf is the path in front of a function's name.
func packageOf(function string) string {
	function, _, _ = strings.Cut(function, "[") // type arguments have paths too
	slash := strings.LastIndex(function, "/") + 1
	name, _, _ := strings.Cut(function[slash:], ".")
	return function[:slash] + name
}

func rowsOf(by map[string]int64, samples int64) []Row {
	var rows []Row
	for name, n := range by {
		rows = append(rows, Row{name, float64(n) / float64(samples)})
	}
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(b.Share, a.Share), cmp.Compare(a.Name, b.Name))
	})
	return rows[:min(len(rows), profileRows)]
}
