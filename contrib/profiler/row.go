package profiler

import (
	"strings"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/maillon-go/maillon/chain"
	"github.com/maillon-go/maillon/stages"
)

const (
	other  = "(other)"  // what came when all keys were taken
	nested = "(nested)" // the kind of calls that a hook or a check makes
)

// key is what a row is of.
type key struct{ kind, name, stage string }

func keyOf(m stages.Meta, stage string) key {
	k := key{clip(m.ComponentKind), clip(m.ComponentName), stage}
	if m.ParentRequestID != "" && k.kind == "" {
		k.kind = nested
	}
	return k
}

// clip bounds a name that comes from outside.
func clip(s string) string {
	const most = 128
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// row is a line of the report that is being added up.
type row struct {
	mu sync.Mutex
	Counts
	latency, first histogram
}

func (r *row) end(v chain.Verdict, failed bool, took time.Duration) {
	r.Calls++
	r.latency.add(took)
	switch {
	case v == chain.Blocked:
		r.Blocked++
	case v == chain.Canceled:
		r.Canceled++
	case failed || v == chain.Failed:
		r.Failed++
	}
}

func (r *row) use(u stages.Usage) {
	r.InputTokens += int64(u.InputTokens)
	r.OutputTokens += int64(u.OutputTokens)
}

// add lets f change a row that nobody else changes meanwhile.
func (p *Plugin) add(k key, f func(*row)) {
	locked(p, k, func() map[key]*row { return p.rows }, key{other, "", k.stage}, func(r *row) {
		r.mu.Lock()
		defer r.mu.Unlock()
		f(r)
	})
}

// locked lets f have the value of a key, or that of rest when no more keys fit. Snapshots wait meanwhile.
func locked[K comparable, V any](p *Plugin, k K, in func() map[K]*V, rest K, f func(*V)) {
	p.mu.RLock()
	v := in()[k]
	if v != nil {
		defer p.mu.RUnlock()
		f(v)
		return
	}
	p.mu.RUnlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	m := in()
	if v = m[k]; v == nil && len(m) >= p.maxKeys {
		k = rest
		v = m[k]
	}
	if v == nil {
		v = new(V)
		m[k] = v
	}
	f(v)
}

// histogram is one of durations, made when there is the first.
type histogram struct {
	h   *hdrhistogram.Histogram
	sum time.Duration
}

// longest is what longer durations count as, in quantiles.
const longest = time.Hour

func (h *histogram) add(d time.Duration) {
	if h.h == nil {
		h.h = hdrhistogram.New(1, int64(longest), 2)
	}
	h.sum += max(d, 0)
	_ = h.h.RecordValue(int64(min(max(d, 0), longest))) // within its range
}

func (h *histogram) merge(o histogram) {
	if o.h == nil {
		return
	}
	if h.h == nil {
		h.h = hdrhistogram.New(1, int64(longest), 2)
	}
	h.sum += o.sum
	h.h.Merge(o.h)
}

func (h *histogram) timing() (t Timing) {
	if h.h == nil || h.h.TotalCount() == 0 {
		return t
	}
	at := func(q float64) time.Duration { return time.Duration(h.h.ValueAtQuantile(q)) }
	n := h.h.TotalCount()
	return Timing{
		Count: n, Sum: h.sum, Mean: h.sum / time.Duration(n), Min: time.Duration(h.h.Min()), P50: at(50), P90: at(90), P99: at(99),
		Max: time.Duration(h.h.Max()),
	}
}
