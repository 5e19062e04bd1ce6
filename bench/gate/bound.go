package main

import (
	"fmt"
	"math"
)

// work is one variant at one number of links.
type work struct {
	what  string
	links int
}

func (w work) String() string { return fmt.Sprintf("%s/links=%d", w.what, w.links) }

// uncounted is the limit of a bound that is not about allocations.
const uncounted = -1

// bound is one promise: a ratio of two works, a number of allocations, or both.
type bound struct {
	name      string
	over      work    // the numerator, and the work whose allocations count
	under     work    // the denominator; without one there is no ratio
	scaling   bool    // the ratio is that of the speed-ups from one goroutine to two
	atLeast   bool    // limit and aim are lower ones
	limit     float64 // of the ratio
	aim       float64 // better than the limit; zero: none
	maxAllocs float64 // per call, or uncounted
	beyond    work    // what is not counted of over, where there is no ratio
}

// bounds are what the project promises.
var bounds = []bound{
	{name: "10 hooks / 10 closures", over: work{"hooks", 10}, under: work{"closures", 10}, limit: 2.5, aim: 2},
	{name: "76 hooks / 76 closures", over: work{"hooks", 76}, under: work{"closures", 76}, limit: 1.3},
	{name: "gobreaker on 10 links / 10 hooks", over: work{"gobreaker", 10}, under: work{"hooks", 10}, atLeast: true, limit: 25, aim: 40, maxAllocs: uncounted},
	{name: "10 arounds / 10 closures", over: work{"around", 10}, under: work{"closures", 10}, limit: 25, aim: 15, maxAllocs: 1},
	{name: "10 by Compose / 10 closures", over: work{"compose", 10}, under: work{"closures", 10}, limit: 1.1},
	{name: "a chain with no links", over: work{"hooks", 0}},
	{name: "scaling of 10 hooks / that of 10 closures", over: work{"hooks", 10}, under: work{"closures", 10}, scaling: true, atLeast: true, limit: 0.85, maxAllocs: uncounted},
	{name: "10 hooks in three scopes / 10 hooks", over: work{"scoped", 10}, under: work{"hooks", 10}, limit: 1.2},
	{name: "an instruction beyond its model", over: work{"instruct", 0}, beyond: work{"direct", 0}, maxAllocs: 30},
}

func (b bound) hasRatio() bool { return b.under.what != "" }

func (b bound) countsAllocs() bool { return b.maxAllocs != uncounted }

// holds says whether a measured ratio keeps to a limit.
func (b bound) holds(ratio, limit float64) bool {
	switch {
	case math.IsNaN(ratio):
		return false
	case b.atLeast:
		return ratio >= limit
	}
	return ratio <= limit
}

// result is a bound with what was measured.
type result struct {
	bound
	pair
	allocs float64
	again  bool // the pair is that of a further measurement
	oneCPU bool // there is no scaling to measure
}

// measure takes a bound's figures. A ratio that misses is measured again, longer, up to attempts times: other work on the
// machine comes and goes, a slower loop stays.
func (b bound) measure(m meter) result {
	r := result{bound: b}
	if b.countsAllocs() {
		r.allocs = m.allocs(b.over)
	}
	take := m.ratio
	switch {
	case !b.hasRatio():
		r.overNS = m.figure(b.over, ratioRounds)
		if b.beyond.what != "" {
			r.overNS -= m.figure(b.beyond, ratioRounds)
			r.allocs -= m.allocs(b.beyond)
		}
		return r
	case b.scaling && m.cpus() < 2:
		r.oneCPU = true
		return r
	case b.scaling:
		take = m.scaling
	}
	r.pair = take(b.over, b.under, ratioRounds)
	for range attempts {
		if b.holds(r.ratio, b.limit) {
			break
		}
		r.pair, r.again = take(b.over, b.under, secondRounds), true
	}
	return r
}

// verdict is what a result amounts to.
type verdict string

const (
	verdictOK     verdict = "ok"
	verdictShort  verdict = "ok, short of the aim"
	verdictMissed verdict = "MISSED"
	verdictNone   verdict = "not measured: one CPU"
)

func (r result) verdict() verdict {
	switch {
	case r.oneCPU:
		return verdictNone
	case r.countsAllocs() && r.allocs > r.maxAllocs, r.hasRatio() && !r.holds(r.ratio, r.limit):
		return verdictMissed
	case r.hasRatio() && r.aim != 0 && !r.holds(r.ratio, r.aim):
		return verdictShort
	}
	return verdictOK
}
